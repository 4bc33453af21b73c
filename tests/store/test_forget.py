"""Forget: what is known of a number is erased, and what limits count is not."""

import pytest
from redis import Redis
from store.exchange import CODE, NUMBERS, RAVI, Exchange, limited, quotas_of, telephone
from store.limit_cases import ADDRESS, GENEROUS, HOUR, NO_GAP, refusing, uses_of
from world import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status
from otpvoice.store.admin import Use
from otpvoice.store.models import CallResult

PHONE = telephone(ASHA)


def test_forget_erases_verifications_calls_and_refusals(redis: Redis) -> None:
    """Ended or pending, of every client; another number's stay."""
    exchange = limited(redis, gaps=NO_GAP, calls_per_number=quotas_of("2/1h"))
    exchange.begins()
    exchange.dials(CallResult(CallStatus.PLACED, provider_id="their id"))
    exchange.cancels(exchange.begins(client="bank"))
    pending = exchange.begins(client="bank", call_after=100)
    other = exchange.begins(RAVI)
    refusing(exchange.asks(client="shop"))
    assert exchange.operations.forget(PHONE, "root") == 3
    kinds = ("verification", "speech", "call", "provider", "refusals")
    left = [key for kind in kinds for key in redis.scan_iter(f"*:{kind}:*")]
    assert len(left) == 3
    assert exchange.looks(other).status is Status.PENDING
    assert exchange.store.get(pending.id, "bank").outcome == "not_found"
    assert exchange.operations.find_by_number(PHONE, "root") == []
    assert exchange.claims().verification_id == other.id
    exchange.sweeps()
    [told] = [notice for notice in exchange.notices if notice.event == "number.forgotten"]
    assert (told.details["verifications"], told.details["by"]) == (3, "root")


def counted(exchange: Exchange) -> list[Use]:
    """How far limits are used up, but for the number of pending verifications."""
    return [use for use in uses_of(exchange) if use.limit != "pending_per_number"]


def test_forget_is_no_way_around_limits(redis: Redis) -> None:
    """Calls, guesses, gap, prefix and address count on."""
    exchange = limited(
        redis, **GENEROUS | {"calls_per_number": quotas_of("1/1h"), "calls_per_day": 1}
    )
    begun = exchange.begins(ip=ADDRESS)
    exchange.finds_busy()
    exchange.checks(begun, "999999")
    before, gap_until = counted(exchange), exchange.explains().gap_until
    exchange.operations.forget(PHONE, "root")
    assert counted(exchange) == before
    assert exchange.explains().gap_until == gap_until
    assert exchange.asks(client="bank").outcome.startswith("rate_limited")


def test_an_approval_after_forget_gives_back(redis: Redis) -> None:
    """The number's places are its own, whoever remembers the verifications."""
    exchange = limited(redis, gaps=NO_GAP, calls_per_number=quotas_of("2/1h"))
    exchange.begins()
    exchange.finds_busy()
    exchange.operations.forget(PHONE, "root")
    exchange.approves(exchange.begins())
    for client in ("login", "bank"):
        exchange.begins(client=client)


def test_forget_cancels_what_is_pending_first(redis: Redis) -> None:
    """Its queued call gives its places back; a call that rings can not be called back."""
    exchange = limited(redis, gaps=NO_GAP, calls_per_number=quotas_of("2/1h"))
    exchange.begins()
    placed = exchange.dials()
    exchange.begins(client="bank")
    exchange.operations.forget(PHONE, "root")
    assert next(use.used for use in uses_of(exchange) if use.limit == "calls_per_number") == 1
    assert exchange.hears(CallStatus.BUSY, call_id=placed.call_id).call_id is None
    exchange.passes(200)
    assert exchange.finds_nothing() == -1


def test_forget_before_the_dialers_word(redis: Redis) -> None:
    """What was sent meanwhile is recorded nowhere, and nothing comes back."""
    exchange = limited(redis, gaps=NO_GAP)
    exchange.begins()
    claim = exchange.claims()
    assert exchange.marks(claim)
    exchange.operations.forget(PHONE, "root")
    assert exchange.records(claim, CallResult(CallStatus.PLACED, provider_id="id")).status is None
    exchange.passes(200)
    for kind in ("verification", "call", "provider"):
        assert not list(redis.scan_iter(f"*:{kind}:*"))


def test_the_code_of_a_forgotten_verification_is_refused(redis: Redis) -> None:
    """Like one that never was."""
    exchange = limited(redis, clients={"login": ClientLimits()})
    begun = exchange.begins()
    exchange.operations.forget(PHONE, "root")
    assert exchange.checks(begun, CODE).outcome == "not_found"
    assert exchange.asks().outcome == "created"


def test_forget_twice(redis: Redis) -> None:
    """The second time there is nothing."""
    exchange = limited(redis)
    begun = exchange.begins()
    exchange.ends(begun, Status.CANCELED, EndReason.REQUESTED)
    assert exchange.operations.forget(PHONE, "root") == 1
    assert exchange.operations.forget(PHONE, "root") == 0


def test_a_window_outlives_a_forgotten_number(redis: Redis) -> None:
    """To its end, and not longer."""
    exchange = limited(redis, gaps=NO_GAP, calls_per_number=quotas_of("1/1h"))
    exchange.begins()
    exchange.dials(CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))
    exchange.operations.forget(PHONE, "root")
    exchange.passes(HOUR - 2)
    assert refusing(exchange.asks()) == "calls_per_number"
    exchange.passes(2)
    assert exchange.asks().outcome == "created"


def test_every_verification_is_erased(exchange: Exchange, redis: Redis) -> None:
    """More of them than the number's record names, with calls, speech and the provider's ids."""
    for n in range(25):
        exchange.begins(reference=f"login-{n}")
    claim = exchange.dials()
    exchange.hears(CallStatus.ANSWERED, call_id=claim.call_id, ids=("theirs-1",))
    other = exchange.begins(RAVI, own_code=True)

    assert exchange.operations.forget(PHONE, "asha's friend") == 25
    left = sorted(key.decode().split(":")[1] for key in redis.scan_iter() if b"ref" not in key)
    assert left.count("verification") == left.count("call") == left.count("speech") == 1
    assert "provider" not in left
    assert exchange.operations.find_by_number(PHONE, "x") == []
    assert exchange.checks(other, CODE).outcome == "right"


@pytest.mark.parametrize("broken", ["verification", "call", "number"])
def test_set_aside_records_of_the_number_are_erased(
    exchange: Exchange, redis: Redis, broken: str
) -> None:
    """They hold its hash and its sealed number, and would stay for a week."""
    begun = exchange.begins()
    exchange.begins(RAVI)
    bad = {"verification": "expires_at", "call": "due_at", "number": "until"}[broken]
    for to in (ASHA, RAVI):
        [found] = exchange.operations.find_by_number(telephone(to), "root")
        ids = {"verification": found.id, "call": found.calls[0].id, "number": NUMBERS.hash(to)}
        redis.hset(f"{{otpvoice}}:{broken}:{ids[broken]}", bad, "soon")
        exchange.store.get(found.id, "login")
    assert len([*redis.scan_iter("*:quarantined:*")]) == 2
    assert exchange.operations.forget(PHONE, "root") == 1
    [left] = redis.scan_iter("*:quarantined:*")
    assert NUMBERS.hash(RAVI).encode() in (redis.hget(left, "number") or left)
    assert not redis.exists(f"{{otpvoice}}:call:{begun.calls[0].id}")


@pytest.mark.parametrize("where", ["verification:vrf_bad", "quarantined:verification:vrf_bad"])
def test_forget_passes_over_a_record_of_another_type(
    exchange: Exchange, redis: Redis, where: str
) -> None:
    """Nobody's erasure fails because of another program's key."""
    redis.lpush(f"{{otpvoice}}:quarantined:refusals:{PHONE.name}", "no JSON")
    exchange.begins()
    redis.set(f"{{otpvoice}}:{where}", "no hash", ex=1000)
    assert exchange.operations.forget(PHONE, "root") == 1
    assert not redis.exists(f"{{otpvoice}}:quarantined:refusals:{PHONE.name}")
