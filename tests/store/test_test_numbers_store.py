"""Test numbers: calls are simulated, nothing counts, and wrong codes are limited."""

from collections.abc import Mapping
from typing import Any

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import PLACED, RAVI, StoreDriver
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import parse_ratio
from otpvoice.core.verification import CallStatus, Status, Verification
from otpvoice.store.models import CallResult, Claim, RouteHealth

TESTER = "+919999900001"
ADDRESS = "203.0.113.9"
TIGHT: Mapping[str, Any] = {
    "calls_per_number": parse_quotas("1/10m"),
    "all_calls_per_number": parse_quotas("1/24h"),
    "unverified_per_prefix": parse_quotas("1/10m"),
    "calls_per_ip": parse_quotas("1/1h"),
    "calls_per_day": 1,
}
MANY = 6
"""Calls of one verification."""
WRONG = ["111111", "222222", "333333", "444444", "555555"]


@pytest.fixture
def tight(redis: Redis) -> StoreDriver:
    """Return a driver that allows one of everything."""
    return driver_with_limits(redis, **TIGHT)


def creates(driver: StoreDriver, **members: Any) -> Verification:
    """Create a verification of the test number."""
    return driver.create(TESTER, ip=ADDRESS, is_test=True, **members)


def completes(driver: StoreDriver) -> Claim:
    """Complete the next due call."""
    claim = driver.claim()
    assert claim.is_test
    assert driver.store.complete_test_call(claim, 12)
    return claim


def traces(redis: Redis) -> set[str]:
    """Return the keys of limits, locks and routes."""
    counted = (
        "counter:",
        "prefix:",
        "ip:",
        "number_lock:",
        "waiting_for_number:",
        "route:",
        "live",
        "breakers",
        "waiting_for_route",
    )
    names = {key.decode().partition("}:")[2] for key in redis.scan_iter()}
    return {name for name in names if name.startswith(counted)}


def test_simulated_call_is_answered_and_heard(driver: StoreDriver) -> None:
    """Without anything of a provider."""
    begun = creates(driver)
    assert driver.last_call(begun).status is CallStatus.QUEUED
    completes(driver)
    call = driver.last_call(begun)
    assert (call.status, call.heard, call.duration) == (CallStatus.ANSWERED, True, 12)
    assert (call.placed_at, call.ended_at, call.raw) == (call.ended_at, call.placed_at, None)
    assert call.ended_at
    assert driver.check(begun, CODE).outcome == "right"


def test_test_number_counts_in_no_limit(tight: StoreDriver, redis: Redis) -> None:
    """No limit, gap or lock."""
    for n in range(10):
        begun = creates(tight, reference=str(n))
        assert begun.next_call().reason == "call_in_progress"
        completes(tight)
        assert tight.get(begun).next_call().allowed
        assert tight.get(begun).next_call().reason is None
        if n % 2:
            tight.check(begun, CODE)
    assert traces(redis) == set()
    tight.create(ip=ADDRESS)  # the one call that each limit allows
    assert tight.try_create(RAVI).outcome.startswith("rate_limited")


def test_full_limits_do_not_apply_to_test_number(tight: StoreDriver) -> None:
    tight.create(ip=ADDRESS)
    assert tight.try_create(RAVI, ip=ADDRESS).outcome == "rate_limited calls_per_day"
    creates(tight)


def test_approval_of_test_number_releases_nothing(redis: Redis) -> None:
    driver = driver_with_limits(
        redis,
        calls_per_number=parse_quotas("1/10m"),
        wrong_codes_per_number=parse_quotas("5/24h"),
        approval_clears_wrong_codes=True,
    )
    driver.create(TESTER)  # before it was a test number
    driver.dial()
    before = driver.explain(TESTER)
    begun = driver.create(TESTER, reference="test", is_test=True)
    driver.check(begun, WRONG[0])
    completes(driver)
    driver.check(begun, CODE)
    after = driver.explain(TESTER)
    assert after.gap_until_ms == before.gap_until_ms
    used = {use.limit: use.used for use in after.limits}
    assert (used["calls_per_number"], used["wrong_codes_per_number"]) == (1, 1)


def test_wrong_codes_of_test_number_are_limited(redis: Redis) -> None:
    """By the verification, then by the number."""
    driver = driver_with_limits(redis, wrong_codes_per_number=parse_quotas("7/24h"))
    begun = creates(driver)
    for code in WRONG:
        driver.check(begun, code)
    assert driver.get(begun).status is Status.MAX_ATTEMPTS_REACHED
    second = creates(driver)
    for code in WRONG[:2]:
        assert driver.check(second, code).outcome == "wrong"
    assert driver.check(second, CODE).outcome == "rate_limited wrong_codes_per_number"
    again = driver.try_create(TESTER, reference="new", is_test=True)
    assert again.outcome == "rate_limited wrong_codes_per_number"
    completes(driver)
    assert driver.request_call(second).outcome == "rate_limited wrong_codes_per_number"


def test_codes_of_test_number_do_not_count_for_the_breaker(redis: Redis) -> None:
    driver = driver_with_limits(
        redis,
        conversion_breaker=parse_ratio("15%/1h"),
        wrong_code_breaker=parse_ratio("60%/10m"),
    )
    for n in range(50):
        begun = creates(driver, reference=str(n))
        completes(driver)
        for code in WRONG if n % 2 else [CODE]:
            driver.check(begun, code)
    assert traces(redis) == set()
    driver.sweep()
    assert driver.audit_entries == []


def test_calls_of_a_test_number_are_bounded_per_verification(redis: Redis) -> None:
    driver = driver_with_limits(redis, attempts_per_verification=MANY)
    begun = creates(driver)
    for _ in range(MANY - 1):
        completes(driver)
        assert driver.request_call(begun).outcome == "coming"
    completes(driver)
    refused = driver.request_call(begun)
    assert refused.outcome == "rate_limited attempts_per_verification"
    assert refused.verification
    assert refused.retry_after_ms == begun.expires_at - refused.verification.now
    assert refused.verification.next_call().reason == "rate_limited"
    creates(driver, reference="another")


def test_simulated_call_waits_for_call_after(driver: StoreDriver) -> None:
    """A check before it cancels the call."""
    begun = creates(driver, call_after=30)
    assert driver.seconds_until_due() == 30
    driver.advance_time(29)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    completes(driver)
    assert driver.last_call(begun).status is CallStatus.ANSWERED
    other = creates(driver, reference="other", call_after=30)
    driver.check(other, CODE)
    assert driver.last_call(other).status is CallStatus.CANCELED
    driver.advance_time(31)
    driver.seconds_until_due()


def test_simulated_call_of_a_killed_dialer_is_completed_by_another(driver: StoreDriver) -> None:
    """The first dialer's result is lost."""
    begun = creates(driver)
    first = driver.claim()
    driver.seconds_until_due()
    driver.advance_time(21)
    second = driver.claim()
    assert second.call_id == first.call_id
    assert not driver.store.complete_test_call(first, 99)
    assert driver.store.complete_test_call(second, 12)
    assert not driver.store.complete_test_call(first, 99)
    assert [call.duration for call in driver.get(begun).calls] == [12]


def test_end_before_completion_cancels_the_simulated_call(driver: StoreDriver) -> None:
    begun = creates(driver)
    claim = driver.claim()
    driver.cancel(begun)
    assert not driver.store.complete_test_call(claim, 12)
    assert driver.last_call(begun).status is CallStatus.CANCELED
    other = creates(driver, reference="other")
    claim = driver.claim()
    driver.advance_time(301, dialer=None)
    assert not driver.store.complete_test_call(claim, 12)
    assert driver.last_call(other).status is CallStatus.EXPIRED


def test_simulated_call_cannot_be_marked_as_sent(driver: StoreDriver, redis: Redis) -> None:
    creates(driver)
    assert not driver.mark_sent(driver.claim())
    assert traces(redis) == set()


def test_real_call_cannot_be_completed_as_simulated(driver: StoreDriver) -> None:
    begun = driver.create()
    claim = driver.claim()
    assert not claim.is_test
    assert not driver.store.complete_test_call(claim, 12)
    assert driver.mark_sent(claim)
    assert driver.last_call(begun).status is CallStatus.DIALING


def test_simulated_call_needs_no_open_route(driver: StoreDriver, redis: Redis) -> None:
    """And does not probe one."""
    down = CallResult(CallStatus.FAILED, is_unsent=True, route_health=RouteHealth.DOWN)
    for route, number in (("obd", ASHA), ("c2c", RAVI)):
        driver.try_create(number, route=route)
        driver.dial(down)
    assert driver.try_create("+919812345679").outcome == "calls_unavailable"
    begun = creates(driver)
    completes(driver)
    assert driver.request_call(begun).outcome == "coming"
    driver.advance_time(11, dialer=None)  # a probe is due
    completes(driver)
    for route in ("obd", "c2c"):
        assert redis.hexists(f"{{otpvoice}}:route:{route}", "closed_until")
        assert not redis.hexists(f"{{otpvoice}}:route:{route}", "probe_until")


def test_test_number_without_dialer_is_refused(driver: StoreDriver) -> None:
    driver.advance_time(31, dialer=None)
    assert driver.try_create(TESTER, is_test=True).outcome == "calls_unavailable"


def test_callback_does_not_change_simulated_call(driver: StoreDriver) -> None:
    begun = creates(driver)
    claim = driver.claim()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, to=TESTER)
    assert driver.last_call(begun).status is CallStatus.DIALING


def test_simulated_and_real_calls_are_independent(driver: StoreDriver) -> None:
    test, real = creates(driver), driver.create()
    claims = [driver.claim(), driver.claim()]
    for claim in claims:
        if claim.is_test:
            assert driver.store.complete_test_call(claim, 12)
        else:
            assert driver.mark_sent(claim)
            driver.record(claim, PLACED)
    assert driver.last_call(test).status is CallStatus.ANSWERED
    assert driver.last_call(real).status is CallStatus.PLACED
    assert driver.explain().gap_until_ms > 0
    assert driver.explain(TESTER).gap_until_ms == 0
