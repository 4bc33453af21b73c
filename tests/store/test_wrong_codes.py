"""Wrong codes of a number: counted over verifications and clients, until none is compared."""

from collections.abc import Iterator

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import RAVI, StoreDriver
from store.limit_cases import NO_GAP, limit_usage, refusing, stored
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.verification import (
    CallReason,
    CallStatus,
    NextAction,
    NextReason,
    Status,
    Verification,
)
from otpvoice.store.models import Claim

LIMIT = "wrong_codes_per_number"
HOUR = 3_600
SLICE = HOUR / 60


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with four wrong codes an hour."""
    return driver_with_limits(redis, gaps=NO_GAP, wrong_codes_per_number=parse_quotas("4/1h"))


def misses(driver: StoreDriver, begun: Verification, times: int) -> None:
    """Submit this many different wrong codes."""
    for n in range(times):
        assert driver.check(begun, f"9{n:05}").outcome == "wrong"


def wrong_codes(driver: StoreDriver, to: str = ASHA) -> int:
    """Return how many count."""
    return next(use.used for use in limit_usage(driver, to) if use.limit.startswith(LIMIT))


def used_up(driver: StoreDriver, **members: float) -> Verification:
    """Create a pending verification of a number without checks left in its limit."""
    begun = driver.create(own_code=True, **members)  # type: ignore[arg-type]
    misses(driver, begun, 4)
    return begun


def test_wrong_codes_count_over_verifications_and_clients(driver: StoreDriver) -> None:
    """Another number has its own count."""
    for client, reference in (("login", "one"), ("login", "two"), ("bank", "one")):
        misses(driver, driver.create_answered(client=client, reference=reference), 1)
    assert wrong_codes(driver) == 3
    last = driver.create_answered(client="bank", reference="two")
    misses(driver, last, 1)
    assert refusing(driver.check(last, CODE)) == LIMIT
    misses(driver, driver.create_answered(RAVI), 4)


def test_check_at_the_limit_is_not_compared_or_counted(driver: StoreDriver, redis: Redis) -> None:
    """The verification stays pending."""
    begun = used_up(driver)
    before = stored(redis)
    for code in (CODE, "999999", CODE):
        answer = driver.check(begun, code)
        assert refusing(answer) == LIMIT
        assert answer.verification
        assert (answer.verification.status, answer.verification.checks_left) == (Status.PENDING, 1)
        assert answer.verification.version == driver.get(begun).version
    assert stored(redis) == before


def test_next_actions_show_the_retry_time(driver: StoreDriver) -> None:
    """Of the check and of the call."""
    begun = used_up(driver)
    seen = driver.get(begun)
    assert seen.now + (HOUR - 5) * 1000 <= seen.wrong_codes_until
    assert seen.wrong_codes_until <= seen.now + (HOUR + SLICE) * 1000
    expected = NextAction(
        allowed=False, reason=NextReason.TOO_MANY_WRONG_CODES, at=seen.wrong_codes_until
    )
    assert seen.next_check() == expected
    assert seen.next_call().reason == "call_in_progress"
    driver.seconds_until_due()
    assert driver.get(begun).next_call() == expected


def test_limit_prevents_further_calls(redis: Redis) -> None:
    """By create, by calls or as a redial."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, policy={"max_redials": 1}, wrong_codes_per_number=parse_quotas("4/1h")
    )
    begun = driver.create()
    placed = driver.dial()
    misses(driver, begun, 4)
    driver.apply_callback(CallStatus.BUSY, call_id=placed.call_id)
    assert len(driver.get(begun).calls) == 1
    for answer in (
        driver.try_create(),
        driver.try_create(client="bank"),
        driver.request_call(begun),
    ):
        assert refusing(answer) == LIMIT


def test_queued_call_expires_if_its_code_cannot_be_compared(driver: StoreDriver) -> None:
    begun = used_up(driver)
    assert driver.seconds_until_due() == -1
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


def test_queued_call_waits_until_codes_are_compared(redis: Redis) -> None:
    """If that is early enough."""
    driver = driver_with_limits(redis, gaps=NO_GAP, wrong_codes_per_number=parse_quotas("4/1m"))
    begun = used_up(driver)
    assert 58 <= driver.seconds_until_due() <= 61
    driver.advance_time(61)
    driver.dial()
    assert driver.check(begun, CODE).outcome == "right"


def test_repeated_wrong_code_does_not_count(driver: StoreDriver) -> None:
    """In another verification it counts."""
    begun = driver.create_answered(reference="one")
    for _ in range(9):
        driver.check(begun, "999999")
    assert wrong_codes(driver) == 1
    driver.check(driver.create_answered(reference="two"), "999999")
    assert wrong_codes(driver) == 2


@pytest.mark.parametrize("code", ["1234", "0123456"])
def test_code_of_other_length_does_not_count(driver: StoreDriver, code: str) -> None:
    begun = driver.create()
    assert driver.check(begun, code).outcome == "wrong_length"
    assert wrong_codes(driver) == 0


def test_code_for_ended_verification_does_not_count(driver: StoreDriver) -> None:
    begun = driver.create()
    driver.cancel(begun)
    assert driver.check(begun, "999999").outcome == "closed"
    assert wrong_codes(driver) == 0


def test_correct_code_is_accepted_at_the_retry_time(redis: Redis) -> None:
    """And not a second earlier."""
    driver = driver_with_limits(redis, gaps=NO_GAP, wrong_codes_per_number=parse_quotas("4/2m"))
    begun = used_up(driver, ttl=600)
    seen = driver.get(begun)
    driver.advance_time((seen.wrong_codes_until - seen.now) / 1000 - 1)
    assert refusing(driver.check(begun, CODE)) == LIMIT
    seen = driver.get(begun)
    driver.advance_time((seen.wrong_codes_until - seen.now) / 1000)
    assert driver.get(begun).next_check() == NextAction(allowed=True)
    assert driver.check(begun, CODE).outcome == "right"


@pytest.mark.parametrize(("clears", "left"), [(False, 3), (True, 0)])
def test_approval_clears_wrong_codes_only_if_configured(
    redis: Redis, clears: bool, left: int
) -> None:
    """The guesser may not be the owner (NIST SP 800-63B-4)."""
    driver = driver_with_limits(
        redis,
        gaps=NO_GAP,
        wrong_codes_per_number=parse_quotas("4/1h", "9/24h"),
        approval_clears_wrong_codes=clears,
    )
    begun = driver.create_answered()
    misses(driver, begun, 3)
    assert driver.check(begun, CODE).outcome == "right"
    uses = [use.used for use in limit_usage(driver) if use.limit.startswith(LIMIT)]
    assert uses == [left, left]


def test_approve_at_the_limit_is_accepted(driver: StoreDriver) -> None:
    begun = used_up(driver)
    assert driver.approve(begun).outcome == "ended"


def test_no_strategy_gets_more_codes_compared(driver: StoreDriver) -> None:
    """Whatever codes, logins and clients are tried for a day: at most four an hour."""
    begun, compared = driver.create(), []
    for n, client in zip(range(1, 150), _clients(), strict=False):
        answer = driver.try_create(
            client=client, reference=f"{n // 3}", code="555555", own_code=bool(n % 2)
        )
        if n % 4 == 0 and isinstance(claim := driver.store.claim(200), Claim):
            driver.mark_sent(claim)
        begun = answer.verification or begun
        if driver.check(begun, f"{n:06}").outcome == "wrong":
            compared.append(driver.get(begun).now)
        driver.advance_time(97)
    assert len(compared) >= 4 * (97 * 149 // (HOUR + SLICE))
    starts = zip(compared, compared[4:], strict=False)
    assert all(later - at >= HOUR * 1000 for at, later in starts)


def _clients() -> Iterator[str]:
    while True:
        yield from ("login", "bank", "shop")
