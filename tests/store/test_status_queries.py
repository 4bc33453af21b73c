"""Status queries: which calls are due for one, and how often."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.builders import driver_with_quotas
from store.driver import RING, StoreDriver
from support.service import ASHA, BRIDGE

from otpvoice.core.keys import decrypt_number
from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult, ReportOutcome

SILENCE = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)
MOMENT = 0.01


def due(driver: StoreDriver) -> list[str]:
    """Return the calls whose status is due for a query."""
    return [pull.call_id for pull in driver.due_status_queries()]


def placed(driver: StoreDriver) -> tuple[Verification, str]:
    """Create a verification with a placed call; return both and the call's id."""
    begun = driver.create()
    return begun, driver.dial(CallResult(CallStatus.PLACED, provider_id="70fa87e0")).call_id


def test_placed_call_is_due_after_callback_timeout(redis: Redis) -> None:
    driver = driver_with_quotas(redis, callback_timeout_ms=40_000)
    _, call = placed(driver)
    driver.advance_time(39.9)
    assert due(driver) == []
    driver.advance_time(0.1)
    assert due(driver) == [call]


def test_status_query_has_everything_for_the_request(driver: StoreDriver) -> None:
    """Ids, route, caller line, number and time."""
    begun, call_id = placed(driver)
    driver.advance_time(60)
    (pull,) = driver.due_status_queries()
    call = driver.last_call(begun)
    assert (pull.call_id, pull.provider_id, pull.bridge) == (call_id, "70fa87e0", BRIDGE)
    assert (pull.route, pull.sent_at) == ("obd", call.sent_at)
    assert decrypt_number(RING, pull.verification_id, pull.encrypted_number) == ASHA


def test_unknown_call_is_due_after_three_seconds(driver: StoreDriver) -> None:
    driver.create()
    call = driver.dial(SILENCE).call_id
    driver.advance_time(2.9)
    assert due(driver) == []
    driver.advance_time(0.1)
    (pull,) = driver.due_status_queries()
    assert (pull.call_id, pull.provider_id) == (call, None)


def test_call_of_killed_dialer_is_due(driver: StoreDriver) -> None:
    """After the sweep."""
    _, claim = driver.send()
    driver.advance_time(20)
    driver.advance_time(3)
    assert due(driver) == [claim.call_id]


def test_status_query_repeats_every_15_seconds(driver: StoreDriver) -> None:
    _, call = placed(driver)
    driver.advance_time(60)
    assert due(driver) == [call]
    for _ in range(5):
        driver.advance_time(14.9)
        assert due(driver) == []
        driver.advance_time(0.1 + MOMENT)
        assert due(driver) == [call]


def test_status_query_goes_to_one_dialer(driver: StoreDriver) -> None:
    calls = set()
    for n in range(20):
        driver.create(f"+91981234{n:04}")
        calls.add(driver.dial(SILENCE).call_id)
    driver.advance_time(3)
    with ThreadPoolExecutor(8) as pool:
        found = [call for part in pool.map(lambda _: due(driver), range(24)) for call in part]
    assert len(found) == 20
    assert set(found) == calls


@pytest.mark.parametrize(
    "status", [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]
)
def test_ended_call_is_not_due(driver: StoreDriver, status: CallStatus) -> None:
    for questions in range(2):
        _, call = placed(driver)
        driver.advance_time(60)
        if questions:
            assert due(driver) == [call]
        driver.apply_callback(status, call_id=call)
        driver.advance_time(15)
        assert due(driver) == []
        driver.advance_time(400)


def test_call_after_live_until_is_not_due(driver: StoreDriver) -> None:
    """Also without a sweep."""
    _, call = placed(driver)
    driver.advance_time(164.9, dialer=None)
    assert due(driver) == [call]
    driver.advance_time(15, dialer=None)
    assert due(driver) == []
    driver.sweep()
    driver.create(client="bank")
    driver.dial(SILENCE)
    driver.advance_time(166)
    driver.advance_time(15)
    assert due(driver) == []


def test_call_of_ended_verification_is_due(driver: StoreDriver) -> None:
    begun, call = placed(driver)
    driver.cancel(begun)
    driver.advance_time(60)
    assert due(driver) == [call]


def test_requeued_call_is_not_due(driver: StoreDriver) -> None:
    driver.create()
    driver.dial(CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))
    driver.advance_time(61)
    assert due(driver) == []


def test_late_recorded_call_is_due_after_callback_timeout(driver: StoreDriver) -> None:
    _, claim = driver.send()
    driver.advance_time(21)
    driver.record(claim, CallResult(CallStatus.PLACED))
    driver.advance_time(59)
    assert due(driver) == []
    driver.advance_time(1)
    assert due(driver) == [claim.call_id]


def test_report_without_result_is_queried_after_three_seconds(driver: StoreDriver) -> None:
    _, call = placed(driver)
    driver.apply_callback(CallStatus.UNKNOWN, call_id=call)
    driver.advance_time(3)
    assert due(driver) == [call]


def test_queried_status_is_applied(driver: StoreDriver, redis: Redis) -> None:
    """As a callback; it may repeat."""
    begun, call = placed(driver)
    assert driver.apply_queried_status(CallStatus.BUSY, call).outcome is ReportOutcome.APPLIED
    assert driver.last_call(begun).status is CallStatus.BUSY
    assert list(redis.scan_iter("*:callback_seen:*")) == []
    assert driver.apply_queried_status(CallStatus.BUSY, call).outcome is ReportOutcome.LATE


def test_first_of_callback_and_status_query_wins(driver: StoreDriver) -> None:
    begun, call = placed(driver)
    driver.apply_callback(CallStatus.BUSY, call_id=call)
    assert driver.apply_queried_status(CallStatus.ANSWERED, call).outcome is ReportOutcome.LATE
    assert driver.last_call(begun).status is CallStatus.BUSY
    driver.advance_time(400)
    begun, call = placed(driver)
    driver.apply_queried_status(CallStatus.ANSWERED, call)
    assert driver.apply_callback(CallStatus.BUSY, call_id=call).outcome is ReportOutcome.LATE
    assert driver.last_call(begun).status is CallStatus.ANSWERED


def test_missing_call_leaves_the_status_queries(driver: StoreDriver, redis: Redis) -> None:
    placed(driver)
    for key in redis.scan_iter("*:call:*"):
        redis.delete(key)
    driver.advance_time(60)
    assert due(driver) == []
    assert due(driver) == []
