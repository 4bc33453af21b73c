"""The conversion breaker: an area whose answered calls rarely lead to an approval is refused."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import RAVI, StoreDriver
from store.limit_cases import NO_GAP, limit_usage, refusing, stored
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import ClientLimits, Ratio, parse_ratio
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.models import AuditEntry

AREA = "conversion_breaker area +919876"
ELSEWHERE = "+919123456789"
"""Of the same region."""
HALF_AN_HOUR = 1_800
RATIO = parse_ratio("15%/1h")


def numbers(count: int) -> Iterable[str]:
    """Return this many numbers of Asha's area."""
    return (f"+919876{n:06}" for n in range(count))


def opened(driver: StoreDriver) -> list[AuditEntry]:
    """Return the audit entries of opened breakers."""
    while driver.sweep():
        pass
    return [notice for notice in driver.audit_entries if notice.event == "breaker.opened"]


def open_breakers(driver: StoreDriver) -> set[str]:
    """Return the open breakers that operators see."""
    return {breaker.name for breaker in driver.admin.overview().open_breakers}


# Conversion ---------------------------------------------------------------------------------------


def converting(redis: Redis, ratio: Ratio | None = RATIO, **limits: Any) -> StoreDriver:
    """Return a driver with this breaker as its only limit."""
    return driver_with_limits(redis, gaps=NO_GAP, conversion_breaker=ratio, **limits)


def answered(driver: StoreDriver, to: str, client: str = "login") -> Verification:
    """Create a pending verification whose call was answered."""
    begun = driver.create(to, client=client)
    placed = driver.dial()
    driver.apply_callback(CallStatus.ANSWERED, call_id=placed.call_id, to=to)
    return begun


def ends(driver: StoreDriver, count: int, approved: int = 0, client: str = "login") -> None:
    """End this many answered verifications, the first of them approved."""
    for n, to in enumerate(numbers(count)):
        begun = answered(driver, to, client)
        if n < approved:
            driver.approve(begun)
        else:
            driver.cancel(begun)


@pytest.mark.parametrize(
    ("ended", "approved", "refused"),
    [(19, 0, False), (20, 0, True), (20, 2, True), (20, 3, False), (34, 5, True), (33, 5, False)],
)
def test_area_below_the_percentage_is_refused(
    redis: Redis, ended: int, approved: int, refused: bool
) -> None:
    """At least 20 ended, fewer than 15 percent approved."""
    driver = converting(redis)
    ends(driver, ended, approved)
    answer = driver.try_create(ASHA)
    assert answer.outcome == ("rate_limited conversion_breaker" if refused else "created")
    assert (AREA in open_breakers(driver)) is refused
    assert driver.try_create(ELSEWHERE).outcome == "created"


def test_open_breaker_has_an_end_and_is_logged_once(redis: Redis) -> None:
    """Half an hour, with the counts."""
    driver = converting(redis)
    waiting = [answered(driver, f"+919876{999_900 + n}") for n in range(25)]
    ends(driver, 20, approved=1)
    for begun in waiting:
        driver.cancel(begun)
    assert 1_795_000 <= driver.try_create(ASHA).retry_after_ms <= HALF_AN_HOUR * 1000
    [entry] = [each for each in opened(driver) if each.details["breaker"] == AREA]
    assert entry.details == {"breaker": AREA, "open_for": HALF_AN_HOUR, "ended": 20, "approved": 1}


def test_open_breaker_refuses_further_calls(redis: Redis) -> None:
    """The verification can still be approved."""
    driver = converting(redis)
    waiting = driver.create(ASHA, ttl=600)
    driver.dial_busy()
    ends(driver, 20)
    assert refusing(driver.request_call(waiting)) == "conversion_breaker"
    assert driver.get(waiting).next_call().reason == "rate_limited"
    assert driver.check(waiting, CODE).outcome == "right"


def test_open_breaker_prevents_redial(redis: Redis) -> None:
    """Without a refusal in the log."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, policy={"max_redials": 1}, conversion_breaker=RATIO
    )
    waiting = driver.create(ASHA, ttl=600)
    placed = driver.dial()
    ends(driver, 20)
    driver.apply_callback(CallStatus.BUSY, call_id=placed.call_id)
    assert len(driver.get(waiting).calls) == 1


def test_refusal_by_breaker_reserves_nothing(redis: Redis) -> None:
    """As with any limit."""
    driver = converting(redis)
    ends(driver, 20)
    before = stored(redis)
    assert refusing(driver.try_create(ASHA)) == "conversion_breaker"
    assert stored(redis) == before


def test_breaker_counts_anew_after_it_closes(redis: Redis) -> None:
    """Twenty further ends open it, nineteen do not."""
    driver = converting(redis)
    ends(driver, 20)
    driver.advance_time(HALF_AN_HOUR - 2)
    assert refusing(driver.try_create(ASHA)) == "conversion_breaker"
    driver.advance_time(2)
    ends(driver, 19)
    assert AREA not in open_breakers(driver)
    answered_last = answered(driver, ASHA)
    driver.cancel(answered_last)
    assert AREA in open_breakers(driver)


def test_ends_while_open_do_not_count(redis: Redis) -> None:
    """So the first login afterwards does not open it again."""
    driver = converting(redis)
    waiting = [answered(driver, to) for to in numbers(39)]
    for begun in waiting:
        driver.cancel(begun)
    driver.advance_time(HALF_AN_HOUR + 1)
    driver.approve(answered(driver, ASHA))
    assert AREA not in open_breakers(driver)
    assert driver.try_create(ASHA).outcome == "created"


def test_breaker_ignores_ends_before_its_window(redis: Redis) -> None:
    """An hour."""
    driver = converting(redis)
    ends(driver, 19)
    driver.advance_time(3_661)
    ends(driver, 19)
    assert AREA not in open_breakers(driver)


def unanswered(driver: StoreDriver, to: str) -> Verification:
    """End a call as busy."""
    begun = driver.create(to)
    driver.dial_busy(to)
    return begun


def undialed(driver: StoreDriver, to: str) -> Verification:
    """Cancel a queued call."""
    return driver.create(to)


def silent(driver: StoreDriver, to: str) -> Verification:
    """Place a call without a report."""
    begun = driver.create(to)
    driver.dial()
    return begun


@pytest.mark.parametrize("begin", [unanswered, undialed, silent])
def test_unanswered_calls_do_not_count(
    redis: Redis, begin: Callable[[StoreDriver, str], Verification]
) -> None:
    """Only a user who heard a code could enter it."""
    driver = converting(redis)
    for to in numbers(25):
        driver.cancel(begin(driver, to))
    assert not open_breakers(driver)


@pytest.mark.parametrize("callback_first", [True, False])
def test_answered_verification_counts_once(redis: Redis, callback_first: bool) -> None:
    """Whether it is answered or ended first."""
    driver = converting(redis)
    for n, to in enumerate(numbers(20)):
        assert not open_breakers(driver), f"after {n}"
        begun = driver.create(to)
        placed = driver.dial()
        if not callback_first:
            driver.cancel(begun)
        for _ in range(2):
            driver.apply_callback(CallStatus.ANSWERED, call_id=placed.call_id, to=to)
        driver.cancel(begun)
        driver.cancel(begun)
    assert AREA in open_breakers(driver)


def test_two_answered_calls_of_one_verification_count_once(redis: Redis) -> None:
    """Ten verifications with two calls count ten times."""
    driver = converting(redis)
    for to in numbers(10):
        begun = answered(driver, to)
        driver.request_call(begun)
        placed = driver.dial()
        driver.cancel(begun)
        driver.apply_callback(CallStatus.ANSWERED, call_id=placed.call_id, to=to)
    assert not open_breakers(driver)


def test_expired_answered_verification_counts(redis: Redis) -> None:
    """The user heard a code and did not enter it."""
    driver = converting(redis)
    for to in numbers(20):
        answered(driver, to)
    assert not open_breakers(driver)
    driver.advance_time(301)
    assert AREA in open_breakers(driver)


def test_region_and_client_breakers_only_alarm(redis: Redis) -> None:
    """Neither area is refused."""
    driver = converting(redis)
    for n in range(10):
        for to in (f"+919876{n:06}", f"+919812{n:06}"):
            driver.cancel(answered(driver, to))
    names = {"conversion_breaker region IN", "conversion_breaker client login"}
    assert open_breakers(driver) == names
    assert {notice.details["breaker"] for notice in opened(driver)} == names
    for to in (ASHA, RAVI, ELSEWHERE):
        assert driver.try_create(to).outcome == "created"


def test_breaker_off_counts_nothing(redis: Redis) -> None:
    """No counter is written."""
    driver = converting(redis, parse_ratio("off"))
    ends(driver, 25)
    assert not open_breakers(driver)
    assert not list(redis.scan_iter("*:counter:*"))


def test_deliver_only_clients_do_not_count(redis: Redis) -> None:
    """The breaker does not refuse them either."""
    driver = converting(redis, clients={"app": ClientLimits(deliver_only=True)})
    ends(driver, 25, client="app")
    assert not open_breakers(driver)
    ends(driver, 20)
    assert refusing(driver.try_create(ASHA)) == "conversion_breaker"
    assert driver.try_create(ASHA, client="app").outcome == "created"


def test_explain_shows_open_breaker_of_the_area(redis: Redis) -> None:
    """And the overview counts its refusals."""
    driver = converting(redis)
    ends(driver, 20)
    driver.try_create(ASHA)
    [use] = [use for use in limit_usage(driver) if use.limit == "conversion_breaker"]
    assert use.until_ms > driver.explain().now_ms
    assert driver.admin.overview().refused["conversion_breaker"] == 1
