"""A create with an idempotency key has effects once, however its verification ends."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.builders import driver_with_quotas
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.store_port import Idempotency, StoreResult
from otpvoice.core.verification import CallStatus, Status, Verification
from otpvoice.store import Keys
from otpvoice.store.redis_store import RedisStore

SAID = Idempotency("one key", "one body")
DAY = 86_400


def replayed(answer: StoreResult, begun: Verification, outcome: str = "created") -> Verification:
    """Return the verification of a replay of the first outcome."""
    assert (answer.is_replayed, answer.outcome) == (True, outcome)
    assert answer.verification
    assert answer.verification.id == begun.id
    return answer.verification


@pytest.fixture
def begun(driver: StoreDriver) -> Verification:
    """Return the verification of the first request with the key."""
    answer = driver.try_create(idempotency=SAID)
    assert answer.outcome == "created"
    assert answer.verification
    return answer.verification


def test_repeated_create_returns_first_outcome(driver: StoreDriver, begun: Verification) -> None:
    """The verification as it is now; no call is added."""
    driver.dial_busy()
    for _ in range(3):
        seen = replayed(driver.try_create(idempotency=SAID), begun)
        assert [call.status for call in seen.calls] == [CallStatus.BUSY]


def test_replay_of_existing_returns_existing(driver: StoreDriver) -> None:
    """Also after that verification has ended."""
    begun = driver.create()
    assert driver.try_create(idempotency=SAID).outcome == "existing"
    driver.cancel(begun)
    again = replayed(driver.try_create(idempotency=SAID), begun, "existing")
    assert again.status is Status.CANCELED


def test_replay_after_approval_returns_approved_verification(
    driver: StoreDriver, begun: Verification
) -> None:
    """No second verification starts."""
    driver.dial()
    driver.check(begun, CODE)
    assert replayed(driver.try_create(idempotency=SAID), begun).status is Status.APPROVED
    driver.seconds_until_due()


def test_replay_after_expiry_returns_expired_verification(
    driver: StoreDriver, begun: Verification
) -> None:
    """Without a sweep."""
    driver.advance_time(301, dialer=None)
    assert replayed(driver.try_create(idempotency=SAID), begun).status is Status.EXPIRED


def test_replay_of_superseded_create_keeps_the_newer_verification(
    driver: StoreDriver, begun: Verification
) -> None:
    newer = driver.create(code="654321", own_code=True)
    assert replayed(driver.try_create(idempotency=SAID), begun).status is Status.CANCELED
    assert driver.get(newer).status is Status.PENDING


def test_same_key_with_another_body_is_refused(driver: StoreDriver, begun: Verification) -> None:
    """Nothing is shown or changed."""
    other = Idempotency(SAID.key_hash, "another body")
    for to in (RAVI, "+919876543210"):
        answer = driver.try_create(to, idempotency=other, code="99999", own_code=True)
        assert (answer.outcome, answer.verification) == ("idempotency_mismatch", None)
    assert driver.get(begun).status is Status.PENDING
    replayed(driver.try_create(idempotency=SAID), begun)


def test_keys_of_clients_are_separate(driver: StoreDriver, begun: Verification) -> None:
    answer = driver.try_create(client="bank", idempotency=SAID)
    assert answer.outcome == "created"
    assert answer.verification
    assert answer.verification.id != begun.id
    assert driver.get(begun).status is Status.PENDING


def test_another_key_is_another_request(driver: StoreDriver, begun: Verification) -> None:
    """Here it returns the pending verification, with its own outcome."""
    other = Idempotency("another key", SAID.body_hash)
    assert driver.try_create(idempotency=other).outcome == "existing"
    replayed(driver.try_create(idempotency=other), begun, "existing")
    replayed(driver.try_create(idempotency=SAID), begun, "created")


def test_refusal_by_limit_is_not_stored(redis: Redis) -> None:
    """The same request starts a verification when the limit allows it."""
    driver = driver_with_quotas(redis, "1/10m", gaps=(0,))
    driver.create(client="bank")
    driver.dial_busy()
    refused = driver.try_create(idempotency=SAID)
    assert refused.outcome == "rate_limited calls_per_number"
    driver.advance_time(601)
    assert driver.try_create(idempotency=SAID).outcome == "created"


def test_refusal_without_dialer_is_not_stored(store: RedisStore) -> None:
    driver = StoreDriver(store)
    driver.advance_time(31, dialer=None)
    assert driver.try_create(idempotency=SAID).outcome == "calls_unavailable"
    driver.sweep()
    assert driver.try_create(idempotency=SAID).outcome == "created"


def test_key_expires_after_24_hours(driver: StoreDriver, begun: Verification, redis: Redis) -> None:
    (key,) = redis.scan_iter("*:idempotency:*")
    assert DAY - 5 <= redis.ttl(key) <= DAY
    redis.delete(key)
    driver.cancel(begun)
    assert driver.try_create(idempotency=SAID).outcome == "created"


def test_replay_does_not_extend_the_key(
    driver: StoreDriver, begun: Verification, redis: Redis
) -> None:
    (key,) = redis.scan_iter("*:idempotency:*")
    redis.pexpire(key, 5_000)
    replayed(driver.try_create(idempotency=SAID), begun)
    assert redis.pttl(key) <= 5_000


def test_key_without_its_verification_starts_another(redis: Redis) -> None:
    """The retention may be shorter than a day."""
    driver = driver_with_quotas(redis)
    first = driver.try_create(idempotency=SAID).verification
    assert first
    redis.delete(Keys().of("verification", first.id))
    assert driver.try_create(idempotency=SAID).outcome == "created"


@pytest.mark.parametrize("idempotency", [SAID, None])
def test_100_simultaneous_creates_start_one_verification(
    driver: StoreDriver, idempotency: Idempotency | None
) -> None:
    """With a key, or with the same number and reference."""
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
