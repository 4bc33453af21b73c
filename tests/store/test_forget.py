"""Erasing a person: all that is known of a number, and nothing of anybody else."""

from redis import Redis
from store.exchange import CODE, RAVI, Exchange, telephone
from world import ASHA

from otpvoice.core.verification import CallStatus


def test_every_verification_is_erased(exchange: Exchange, redis: Redis) -> None:
    """More of them than the number's record names, with calls, speech and the provider's ids."""
    for n in range(25):
        exchange.begins(reference=f"login-{n}")
    claim = exchange.dials()
    exchange.hears(CallStatus.ANSWERED, call_id=claim.call_id, ids=("theirs-1",))
    other = exchange.begins(RAVI)

    assert exchange.operations.forget(telephone(ASHA), "asha's friend") == 25
    left = sorted(key.decode().split(":")[1] for key in redis.scan_iter() if b"ref" not in key)
    assert left.count("verification") == left.count("call") == left.count("speech") == 1
    assert "provider" not in left
    assert exchange.operations.find_by_number(telephone(ASHA), "x") == []
    assert exchange.checks(other, CODE).outcome == "right"


def test_a_call_on_its_way_is_not_sent(exchange: Exchange) -> None:
    """Forgotten between claim and mark: nobody is called, and nothing comes back."""
    exchange.begins()
    claim = exchange.claims()
    exchange.operations.forget(telephone(ASHA), "x")
    assert not exchange.marks(claim)
    exchange.passes(30)
    assert exchange.finds_nothing() == -1
