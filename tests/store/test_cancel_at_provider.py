"""Calls that a provider has, and can cancel: which a dialer is to cancel, and how they end."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.builders import driver_with_quotas
from store.driver import PLACED, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status, Verification
from otpvoice.store.models import CallResult, Claim, ReportOutcome, StatusQuery

ACCEPTED = CallResult(CallStatus.PLACED, provider_id="70fa87e0")
INTERVAL = 15


def mark(
    driver: StoreDriver, claim: Claim, *, can_cancel: bool = True, gate: Gate | None = None
) -> None:
    """Mark a call as sent by a provider that can cancel it."""
    gaps = [round(gap * 1000) for gap in driver.gaps]
    assert driver.store.mark_sent(claim, 165_000, gaps, gate=gate, can_cancel=can_cancel)


def placed(
    driver: StoreDriver,
    result: CallResult = ACCEPTED,
    *,
    can_cancel: bool = True,
    **members: object,
) -> tuple[Verification, str]:
    """Create a verification with a placed call; return both and the call's id."""
    begun = driver.create(**members)  # type: ignore[arg-type]
    claim = driver.claim()
    mark(driver, claim, can_cancel=can_cancel)
    driver.record(claim, result)
    return begun, claim.call_id


def due(driver: StoreDriver) -> list[tuple[str, bool]]:
    """Return the calls that are due for a query, and whether each is to be canceled."""
    return [(query.call_id, query.should_cancel) for query in driver.due_status_queries()]


def taken(driver: StoreDriver) -> tuple[Verification, StatusQuery]:
    """Return a canceled verification, and its call as a dialer claims it to cancel it."""
    begun, _ = placed(driver)
    driver.cancel(begun)
    (query,) = driver.due_status_queries()
    assert query.should_cancel
    return begun, query


def superseded(driver: StoreDriver, begun: Verification) -> None:
    """Another own code replaces the first."""
    driver.create(own_code=True, code="999999")
    assert driver.get(begun).reason is EndReason.SUPERSEDED


def right_code(driver: StoreDriver, begun: Verification) -> None:
    """The code came by SMS as well."""
    assert driver.check(begun, CODE).outcome == "right"


def used_up(driver: StoreDriver, begun: Verification) -> None:
    """End it by wrong codes."""
    for wrong in range(5):
        driver.check(begun, f"99999{wrong}")


def expired(driver: StoreDriver, _: Verification) -> None:
    """The provider did not dial in time."""
    driver.advance_time(101)


@pytest.mark.parametrize(
    "end", [StoreDriver.cancel, StoreDriver.approve, superseded, right_code, used_up, expired]
)
def test_call_of_ended_verification_is_canceled_at_once(
    driver: StoreDriver, end: Callable[[StoreDriver, Verification], object]
) -> None:
    """Not before the end, and then by one dialer."""
    begun, call = placed(driver, own_code=True, ttl=100)
    assert due(driver) == []
    end(driver, begun)
    assert due(driver) == [(call, True)]
    assert due(driver) == []


def test_call_whose_code_was_right_is_not_canceled(driver: StoreDriver) -> None:
    """A generated code was heard in a call, so somebody answered."""
    begun, _ = placed(driver)
    assert driver.check(begun, CODE).outcome == "right"
    assert due(driver) == []


def test_call_that_was_dialing_at_the_end_is_canceled_once_it_is_placed(
    driver: StoreDriver,
) -> None:
    """The provider's id of it is known only then."""
    begun, claim = driver.create(), driver.claim()
    mark(driver, claim)
    driver.cancel(begun)
    assert due(driver) == []
    driver.record(claim, ACCEPTED)
    assert due(driver) == [(claim.call_id, True)]


def test_call_of_another_provider_is_not_canceled(driver: StoreDriver) -> None:
    """Its status is queried as ever."""
    begun, call = placed(driver, can_cancel=False)
    driver.cancel(begun)
    assert due(driver) == []
    driver.advance_time(60)
    assert due(driver) == [(call, False)]


def test_call_without_an_id_of_the_provider_is_not_canceled(driver: StoreDriver) -> None:
    begun, call = placed(driver, PLACED)
    driver.cancel(begun)
    assert due(driver) == []
    driver.advance_time(60)
    assert due(driver) == [(call, False)]


@pytest.mark.parametrize("gate", [None, Gate.DOOR])
def test_answered_call_is_not_canceled(driver: StoreDriver, gate: Gate | None) -> None:
    """The person hears its end, or just pressed a key."""
    begun, claim = driver.create(), driver.claim()
    mark(driver, claim, gate=gate)
    driver.record(claim, ACCEPTED)
    driver.store.speech_of_live_call(claim.call_id)
    driver.cancel(begun)
    assert due(driver) == []


def test_denied_call_is_not_canceled(driver: StoreDriver) -> None:
    """Its prompt was part of the request, so nothing was fetched; the key shows that it is over."""
    begun, claim = driver.create(), driver.claim()
    mark(driver, claim, gate=Gate.DOOR)
    driver.record(claim, ACCEPTED)
    assert driver.store.press_key(claim.call_id, "9").outcome == "denied"
    assert driver.get(begun).reason is EndReason.DENIED
    assert due(driver) == []


def test_unconfirmed_cancellation_is_repeated_twice(driver: StoreDriver) -> None:
    """By any dialer, as the first may have died; then the call is queried as ever."""
    begun, call = placed(driver)
    driver.cancel(begun)
    for _ in range(3):
        assert due(driver) == [(call, True)]
        driver.advance_time(INTERVAL - 1)
        assert due(driver) == []
        driver.advance_time(1.01)
    assert due(driver) == [(call, False)]


def test_confirmed_call_is_canceled(redis: Redis) -> None:
    """It was sent, so its places and its gap stay; its number can be called again."""
    driver = driver_with_quotas(redis, "3/1h")
    begun, query = taken(driver)
    before = driver.explain().limits
    assert {each.limit: each.used for each in before}["calls_per_number"] == 1
    report = driver.apply_callback(
        CallStatus.CANCELED, call_id=query.call_id, reason=CallReason.ENDED_FIRST, duration_s=None
    )
    assert (report.outcome, report.call_status) == (ReportOutcome.APPLIED, CallStatus.CANCELED)
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert call.ended_at
    assert driver.explain().limits == before
    again = driver.create()
    assert again.gap_until > again.now
    driver.advance_time(60)
    assert driver.claim().verification_id == again.id


@pytest.mark.parametrize(
    ("reported", "reason", "status"),
    [
        (CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER, CallStatus.CANCELED),
        (CallStatus.NO_ANSWER, None, CallStatus.NO_ANSWER),
        (CallStatus.ANSWERED, None, CallStatus.ANSWERED),
        (CallStatus.FAILED, CallReason.REFUSED, CallStatus.FAILED),
    ],
)
def test_report_after_the_request_to_cancel_decides_the_end(
    driver: StoreDriver, reported: CallStatus, reason: CallReason | None, status: CallStatus
) -> None:
    """The dialer may have died before it recorded a confirmation, or it came too late."""
    begun, query = taken(driver)
    driver.apply_callback(reported, call_id=query.call_id, reason=reason, duration_s=9)
    call = driver.last_call(begun)
    expected = CallReason.ENDED_FIRST if status is CallStatus.CANCELED else reason
    assert (call.status, call.reason) == (status, expected)
    canceled = driver.apply_queried_status(CallStatus.CANCELED, query.call_id)
    assert (canceled.outcome, canceled.call_status) == (ReportOutcome.LATE, status)


def test_sent_call_that_was_not_canceled_cannot_become_canceled(driver: StoreDriver) -> None:
    """No report can do that. Where the provider hung up by itself, the phone was not answered."""
    begun, call = placed(driver)
    assert driver.apply_queried_status(CallStatus.CANCELED, call).outcome is ReportOutcome.LATE
    assert driver.last_call(begun).status is CallStatus.PLACED
    reason = CallReason.HUNG_UP_BEFORE_ANSWER
    driver.apply_callback(CallStatus.NO_ANSWER, call_id=call, reason=reason, duration_s=None)
    assert driver.get(begun).calls[0].status is CallStatus.NO_ANSWER


def test_refused_call_can_be_canceled_at_the_next_provider_only_if_that_one_can(
    redis: Redis,
) -> None:
    """The first attempt leaves nothing behind."""
    driver = driver_with_quotas(redis)
    begun, claim = driver.create(), driver.claim()
    mark(driver, claim)
    driver.record(claim, CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=0))
    again = driver.claim()
    mark(driver, again, can_cancel=False)
    driver.record(again, ACCEPTED)
    driver.cancel(begun)
    assert due(driver) == []
    assert driver.get(begun).status is Status.CANCELED
