"""Capacity of every limit: released by calls that never rang, and in part by an approval."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import StoreDriver
from store.limit_cases import (
    ADDRESS,
    CASES,
    GENEROUS,
    NO_GAP,
    PER_IP,
    PER_NUMBER,
    PER_PREFIX,
    Case,
    limit_usage,
)
from store.new_verifications import CODE

from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult

DOWN = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True)
each_limit = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def canceled(driver: StoreDriver, begun: Verification) -> None:
    """Cancel the queued call's verification."""
    driver.cancel(begun)


def approved(driver: StoreDriver, begun: Verification) -> None:
    """Approve it before its call is dialed."""
    driver.approve(begun)


def guessed_at(driver: StoreDriver, begun: Verification) -> None:
    """Submit too many wrong codes before its call is dialed."""
    for n in range(5):
        assert driver.check(begun, f"99999{n}").outcome == "wrong"


def expired(driver: StoreDriver, _: Verification) -> None:
    """Let the verification expire undialed."""
    driver.advance_time(301)


def never_dialed(driver: StoreDriver, _: Verification) -> None:
    """Let the call become too late without a dialer."""
    driver.advance_time(270)
    driver.seconds_until_due()


def claimed_and_canceled(driver: StoreDriver, begun: Verification) -> None:
    """Cancel between claim and mark."""
    claim = driver.claim()
    driver.cancel(begun)
    assert not driver.mark_sent(claim)


def lapsed_and_canceled(driver: StoreDriver, begun: Verification) -> None:
    """Cancel after a dialer died before its mark."""
    driver.claim()
    driver.advance_time(21)
    driver.cancel(begun)


def unsent(driver: StoreDriver, _: Verification) -> None:
    """Record that the provider did not receive or refused the call."""
    driver.dial(DOWN)


def unsent_after_its_lease(driver: StoreDriver, _: Verification) -> None:
    """Record the same after the lease has lapsed."""
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.advance_time(21)
    driver.record(claim, DOWN)


def unsealed(driver: StoreDriver, _: Verification) -> None:
    """Fail the call before its mark: it cannot be decrypted."""
    driver.record(driver.claim(), CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))


def retried_after_the_end(driver: StoreDriver, begun: Verification) -> None:
    """Retry a call whose verification has ended."""
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.cancel(begun)
    driver.record(claim, CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))


def retried_and_canceled(driver: StoreDriver, begun: Verification) -> None:
    """Cancel a call that was requeued after a first request."""
    driver.dial(CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))
    driver.cancel(begun)


UNREACHED = [
    *(approved, expired, never_dialed, unsent, unsent_after_its_lease, unsealed),
]
"""Approved, or the service did not get to the provider: all places are given back."""
CALLED_OFF = [
    *(canceled, guessed_at, claimed_and_canceled, lapsed_and_canceled, retried_after_the_end),
    retried_and_canceled,
]
"""Ended by a request: the places of address and prefix stay taken."""


@each_limit
@pytest.mark.parametrize("end", [*UNREACHED, *CALLED_OFF])
def test_unsent_call_releases_capacity_once(
    redis: Redis, case: Case, end: Callable[[StoreDriver, Verification], None]
) -> None:
    """Of each limit: there is room for one more call, not for two."""
    driver = case.allows(redis, 1)
    end(driver, case.create(driver, own_code=True))
    if end in CALLED_OFF and case in {PER_IP, PER_PREFIX}:
        case.refuses(driver, 1)
        return
    case.create(driver, 1)
    case.refuses(driver, 2)


@pytest.mark.parametrize("end", [*UNREACHED, *CALLED_OFF])
def test_unsent_call_releases_all_limits_together(
    redis: Redis, end: Callable[[StoreDriver, Verification], None]
) -> None:
    """Except address and prefix, if a request ended it."""
    driver = driver_with_limits(redis, gaps=NO_GAP, **GENEROUS)
    begun = driver.create(ip=ADDRESS, own_code=True)
    used = {use.limit: use.used for use in limit_usage(driver)}
    assert set(used) - {limit for limit, count in used.items() if count} == {
        "block", "conversion_breaker", "wrong_codes_per_number"
    }  # fmt: skip
    end(driver, begun)
    kept = {use.limit for use in limit_usage(driver) if use.used}
    shared = {key.decode().split(":")[1] for key in redis.scan_iter()} & {"ip", "prefix"}
    of_prefix = {"unverified_per_prefix 90/10m", "unverified_per_prefix 95/24h"}
    called_off = end in CALLED_OFF
    assert kept - {"wrong_codes_per_number", "creates_per_client", "pending_per_number"} == (
        of_prefix if called_off else set()
    )
    assert shared == ({"ip", "prefix"} if called_off else set())


def test_approval_releases_capacity_of_canceled_calls(redis: Redis) -> None:
    """In the address its own, in the prefix all of the number."""
    driver = driver_with_limits(redis, gaps=NO_GAP, **GENEROUS)
    driver.cancel(driver.create(ip=ADDRESS))
    driver.approve(driver.create(ip=ADDRESS))
    assert not list(redis.scan_iter("*:prefix:*"))
    [address] = redis.scan_iter("*:ip:*")
    assert redis.zcard(address) == 1


@pytest.mark.parametrize("case", [PER_IP, PER_PREFIX], ids=["address", "prefix"])
def test_capacity_of_canceled_call_ends_with_its_window(redis: Redis, case: Case) -> None:
    """As if it had been sent when it was due."""
    driver = case.allows(redis, 1)
    driver.cancel(case.create(driver))
    assert case.window - 5 <= case.refuses(driver) <= case.window
    driver.advance_time(case.window + 1)
    case.create(driver, 1)


@each_limit
def test_call_of_killed_dialer_keeps_capacity(redis: Redis, case: Case) -> None:
    """In every limit, except after an approval."""
    driver = case.allows(redis, 1)
    begun = case.create(driver)
    assert driver.mark_sent(driver.claim())
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    driver.cancel(begun)
    case.refuses(driver)


@each_limit
def test_superseded_unsent_call_makes_room_for_its_successor(redis: Redis, case: Case) -> None:
    """One call's capacity serves both; of the address, two."""
    count = 2 if case is PER_IP else 1
    driver = case.allows(redis, count)
    old = case.create(driver)
    new = case.create(driver, code="654321", own_code=True)
    assert driver.last_call(old).status is CallStatus.CANCELED
    assert driver.last_call(new).status is CallStatus.QUEUED
    case.refuses(driver)
    driver.cancel(new)
    assert case.is_full(driver, 1) is (case in {PER_IP, PER_PREFIX})


@pytest.mark.parametrize("case", [case for case in CASES.values() if case is not PER_PREFIX])
def test_superseded_sent_call_keeps_capacity(redis: Redis, case: Case) -> None:
    """The newer create is refused, and the older verification stays."""
    driver = case.allows(redis, 1)
    old = case.create(driver, reference="one")
    driver.dial()
    case.refuses(driver, 0, reference="two")
    assert driver.check(old, CODE).outcome == "right"


@each_limit
def test_next_route_takes_over_the_capacity_of_the_refused_call(redis: Redis, case: Case) -> None:
    """Never more than one call's, and none after the last route."""
    driver = case.allows(redis, 2)
    begun = case.create(driver)
    driver.dial(CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route="c2c"))
    assert [call.route for call in driver.get(begun).calls] == ["obd", "c2c"]
    case.create(driver, 1)
    case.refuses(driver, 2)
    driver.dial(DOWN)
    driver.dial(DOWN)
    case.create(driver, 3)
    case.create(driver, 4)
    case.refuses(driver, 5)


@each_limit
def test_capacity_counts_from_the_sending(redis: Redis, case: Case) -> None:
    """For postponed calls and for those brought forward."""
    for call_after, waits in ((0, 200), (200, 100)):
        redis.flushdb()
        driver = case.allows(redis, 1)
        begun = case.create(driver, call_after=call_after)
        driver.advance_time(waits)
        driver.request_call(begun)
        driver.dial()
        wait = case.refuses(driver)
        assert case.window - 5 <= wait <= case.window + case.bucket


# Approved -----------------------------------------------------------------------------------------


@each_limit
@pytest.mark.parametrize("elsewhere", [False, True])
def test_approval_releases_limits_of_unapproved_calls(
    redis: Redis, case: Case, elsewhere: bool
) -> None:
    """Of number, prefix and address; not of every call, client and day."""
    driver = case.allows(redis, 1)
    begun = case.create(driver)
    driver.dial()
    if elsewhere:
        driver.approve(begun)
    else:
        driver.check(begun, CODE)
    assert case.is_full(driver) is case.approved_counts


def test_approval_keeps_capacity_of_queued_call(redis: Redis) -> None:
    """Of another client: one further call fits, not two."""
    driver = PER_NUMBER.allows(redis, 2)
    begun = PER_NUMBER.create(driver)
    driver.dial_busy()
    PER_NUMBER.create(driver, 1, call_after=100)
    driver.approve(begun)
    PER_NUMBER.create(driver, 2)
    PER_NUMBER.refuses(driver, 3)


def test_approval_ends_the_gap(redis: Redis) -> None:
    """The gaps start with the shortest again."""
    driver = driver_with_limits(redis)
    for gap in (60, 60, 300):
        begun = driver.create(ttl=600)
        driver.dial_busy()
        assert driver.explain().gap_until_ms - driver.explain().now_ms > (gap - 5) * 1000
        driver.cancel(begun)
        driver.advance_time(gap)
    begun = driver.create()
    driver.dial()
    driver.approve(begun)
    assert driver.explain().gap_until_ms == 0
    driver.create()
    driver.advance_time(300)
    driver.create()
    driver.dial()
    assert driver.explain().gap_until_ms - driver.explain().now_ms <= 60_000


@pytest.mark.parametrize("end", ["canceled", "expired", "guessed_at"])
@each_limit
def test_other_ends_keep_capacity_of_sent_calls(redis: Redis, case: Case, end: str) -> None:
    """Only an approval shows that the user answered."""
    driver = case.allows(redis, 1)
    begun = case.create(driver)
    driver.dial()
    {"canceled": canceled, "expired": expired, "guessed_at": guessed_at}[end](driver, begun)
    assert case.is_full(driver)
