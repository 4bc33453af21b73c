"""Live test calls: no call follows, and their exchanges are captured."""

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import StoreDriver

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult, ReportOutcome
from otpvoice.store.policy import CAPTURE_TTL_MS

REFUSED = CallResult(
    CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True, next_route="c2c", raw="HTTP 401"
)


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with one redial, no gap, and events."""
    rules = {"max_redials": 1, "clients_with_events": frozenset({"login"})}
    return driver_with_limits(redis, gaps=(0,), clients={"login": ClientLimits()}, policy=rules)


def starts_live_test(driver: StoreDriver) -> Verification:
    """Start a live test call."""
    begun = driver.try_create(is_live_test=True).verification
    assert begun
    return begun


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED])
@pytest.mark.parametrize("is_live_test", [True, False])
def test_live_test_call_is_not_redialed(
    driver: StoreDriver, status: CallStatus, is_live_test: bool
) -> None:
    """The same report of another call leads to a redial."""
    begun = driver.try_create(is_live_test=is_live_test).verification
    assert begun
    claim = driver.dial()
    driver.apply_callback(status, call_id=claim.call_id)
    assert len(driver.get(begun).calls) == (1 if is_live_test else 2)
    if is_live_test:
        assert driver.seconds_until_due() == -1


@pytest.mark.parametrize("is_live_test", [True, False])
def test_refused_live_test_call_takes_no_other_route(
    driver: StoreDriver, is_live_test: bool
) -> None:
    """It is one request by one route."""
    begun = driver.try_create(is_live_test=is_live_test).verification
    assert begun
    driver.dial(REFUSED)
    assert len(driver.get(begun).calls) == (1 if is_live_test else 2)


def test_live_test_call_emits_no_event(driver: StoreDriver) -> None:
    """The client did not request it."""
    begun = starts_live_test(driver)
    claim = driver.dial()
    driver.apply_callback(call_id=claim.call_id)
    driver.approve(begun)
    assert driver.store.claim_events({"login": 100}).events == ()
    driver.approve(driver.create(reference="its own"))
    assert [e.type for e in driver.store.claim_events({"login": 100}).events]


def test_claim_and_report_mark_the_live_test_call(driver: StoreDriver) -> None:
    """Also a report with another start."""
    starts_live_test(driver)
    claim = driver.dial()
    assert claim.is_live_test
    an_hour_off = driver.apply_callback(started_at=1)
    assert (an_hour_off.outcome, an_hour_off.is_live_test) == (ReportOutcome.CLOCK, True)
    assert driver.apply_callback(call_id=claim.call_id).is_live_test
    other = driver.create(reference="another login")
    claim = driver.dial()
    assert not claim.is_live_test
    assert not driver.apply_callback(call_id=claim.call_id).is_live_test
    assert driver.get(other).calls[0].status is CallStatus.ANSWERED


def test_exchanges_are_kept_in_order_for_15_minutes(driver: StoreDriver, redis: Redis) -> None:
    """At most twenty."""
    call = starts_live_test(driver).calls[0]
    for n in range(25):
        driver.store.capture(call.id, b"sealed %d" % n)
    heard = driver.store.captured(call.id)
    assert [sealed for _, sealed in heard] == [b"sealed %d" % n for n in range(20)]
    assert all(at >= call.due_at for at, _ in heard)
    (key,) = redis.scan_iter("*captured:*")
    assert CAPTURE_TTL_MS - 5_000 < redis.pttl(key) <= CAPTURE_TTL_MS


def test_exchanges_of_other_calls_are_not_kept(driver: StoreDriver, redis: Redis) -> None:
    call = driver.create().calls[0]
    driver.store.capture(call.id, b"sealed")
    driver.store.capture("call_" + "0" * 32, b"sealed")
    assert driver.store.captured(call.id) == []
    assert [*redis.scan_iter("*captured:*")] == []
