"""Record, at an odd time: after the news, after the lease, after the end, or from a stranger."""

from dataclasses import replace

import pytest
from redis import Redis
from store.driver import PLACED, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult, ReportOutcome

UNKNOWN = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, raw="read timeout")
AGAIN = CallResult(CallStatus.QUEUED, retry_in_ms=3_000, is_unsent=True)
NEXT = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route=Route.C2C)


def test_a_cancel_does_not_hide_what_was_placed(driver: StoreDriver) -> None:
    """The phone rings though the verification ended."""
    begun, claim = driver.send()
    driver.cancel(begun)
    assert driver.store.record_result(claim, PLACED).status is CallStatus.PLACED
    assert driver.last_call(begun).status is CallStatus.PLACED


@pytest.mark.parametrize("result", [PLACED, UNKNOWN, NEXT, AGAIN])
def test_a_callback_that_came_first_stays(driver: StoreDriver, result: CallResult) -> None:
    """The first final state wins, whatever the reply says; and nothing is queued."""
    begun, claim = driver.send()
    early = driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    assert early.outcome is ReportOutcome.APPLIED
    gap = driver.get(begun).gap_until
    assert driver.store.record_result(claim, result).status is CallStatus.ANSWERED
    seen = driver.get(begun)
    assert [call.status for call in seen.calls] == [CallStatus.ANSWERED]
    assert seen.gap_until == gap
    assert driver.seconds_until_due() == -1


def test_the_providers_id_is_kept_though_the_callback_was_faster(driver: StoreDriver) -> None:
    """So that a second delivery under that id is told apart as late."""
    _, claim = driver.send()
    driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    driver.store.record_result(claim, replace(PLACED, provider_id="70fa87e0"))
    assert (
        driver.apply_callback(CallStatus.BUSY, provider_ids=("70fa87e0",)).outcome
        is ReportOutcome.LATE
    )


def test_accepted_after_the_lease(driver: StoreDriver) -> None:
    """Swept to unknown meanwhile; the holder knows better."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert driver.store.record_result(claim, PLACED).status is CallStatus.PLACED
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_a_reason_goes_with_its_state(driver: StoreDriver) -> None:
    """Placed after all: ``no_news`` was why it stood as unknown."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.last_call(begun).reason is CallReason.NO_NEWS
    driver.store.record_result(claim, PLACED)
    assert driver.last_call(begun).reason is None


def test_refused_after_the_lease(driver: StoreDriver) -> None:
    """Swept to unknown meanwhile; it did not ring, so it fails and the next route comes."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.store.record_result(claim, NEXT).status is CallStatus.FAILED
    assert [call.status for call in driver.get(begun).calls] == [
        CallStatus.FAILED,
        CallStatus.QUEUED,
    ]
    assert driver.claim().call_id == driver.last_call(begun).id


def test_no_try_again_after_the_lease(driver: StoreDriver) -> None:
    """What stood as unknown never goes back to the queue: it fails, for the provider's sake."""
    begun, claim = driver.send()
    driver.advance_time(30)
    assert driver.store.record_result(claim, AGAIN).status is CallStatus.FAILED
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert driver.seconds_until_due() == -1


def test_accepted_when_it_can_not_be_live_any_more(driver: StoreDriver) -> None:
    """Told after ``live_until`` it stays unknown: as placed nobody would ever look after it."""
    begun, claim = driver.send()
    driver.advance_time(200)
    driver.store.record_result(claim, PLACED)
    driver.advance_time(1)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN


def test_unmarked_it_can_fail(driver: StoreDriver) -> None:
    """A seal that no key opens: nothing was sent, and nothing will be."""
    begun = driver.create()
    claim = driver.claim()
    failed = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert driver.store.record_result(claim, failed).status is CallStatus.FAILED
    assert driver.get(begun).gap_until == 0


def test_only_the_holder_is_believed(driver: StoreDriver) -> None:
    """Not an earlier one, not a stranger, and nobody about a call that is not there."""
    driver.create()
    first = driver.claim()
    driver.advance_time(21)
    second = driver.claim()
    driver.mark_sent(second)
    for stranger in (first, replace(second, holder="x"), replace(second, call_id="call_none")):
        assert driver.store.record_result(stranger, NEXT).status is None
    assert driver.store.record_result(second, PLACED).status is CallStatus.PLACED


def test_a_record_without_its_verification_leaves_no_trace(
    driver: StoreDriver, redis: Redis
) -> None:
    """Where the store was told to evict: the call moves, and no key without an end is made."""
    begun, claim = driver.send()
    redis.delete(Keys().of("verification", begun.id))
    assert driver.store.record_result(claim, NEXT).status is CallStatus.FAILED
    assert not redis.exists(Keys().of("verification", begun.id))
