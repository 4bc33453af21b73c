"""Wrong codes of a number: counted over verifications and clients, and then none is compared."""

from collections.abc import Iterator

import pytest
from redis import Redis
from store.driver import CODE, RAVI, StoreDriver, driver_with_limits, parse_quotas
from store.limit_cases import NO_GAP, limit_usage, refusing, stored
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
    """Four wrong codes in an hour."""
    return driver_with_limits(redis, gaps=NO_GAP, wrong_codes_per_number=parse_quotas("4/1h"))


def misses(driver: StoreDriver, begun: Verification, times: int) -> None:
    """So many different wrong codes."""
    for n in range(times):
        assert driver.check(begun, f"9{n:05}").outcome == "wrong"


def wrong_codes(driver: StoreDriver, to: str = ASHA) -> int:
    """How many count."""
    return next(use.used for use in limit_usage(driver, to) if use.limit.startswith(LIMIT))


def used_up(driver: StoreDriver, **members: float) -> Verification:
    """A pending verification of a number whose wrong codes are used up."""
    begun = driver.create(own_code=True, **members)  # type: ignore[arg-type]
    misses(driver, begun, 4)
    return begun


def test_it_counts_over_verifications_and_clients(driver: StoreDriver) -> None:
    """A new code, a new login and another client start no new count; another number does."""
    for client, reference in (("login", "one"), ("login", "two"), ("bank", "one")):
        misses(driver, driver.create_answered(client=client, reference=reference), 1)
    assert wrong_codes(driver) == 3
    last = driver.create_answered(client="bank", reference="two")
    misses(driver, last, 1)
    assert refusing(driver.check(last, CODE)) == LIMIT
    misses(driver, driver.create_answered(RAVI), 4)


def test_at_the_limit_nothing_is_compared_or_counted(driver: StoreDriver, redis: Redis) -> None:
    """Neither the right code nor a wrong one; the verification stays as it is, pending."""
    begun = used_up(driver)
    before = stored(redis)
    for code in (CODE, "999999", CODE):
        answer = driver.check(begun, code)
        assert refusing(answer) == LIMIT
        assert answer.verification
        assert (answer.verification.status, answer.verification.checks_left) == (Status.PENDING, 1)
        assert answer.verification.version == driver.get(begun).version
    assert stored(redis) == before


def test_next_says_until_when(driver: StoreDriver) -> None:
    """For the check and, once nothing is on its way, for the call."""
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


def test_no_further_call_is_queued(redis: Redis) -> None:
    """By create, by calls or as a redial: nobody could enter its code."""
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


def test_nobody_is_called_for_a_code_that_is_not_compared(driver: StoreDriver) -> None:
    """A queued call ends unsent: its code will be over before codes are compared again."""
    begun = used_up(driver)
    assert driver.seconds_until_due() == -1
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


def test_a_call_waits_until_codes_are_compared(redis: Redis) -> None:
    """Where that is soon enough for its code."""
    driver = driver_with_limits(redis, gaps=NO_GAP, wrong_codes_per_number=parse_quotas("4/1m"))
    begun = used_up(driver)
    assert 58 <= driver.seconds_until_due() <= 61
    driver.advance_time(61)
    driver.dial()
    assert driver.check(begun, CODE).outcome == "right"


def test_the_same_wrong_code_again_costs_nothing(driver: StoreDriver) -> None:
    """In one verification; in another it is a guess like any."""
    begun = driver.create_answered(reference="one")
    for _ in range(9):
        driver.check(begun, "999999")
    assert wrong_codes(driver) == 1
    driver.check(driver.create_answered(reference="two"), "999999")
    assert wrong_codes(driver) == 2


@pytest.mark.parametrize("code", ["1234", "0123456"])
def test_another_length_costs_nothing(driver: StoreDriver, code: str) -> None:
    """It can not be the code."""
    begun = driver.create()
    assert driver.check(begun, code).outcome == "wrong_length"
    assert wrong_codes(driver) == 0


def test_what_an_ended_verification_gets_costs_nothing(driver: StoreDriver) -> None:
    """Nothing is compared there."""
    begun = driver.create()
    driver.cancel(begun)
    assert driver.check(begun, "999999").outcome == "closed"
    assert wrong_codes(driver) == 0


def test_the_right_code_is_taken_when_there_is_room_again(redis: Redis) -> None:
    """If it still lives: at the moment that `next` named, and not a second before."""
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
def test_an_approval_clears_them_only_if_set_so(redis: Redis, clears: bool, left: int) -> None:
    """Whoever owns the number may be another than who guesses (NIST SP 800-63B-4)."""
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


def test_it_can_be_approved_elsewhere_at_the_limit(driver: StoreDriver) -> None:
    """The client's own proof needs no code of ours."""
    begun = used_up(driver)
    assert driver.approve(begun).outcome == "ended"


def test_no_cleverness_gets_more_guesses(driver: StoreDriver) -> None:
    """Whatever codes, logins and clients are tried for a day: at most four compared an hour."""
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
