"""A create that carries a key is done once, whatever becomes of its verification."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.driver import CODE, RAVI, StoreDriver, driver_with_quotas

from otpvoice.core.store_port import Idempotency, StoreResult
from otpvoice.core.verification import CallStatus, Status, Verification
from otpvoice.store.keys import Keys
from otpvoice.store.redis_store import RedisStore

SAID = Idempotency("one key", "one body")
DAY = 86_400


def replayed(answer: StoreResult, begun: Verification, outcome: str = "created") -> Verification:
    """The verification of a replay, once it was found to be the one of the first answer."""
    assert (answer.is_replayed, answer.outcome) == (True, outcome)
    assert answer.verification
    assert answer.verification.id == begun.id
    return answer.verification


@pytest.fixture
def begun(driver: StoreDriver) -> Verification:
    """What the first request with the key began."""
    answer = driver.try_create(idempotency=SAID)
    assert answer.outcome == "created"
    assert answer.verification
    return answer.verification


def test_the_same_request_again(driver: StoreDriver, begun: Verification) -> None:
    """The same verification as it now stands, the same outcome, and nothing is queued."""
    driver.dial_busy()
    for _ in range(3):
        seen = replayed(driver.try_create(idempotency=SAID), begun)
        assert [call.status for call in seen.calls] == [CallStatus.BUSY]


def test_what_found_one_under_way_says_so_again(driver: StoreDriver) -> None:
    """It was under way then, also after that verification has ended."""
    begun = driver.create()
    assert driver.try_create(idempotency=SAID).outcome == "existing"
    driver.cancel(begun)
    again = replayed(driver.try_create(idempotency=SAID), begun, "existing")
    assert again.status is Status.CANCELED


def test_after_its_end(driver: StoreDriver, begun: Verification) -> None:
    """Approved: no second verification, and no second proof."""
    driver.dial()
    driver.check(begun, CODE)
    assert replayed(driver.try_create(idempotency=SAID), begun).status is Status.APPROVED
    driver.seconds_until_due()


def test_after_its_life(driver: StoreDriver, begun: Verification) -> None:
    """Expired: the replay says so, even if nobody swept."""
    driver.advance_time(301, dialer=None)
    assert replayed(driver.try_create(idempotency=SAID), begun).status is Status.EXPIRED


def test_after_it_was_superseded(driver: StoreDriver, begun: Verification) -> None:
    """The older request does not end the newer verification."""
    newer = driver.create(code="654321", own_code=True)
    assert replayed(driver.try_create(idempotency=SAID), begun).status is Status.CANCELED
    assert driver.get(newer).status is Status.PENDING


def test_another_body(driver: StoreDriver, begun: Verification) -> None:
    """Refused, with nothing shown and nothing changed, whatever it asks for."""
    other = Idempotency(SAID.key_hash, "another body")
    for to in (RAVI, "+919876543210"):
        answer = driver.try_create(to, idempotency=other, code="99999", own_code=True)
        assert (answer.outcome, answer.verification) == ("idempotency_mismatch", None)
    assert driver.get(begun).status is Status.PENDING
    replayed(driver.try_create(idempotency=SAID), begun)


def test_another_clients_key(driver: StoreDriver, begun: Verification) -> None:
    """The same key from another client is another key."""
    answer = driver.try_create(client="bank", idempotency=SAID)
    assert answer.outcome == "created"
    assert answer.verification
    assert answer.verification.id != begun.id
    assert driver.get(begun).status is Status.PENDING


def test_another_key(driver: StoreDriver, begun: Verification) -> None:
    """It is another request: here the same verification by its own rule, with its own outcome."""
    other = Idempotency("another key", SAID.body_hash)
    assert driver.try_create(idempotency=other).outcome == "existing"
    replayed(driver.try_create(idempotency=other), begun, "existing")
    replayed(driver.try_create(idempotency=SAID), begun, "created")


def test_a_refusal_is_not_remembered(redis: Redis) -> None:
    """When the limit lets it, the same request begins one."""
    driver = driver_with_quotas(redis, "1/10m", gaps=(0,))
    driver.create(client="bank")
    driver.dial_busy()
    refused = driver.try_create(idempotency=SAID)
    assert refused.outcome == "rate_limited calls_per_number"
    driver.advance_time(601)
    assert driver.try_create(idempotency=SAID).outcome == "created"


def test_a_refusal_for_want_of_dialers_is_not_remembered(store: RedisStore) -> None:
    """A 503 is to be repeated with the same key."""
    driver = StoreDriver(store)
    driver.advance_time(31, dialer=None)
    assert driver.try_create(idempotency=SAID).outcome == "calls_unavailable"
    driver.sweep()
    assert driver.try_create(idempotency=SAID).outcome == "created"


def test_a_day_later_it_is_a_new_request(
    driver: StoreDriver, begun: Verification, redis: Redis
) -> None:
    """Kept for 24 h, longer than any verification lives, and no longer."""
    (key,) = redis.scan_iter("*:idempotency:*")
    assert DAY - 5 <= redis.ttl(key) <= DAY
    redis.delete(key)
    driver.cancel(begun)
    assert driver.try_create(idempotency=SAID).outcome == "created"


def test_a_replay_does_not_prolong(driver: StoreDriver, begun: Verification, redis: Redis) -> None:
    """The day runs from the first answer."""
    (key,) = redis.scan_iter("*:idempotency:*")
    redis.pexpire(key, 5_000)
    replayed(driver.try_create(idempotency=SAID), begun)
    assert redis.pttl(key) <= 5_000


def test_a_record_that_is_gone_is_begun_anew(redis: Redis) -> None:
    """With a `keep` shorter than a day the key may outlive what it names."""
    driver = driver_with_quotas(redis)
    first = driver.try_create(idempotency=SAID).verification
    assert first
    redis.delete(Keys().of("verification", first.id))
    assert driver.try_create(idempotency=SAID).outcome == "created"


@pytest.mark.parametrize("idempotency", [SAID, None])
def test_a_hundred_at_once(driver: StoreDriver, idempotency: Idempotency | None) -> None:
    """One verification and one call: by the key, or by number and reference alone."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: driver.try_create(reference="login-81", idempotency=idempotency),
                range(100),
            )
        )
    begun = [answer for answer in answers if not answer.is_replayed]
    assert len(begun) == (1 if idempotency else 100)
    assert sorted(answer.outcome for answer in begun) == ["created"] + ["existing"] * (
        len(begun) - 1
    )
    assert len({answer.verification.id for answer in answers if answer.verification}) == 1
    driver.dial()
    driver.seconds_until_due()
