"""A check or a call request with an idempotency key has effects once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import GAPS, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.store_port import Idempotency, StoreResult
from otpvoice.core.verification import CallStatus, Status, Verification

SAID = Idempotency("one key", "one body")
DAY = 86_400
WRONG = ["111111", "222222", "333333", "444444", "555555"]
REMEMBERED = 100
"""Answers of one verification."""
Step = Callable[[StoreDriver, Verification, Idempotency], StoreResult]
STEPS: dict[str, Step] = {
    "right": lambda driver, begun, said: driver.check(begun, CODE, idempotency=said),
    "wrong": lambda driver, begun, said: driver.check(begun, WRONG[0], idempotency=said),
    "coming": lambda driver, begun, said: driver.request_call(begun, idempotency=said),
}
each_step = pytest.mark.parametrize(("outcome", "step"), STEPS.items(), ids=STEPS)


def first(answer: StoreResult) -> str:
    """Return the outcome of a request that had effects."""
    assert not answer.is_replayed
    return answer.outcome


def replayed(answer: StoreResult) -> str:
    """Return the outcome of a replay."""
    assert answer.is_replayed, answer.outcome
    return answer.outcome


@each_step
def test_repeated_request_returns_first_outcome(
    driver: StoreDriver, outcome: str, step: Step
) -> None:
    """Nothing changes after the first time."""
    begun = driver.create_answered()
    answer = step(driver, begun, SAID)
    assert first(answer) == outcome
    for _ in range(3):
        again = step(driver, begun, SAID)
        assert replayed(again) == outcome
        assert again.verification
        assert answer.verification
        assert again.verification.version == answer.verification.version


@each_step
def test_replay_after_end_returns_first_outcome(
    driver: StoreDriver, outcome: str, step: Step
) -> None:
    """Without the key the outcome is closed."""
    begun = driver.create_answered()
    step(driver, begun, SAID)
    driver.cancel(begun)
    again = step(driver, begun, SAID)
    assert replayed(again) == outcome
    assert again.verification
    assert again.verification.status is not Status.PENDING
    assert first(step(driver, begun, Idempotency("new", "body"))) == "closed"
    assert first(driver.check(begun, CODE)) == "closed"


@each_step
def test_replay_after_expiry_returns_first_outcome(
    driver: StoreDriver, outcome: str, step: Step
) -> None:
    """Without a sweep."""
    begun = driver.create_answered()
    step(driver, begun, SAID)
    driver.advance_time(301, dialer=None)
    assert replayed(step(driver, begun, SAID)) == outcome


def test_repeated_wrong_code_with_key_costs_one_check(driver: StoreDriver) -> None:
    """Also between others and after the last check."""
    begun = driver.create_answered()
    said = {code: Idempotency(f"key {code}", code) for code in WRONG}
    for n, code in enumerate(WRONG, start=1):
        assert first(driver.check(begun, code, idempotency=said[code])) == "wrong"
        assert driver.get(begun).checks_left == 5 - n
        for earlier in WRONG[:n]:
            assert replayed(driver.check(begun, earlier, idempotency=said[earlier])) == "wrong"
        assert driver.get(begun).checks_left == 5 - n
    assert driver.get(begun).status is Status.MAX_ATTEMPTS_REACHED


def test_replay_is_not_limited(redis: Redis) -> None:
    """Although no further code of the number is compared."""
    driver = driver_with_limits(redis, wrong_codes_per_number=parse_quotas("1/24h"))
    begun = driver.create_answered()
    driver.check(begun, WRONG[0], idempotency=SAID)
    assert driver.check(begun, CODE).outcome == "rate_limited wrong_codes_per_number"
    assert replayed(driver.check(begun, WRONG[0], idempotency=SAID)) == "wrong"


def test_other_code_under_known_key_is_not_compared(driver: StoreDriver) -> None:
    """It is not counted either."""
    begun = driver.create_answered()
    driver.check(begun, WRONG[0], idempotency=SAID)
    for code in (CODE, *WRONG[1:]):
        answer = driver.check(begun, code, idempotency=Idempotency(SAID.key_hash, code))
        assert (answer.outcome, answer.verification) == ("idempotency_mismatch", None)
    assert driver.get(begun).checks_left == 4


def test_repeated_call_request_queues_one_call(driver: StoreDriver) -> None:
    """Also after the first call has ended; another key queues a call."""
    begun = driver.create()
    driver.dial_busy()
    driver.advance_time(GAPS[0])
    driver.request_call(begun, idempotency=SAID)
    driver.dial_busy()
    driver.advance_time(GAPS[1])
    assert replayed(driver.request_call(begun, idempotency=SAID)) == "coming"
    driver.seconds_until_due()
    driver.request_call(begun, idempotency=Idempotency("another key", SAID.body_hash))
    assert driver.last_call(begun).status is CallStatus.QUEUED


def test_other_client_gets_not_found(driver: StoreDriver) -> None:
    begun = driver.create()
    driver.check(begun, CODE, idempotency=SAID)
    answer = driver.check(begun, CODE, client="bank", idempotency=SAID)
    assert (answer.outcome, answer.verification) == ("not_found", None)


def test_refusal_is_not_stored(driver: StoreDriver) -> None:
    """A wrong length, then a correct code under the same key."""
    begun = driver.create_answered()
    assert driver.check(begun, "1234", idempotency=SAID).outcome == "wrong_length"
    assert first(driver.check(begun, CODE, idempotency=SAID)) == "right"


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_key_expires_a_day_after_the_first_request(
    driver: StoreDriver, redis: Redis, step: Step
) -> None:
    begun = driver.create_answered()
    step(driver, begun, SAID)
    (key,) = redis.scan_iter("*:idempotency:*")
    assert DAY - 5 <= redis.ttl(key) <= DAY
    redis.pexpire(key, 5_000)
    assert step(driver, begun, SAID).is_replayed
    assert redis.pttl(key) <= 5_000
    redis.delete(key)
    assert not step(driver, begun, SAID).is_replayed


@each_step
def test_50_simultaneous_requests_have_one_effect(
    driver: StoreDriver, outcome: str, step: Step
) -> None:
    begun = driver.create_answered()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: step(driver, begun, SAID), range(50)))
    assert Counter((each.is_replayed, each.outcome) for each in answers) == {
        (False, outcome): 1,
        (True, outcome): 49,
    }
    assert driver.get(begun).checks_left == (4 if outcome == "wrong" else 5)


def test_stored_outcomes_of_a_verification_are_bounded(driver: StoreDriver, redis: Redis) -> None:
    """Beyond the bound the outcomes are the same."""
    begun = driver.create_answered()
    for n in range(REMEMBERED + 20):
        said = Idempotency(f"key {n}", "body")
        assert first(driver.check(begun, WRONG[0], idempotency=said)) == "wrong"
    assert len(list(redis.scan_iter("*:idempotency:*"))) == REMEMBERED
    assert driver.get(begun).checks_left == 4
