"""Recording a result after the report, after the lease, after the end, or by another holder."""

import pytest
from msgspec.structs import replace
from redis import Redis
from store.driver import PLACED, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store import Keys
from otpvoice.store.models import CallResult, ReportOutcome

UNKNOWN = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, raw="read timeout")
AGAIN = CallResult(CallStatus.QUEUED, retry_in_ms=3_000, is_unsent=True)
NEXT = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route="c2c")


def test_result_after_cancel_is_recorded(driver: StoreDriver) -> None:
    """The phone rings although the verification has ended."""
    begun, claim = driver.send()
    driver.cancel(begun)
    assert driver.store.record_result(claim, PLACED).status is CallStatus.PLACED
    assert driver.last_call(begun).status is CallStatus.PLACED


@pytest.mark.parametrize("result", [PLACED, UNKNOWN, NEXT, AGAIN])
def test_result_after_callback_keeps_final_status(driver: StoreDriver, result: CallResult) -> None:
    """No call is queued."""
    begun, claim = driver.send()
    early = driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    assert early.outcome is ReportOutcome.APPLIED
    gap = driver.get(begun).gap_until
    assert driver.store.record_result(claim, result).status is CallStatus.ANSWERED
    seen = driver.get(begun)
    assert [call.status for call in seen.calls] == [CallStatus.ANSWERED]
    assert seen.gap_until == gap
    assert driver.seconds_until_due() == -1


def test_result_after_callback_stores_provider_id(driver: StoreDriver) -> None:
    """A second delivery under that id is late."""
    _, claim = driver.send()
    driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    driver.store.record_result(claim, replace(PLACED, provider_id="70fa87e0"))
    assert (
        driver.apply_callback(CallStatus.BUSY, provider_ids=("70fa87e0",)).outcome
        is ReportOutcome.LATE
    )


def test_placed_after_the_lease_replaces_unknown(driver: StoreDriver) -> None:
    """The holder knows the result."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert driver.store.record_result(claim, PLACED).status is CallStatus.PLACED
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_placed_after_the_lease_clears_the_reason(driver: StoreDriver) -> None:
    """``no_news`` belonged to unknown."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.last_call(begun).reason is CallReason.NO_NEWS
    driver.store.record_result(claim, PLACED)
    assert driver.last_call(begun).reason is None


def test_refused_after_the_lease_fails_and_takes_next_route(driver: StoreDriver) -> None:
    """It did not ring."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.store.record_result(claim, NEXT).status is CallStatus.FAILED
    assert [call.status for call in driver.get(begun).calls] == [
        CallStatus.FAILED,
        CallStatus.QUEUED,
    ]
    assert driver.claim().call_id == driver.last_call(begun).id


def test_retry_after_the_lease_fails_the_call(driver: StoreDriver) -> None:
    """An unknown call never returns to the queue."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.store.record_result(claim, AGAIN).status is CallStatus.FAILED
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert driver.seconds_until_due() == -1


def test_placed_after_live_until_stays_unknown(driver: StoreDriver) -> None:
    """No status query would follow a placed call."""
    begun, claim = driver.send()
    driver.advance_time(200)
    driver.store.record_result(claim, PLACED)
    driver.advance_time(1)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN


def test_unmarked_call_can_fail(driver: StoreDriver) -> None:
    """Its speech cannot be decrypted."""
    begun = driver.create()
    claim = driver.claim()
    failed = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert driver.store.record_result(claim, failed).status is CallStatus.FAILED
    assert driver.get(begun).gap_until == 0


def test_result_of_another_holder_is_lost(driver: StoreDriver) -> None:
    """Also of an earlier holder, and for an unknown call."""
    driver.create()
    first = driver.claim()
    driver.advance_time(21)
    second = driver.claim()
    driver.mark_sent(second)
    for stranger in (first, replace(second, holder="x"), replace(second, call_id="call_none")):
        assert driver.store.record_result(stranger, NEXT).status is None
    assert driver.store.record_result(second, PLACED).status is CallStatus.PLACED


def test_result_after_eviction_of_verification_creates_no_key(
    driver: StoreDriver, redis: Redis
) -> None:
    begun, claim = driver.send()
    redis.delete(Keys().of("verification", begun.id))
    assert driver.store.record_result(claim, NEXT).status is CallStatus.FAILED
    assert not redis.exists(Keys().of("verification", begun.id))
