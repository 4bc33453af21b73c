"""Recording the result of a claimed call."""

from msgspec.structs import replace
from store.driver import PLACED, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus, Status
from otpvoice.store.models import CallResult

OTHER_BRIDGE = "918068280001"
UNKNOWN = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, raw="read timeout")
AGAIN = CallResult(CallStatus.QUEUED, retry_in_ms=3_000, is_unsent=True)
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, raw="404", is_unsent=True)
UNREACHED = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, is_unsent=True)
NEXT = replace(REFUSED, next_route="c2c")


def test_placed_call_is_live_and_known_by_provider_id(driver: StoreDriver) -> None:
    begun, claim = driver.send()
    result = replace(PLACED, provider_id="70fa87e0")
    assert driver.store.record_result(claim, result).status is CallStatus.PLACED
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.PLACED, None)
    assert call.placed_at
    assert call.ended_at is None
    assert call.is_live(driver.get(begun).now)
    assert (
        driver.apply_callback(CallStatus.BUSY, provider_ids=("70fa87e0",)).call_id == claim.call_id
    )


def test_unknown_call_is_live_and_never_requeued(driver: StoreDriver) -> None:
    """A report may settle it."""
    begun, claim = driver.send()
    assert driver.store.record_result(claim, UNKNOWN).status is CallStatus.UNKNOWN
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)
    assert call.raw == "read timeout"
    assert (call.placed_at, call.ended_at) == (None, None)
    assert call.is_live(driver.get(begun).now)
    assert driver.seconds_until_due() == -1
    driver.advance_time(60)
    assert driver.seconds_until_due() == -1
    assert driver.get(begun).gap_until > begun.now


def test_failed_call_without_next_route_ends(driver: StoreDriver) -> None:
    begun, claim = driver.send()
    assert driver.store.record_result(claim, REFUSED).status is CallStatus.FAILED
    call = driver.last_call(begun)
    assert (call.status, call.reason, call.raw) == (CallStatus.FAILED, CallReason.REFUSED, "404")
    assert call.ended_at
    assert len(driver.get(begun).calls) == 1
    assert driver.get(begun).status is Status.PENDING


def test_unsent_call_leaves_no_gap(driver: StoreDriver) -> None:
    """The next gap is that of a first call."""
    begun, claim = driver.send()
    assert driver.get(begun).gap_until > begun.now
    driver.store.record_result(claim, UNREACHED)
    assert driver.get(begun).gap_until == 0
    assert driver.request_call(begun).outcome == "coming"
    driver.dial_busy()
    seen = driver.get(begun)
    assert seen.calls[-1].sent_at
    assert seen.gap_until == seen.calls[-1].sent_at + 60_000


def test_unsent_call_restores_the_gap_before_it(driver: StoreDriver) -> None:
    begun = driver.create(ttl=600)
    driver.dial_busy()
    driver.advance_time(60)
    before = driver.get(begun).gap_until
    driver.request_call(begun)
    driver.dial(UNREACHED)
    assert driver.get(begun).gap_until == before
    driver.request_call(begun)
    driver.dial_busy()
    driver.advance_time(60)
    driver.request_call(begun)
    driver.dial_busy()
    seen = driver.get(begun)
    assert seen.calls[-1].sent_at
    assert seen.gap_until == seen.calls[-1].sent_at + 300_000


def test_call_that_may_have_rung_keeps_its_gap(driver: StoreDriver) -> None:
    begun, claim = driver.send()
    gap = driver.get(begun).gap_until
    driver.store.record_result(claim, CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))
    assert driver.get(begun).gap_until == gap > begun.now


def test_unsent_call_keeps_the_gap_of_another_call(driver: StoreDriver) -> None:
    """The number was approved, and called again meanwhile by a dialer of the release before."""
    begun, claim = driver.send()
    driver.drop_number_lock()
    driver.approve(begun)
    driver.create(bridge=OTHER_BRIDGE)
    driver.dial()
    held = driver.create(client="bank", bridge="918068280002")
    gap = driver.get(held).gap_until
    driver.store.record_result(claim, REFUSED)
    assert driver.get(held).gap_until == gap > held.now


# The next route -----------------------------------------------------------------------------------


def test_refused_call_queues_next_route_at_once(driver: StoreDriver) -> None:
    """With the same language and caller line, and the tried routes."""
    begun = driver.try_create(locale="hi", bridge=OTHER_BRIDGE).verification
    assert begun
    driver.dial(NEXT)
    first, second = driver.get(begun).calls
    assert (first.status, first.route) == (CallStatus.FAILED, "obd")
    assert (second.status, second.route) == (CallStatus.QUEUED, "c2c")
    assert (second.locale, second.bridge, second.caller_id) == (
        "hi",
        OTHER_BRIDGE,
        f"+{OTHER_BRIDGE}",
    )
    claim = driver.claim()
    assert claim.call_id == second.id
    assert (claim.tried_routes, claim.requests) == (("obd",), 0)


def test_refused_call_of_ended_verification_takes_no_next_route(driver: StoreDriver) -> None:
    begun, claim = driver.send()
    driver.cancel(begun)
    assert driver.store.record_result(claim, NEXT).status is CallStatus.FAILED
    assert len(driver.get(begun).calls) == 1
    assert driver.seconds_until_due() == -1


def test_refused_call_too_late_takes_no_next_route(driver: StoreDriver) -> None:
    begun = driver.create()
    driver.advance_time(241)
    driver.dial(NEXT)
    assert [call.status for call in driver.get(begun).calls] == [CallStatus.FAILED]


def test_late_failure_adds_no_second_queued_call(driver: StoreDriver) -> None:
    """A further call was requested meanwhile."""
    begun = driver.create(ttl=600)
    claim = driver.claim()
    driver.mark_sent(claim)
    driver.advance_time(166)
    driver.request_call(begun)
    driver.store.record_result(claim, NEXT)
    queued = [c for c in driver.get(begun).calls if c.status is CallStatus.QUEUED]
    assert len(queued) == 1


# To be tried again --------------------------------------------------------------------------------


def test_retried_call_is_due_again_without_a_gap(driver: StoreDriver) -> None:
    """It counts its requests."""
    begun, claim = driver.send()
    assert driver.store.record_result(claim, AGAIN).status is CallStatus.QUEUED
    seen = driver.get(begun)
    call = seen.calls[0]
    assert (call.status, call.sent_at, call.live_until) == (CallStatus.QUEUED, None, None)
    assert 2_500 < call.due_at - seen.now <= 3_000
    assert seen.gap_until == 0
    assert driver.seconds_until_due() == 3
    for requests in (1, 2):
        driver.advance_time(3)
        again = driver.claim()
        assert (again.call_id, again.requests) == (call.id, requests)
        assert driver.mark_sent(again)
        driver.store.record_result(again, AGAIN)


def test_call_that_backs_off_is_not_brought_forward(driver: StoreDriver) -> None:
    """The provider requested the pause (docs/providers/mobtexting.md, section 2: 429)."""
    begun, claim = driver.send()
    driver.store.record_result(claim, AGAIN)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.seconds_until_due() == 3


def test_call_that_backs_off_unlocks_its_number(driver: StoreDriver) -> None:
    """Another call goes first."""
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim, gaps=(0,))
    other = driver.create(client="bank")
    assert driver.seconds_until_due() == 165
    driver.store.record_result(claim, AGAIN)
    assert driver.claim().verification_id == other.id


def test_retry_after_cancel_cancels_the_call(driver: StoreDriver) -> None:
    begun, claim = driver.send()
    driver.cancel(begun)
    assert driver.store.record_result(claim, AGAIN).status is CallStatus.CANCELED
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert call.sent_at is None
    assert driver.seconds_until_due() == -1


def test_retry_after_expiry_expires_the_call(driver: StoreDriver) -> None:
    begun = driver.create(ttl=60)
    driver.advance_time(44)
    claim = driver.claim()
    driver.mark_sent(claim)
    driver.advance_time(16, dialer=None)
    assert driver.store.record_result(claim, AGAIN).status is CallStatus.EXPIRED
    assert driver.last_call(begun).reason is CallReason.ENDED_FIRST
