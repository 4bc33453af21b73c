"""A create that carries a key is done once, whatever becomes of its verification."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, Exchange, exchange_with

from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import CallStatus, Status, Verification
from otpvoice.store.decoding import Answer
from otpvoice.store.keys import Keys
from otpvoice.store.redis_store import RedisStore

SAID = Idempotency("one key", "one body")
DAY = 86_400


def replayed(answer: Answer, begun: Verification, outcome: str = "created") -> Verification:
    """The verification of a replay, once it was found to be the one of the first answer."""
    assert (answer.is_replayed, answer.outcome) == (True, outcome)
    assert answer.verification
    assert answer.verification.id == begun.id
    return answer.verification


@pytest.fixture
def begun(exchange: Exchange) -> Verification:
    """What the first request with the key began."""
    answer = exchange.asks(idempotency=SAID)
    assert answer.outcome == "created"
    assert answer.verification
    return answer.verification


def test_the_same_request_again(exchange: Exchange, begun: Verification) -> None:
    """The same verification as it now stands, the same outcome, and nothing is queued."""
    exchange.finds_busy()
    for _ in range(3):
        seen = replayed(exchange.asks(idempotency=SAID), begun)
        assert [call.status for call in seen.calls] == [CallStatus.BUSY]


def test_what_found_one_under_way_says_so_again(exchange: Exchange) -> None:
    """It was under way then, also after that verification has ended."""
    begun = exchange.begins()
    assert exchange.asks(idempotency=SAID).outcome == "existing"
    exchange.cancels(begun)
    again = replayed(exchange.asks(idempotency=SAID), begun, "existing")
    assert again.status is Status.CANCELED


def test_after_its_end(exchange: Exchange, begun: Verification) -> None:
    """Approved: no second verification, and no second proof."""
    exchange.dials()
    exchange.checks(begun, CODE)
    assert replayed(exchange.asks(idempotency=SAID), begun).status is Status.APPROVED
    exchange.finds_nothing()


def test_after_its_life(exchange: Exchange, begun: Verification) -> None:
    """Expired: the replay says so, even if nobody swept."""
    exchange.passes(301, dialer=None)
    assert replayed(exchange.asks(idempotency=SAID), begun).status is Status.EXPIRED


def test_after_it_was_superseded(exchange: Exchange, begun: Verification) -> None:
    """The older request does not end the newer verification."""
    newer = exchange.begins(code="654321", own_code=True)
    assert replayed(exchange.asks(idempotency=SAID), begun).status is Status.CANCELED
    assert exchange.looks(newer).status is Status.PENDING


def test_another_body(exchange: Exchange, begun: Verification) -> None:
    """Refused, with nothing shown and nothing changed, whatever it asks for."""
    other = Idempotency(SAID.key_hash, "another body")
    for to in (RAVI, "+919876543210"):
        answer = exchange.asks(to, idempotency=other, code="99999", own_code=True)
        assert (answer.outcome, answer.verification) == ("idempotency_mismatch", None)
    assert exchange.looks(begun).status is Status.PENDING
    replayed(exchange.asks(idempotency=SAID), begun)


def test_another_clients_key(exchange: Exchange, begun: Verification) -> None:
    """The same key from another client is another key."""
    answer = exchange.asks(client="bank", idempotency=SAID)
    assert answer.outcome == "created"
    assert answer.verification
    assert answer.verification.id != begun.id
    assert exchange.looks(begun).status is Status.PENDING


def test_another_key(exchange: Exchange, begun: Verification) -> None:
    """It is another request: here the same verification by its own rule, with its own outcome."""
    other = Idempotency("another key", SAID.body_hash)
    assert exchange.asks(idempotency=other).outcome == "existing"
    replayed(exchange.asks(idempotency=other), begun, "existing")
    replayed(exchange.asks(idempotency=SAID), begun, "created")


def test_a_refusal_is_not_remembered(redis: Redis) -> None:
    """When the limit lets it, the same request begins one."""
    exchange = exchange_with(redis, "1/10m", gaps=(0,))
    exchange.begins(client="bank")
    exchange.finds_busy()
    refused = exchange.asks(idempotency=SAID)
    assert refused.outcome == "rate_limited calls_per_number"
    exchange.passes(601)
    assert exchange.asks(idempotency=SAID).outcome == "created"


def test_a_refusal_for_want_of_dialers_is_not_remembered(store: RedisStore) -> None:
    """A 503 is to be repeated with the same key."""
    exchange = Exchange(store)
    exchange.passes(31, dialer=None)
    assert exchange.asks(idempotency=SAID).outcome == "calls_unavailable"
    exchange.sweeps()
    assert exchange.asks(idempotency=SAID).outcome == "created"


def test_a_day_later_it_is_a_new_request(
    exchange: Exchange, begun: Verification, redis: Redis
) -> None:
    """Kept for 24 h, longer than any verification lives, and no longer."""
    (key,) = redis.scan_iter("*:again:*")
    assert DAY - 5 <= redis.ttl(key) <= DAY
    redis.delete(key)
    exchange.cancels(begun)
    assert exchange.asks(idempotency=SAID).outcome == "created"


def test_a_replay_does_not_prolong(exchange: Exchange, begun: Verification, redis: Redis) -> None:
    """The day runs from the first answer."""
    (key,) = redis.scan_iter("*:again:*")
    redis.pexpire(key, 5_000)
    replayed(exchange.asks(idempotency=SAID), begun)
    assert redis.pttl(key) <= 5_000


def test_a_record_that_is_gone_is_begun_anew(redis: Redis) -> None:
    """With a `keep` shorter than a day the key may outlive what it names."""
    exchange = exchange_with(redis)
    first = exchange.asks(idempotency=SAID).verification
    assert first
    redis.delete(Keys().verification(first.id))
    assert exchange.asks(idempotency=SAID).outcome == "created"


@pytest.mark.parametrize("idempotency", [SAID, None])
def test_a_hundred_at_once(exchange: Exchange, idempotency: Idempotency | None) -> None:
    """One verification and one call: by the key, or by number and reference alone."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: exchange.asks(reference="login-81", idempotency=idempotency), range(100)
            )
        )
    begun = [answer for answer in answers if not answer.is_replayed]
    assert len(begun) == (1 if idempotency else 100)
    assert sorted(answer.outcome for answer in begun) == ["created"] + ["existing"] * (
        len(begun) - 1
    )
    assert len({answer.verification.id for answer in answers if answer.verification}) == 1
    exchange.dials()
    exchange.finds_nothing()
