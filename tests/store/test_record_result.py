"""Record: what became of a claimed call, taken from its holder whatever the lease."""

from dataclasses import replace

from store.driver import PLACED, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus, Route, Status
from otpvoice.store.models import CallResult

OTHER_BRIDGE = "918068280001"
UNKNOWN = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, raw="read timeout")
AGAIN = CallResult(CallStatus.QUEUED, retry_in_ms=3_000, is_unsent=True)
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, raw="404", is_unsent=True)
UNREACHED = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, is_unsent=True)
NEXT = replace(REFUSED, next_route=Route.C2C)


def test_placed(driver: StoreDriver) -> None:
    """Accepted: live until its news come, and known by the provider's id."""
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


def test_unknown(driver: StoreDriver) -> None:
    """It may ring: live, never queued again, and still open for news."""
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


def test_failed(driver: StoreDriver) -> None:
    """It is over, and nothing follows where no further route is."""
    begun, claim = driver.send()
    assert driver.store.record_result(claim, REFUSED).status is CallStatus.FAILED
    call = driver.last_call(begun)
    assert (call.status, call.reason, call.raw) == (CallStatus.FAILED, CallReason.REFUSED, "404")
    assert call.ended_at
    assert len(driver.get(begun).calls) == 1
    assert driver.get(begun).status is Status.PENDING


def test_what_did_not_ring_leaves_no_gap(driver: StoreDriver) -> None:
    """The next call may come at once, and the gap after it is that of a first call."""
    begun, claim = driver.send()
    assert driver.get(begun).gap_until > begun.now
    driver.store.record_result(claim, UNREACHED)
    assert driver.get(begun).gap_until == 0
    assert driver.request_call(begun).outcome == "coming"
    driver.dial_busy()
    seen = driver.get(begun)
    assert seen.calls[-1].sent_at
    assert seen.gap_until == seen.calls[-1].sent_at + 60_000


def test_what_did_not_ring_brings_back_the_gap_before_it(driver: StoreDriver) -> None:
    """Its own place is given back and no other: after two calls the gap is that of the second."""
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


def test_what_may_have_rung_keeps_its_gap(driver: StoreDriver) -> None:
    """Failed, but not provably unsent."""
    begun, claim = driver.send()
    gap = driver.get(begun).gap_until
    driver.store.record_result(claim, CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))
    assert driver.get(begun).gap_until == gap > begun.now


def test_giving_a_gap_back_leaves_that_of_another_call(driver: StoreDriver) -> None:
    """Approved meanwhile and called again: the old call's return must not open the new gap."""
    begun, claim = driver.send()
    driver.approve(begun)
    driver.create(bridge=OTHER_BRIDGE)
    driver.dial()
    held = driver.create(client="bank", bridge="918068280002")
    gap = driver.get(held).gap_until
    driver.store.record_result(claim, REFUSED)
    assert driver.get(held).gap_until == gap > held.now


# The next route ----------------------------------------------------------------------------------


def test_after_a_refusal_the_next_route_is_queued_at_once(driver: StoreDriver) -> None:
    """A new call with the same language and bridge, due now; it knows what was tried."""
    begun = driver.try_create(locale="hi", bridge=OTHER_BRIDGE).verification
    assert begun
    driver.dial(NEXT)
    first, second = driver.get(begun).calls
    assert (first.status, first.route) == (CallStatus.FAILED, Route.OBD)
    assert (second.status, second.route) == (CallStatus.QUEUED, Route.C2C)
    assert (second.locale, second.bridge, second.caller_id) == (
        "hi",
        OTHER_BRIDGE,
        f"+{OTHER_BRIDGE}",
    )
    claim = driver.claim()
    assert claim.call_id == second.id
    assert (claim.tried_routes, claim.requests) == ((Route.OBD,), 0)


def test_no_next_route_for_what_has_ended(driver: StoreDriver) -> None:
    """Canceled while the request was under way."""
    begun, claim = driver.send()
    driver.cancel(begun)
    assert driver.store.record_result(claim, NEXT).status is CallStatus.FAILED
    assert len(driver.get(begun).calls) == 1
    assert driver.seconds_until_due() == -1


def test_no_next_route_when_it_is_too_late(driver: StoreDriver) -> None:
    """A call is queued only for a moment that leaves its margin of the code's life."""
    begun = driver.create()
    driver.advance_time(241)
    driver.dial(NEXT)
    assert [call.status for call in driver.get(begun).calls] == [CallStatus.FAILED]


def test_a_late_failure_adds_no_second_queued_call(driver: StoreDriver) -> None:
    """At most one call of a verification is queued: a further one was asked for meanwhile."""
    begun = driver.create(ttl=600)
    claim = driver.claim()
    driver.mark_sent(claim)
    driver.advance_time(166)
    driver.request_call(begun)
    driver.store.record_result(claim, NEXT)
    queued = [c for c in driver.get(begun).calls if c.status is CallStatus.QUEUED]
    assert len(queued) == 1


# To be tried again -------------------------------------------------------------------------------


def test_tried_again_later(driver: StoreDriver) -> None:
    """The same call is due again, without a gap, and remembers how many requests it took."""
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


def test_a_call_that_backs_off_is_not_brought_forward(driver: StoreDriver) -> None:
    """The provider asked for the pause (docs/provider.md, section 2: 429): impatience keeps it."""
    begun, claim = driver.send()
    driver.store.record_result(claim, AGAIN)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.seconds_until_due() == 3


def test_while_it_waits_the_line_is_free(driver: StoreDriver) -> None:
    """Another call to the number that the line held goes first."""
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim, gaps=(0,))
    other = driver.create(client="bank")
    assert driver.seconds_until_due() == 165
    driver.store.record_result(claim, AGAIN)
    assert driver.claim().verification_id == other.id


def test_not_tried_again_for_what_was_canceled(driver: StoreDriver) -> None:
    """Nothing is to be dialed any more: it was called off unsent."""
    begun, claim = driver.send()
    driver.cancel(begun)
    assert driver.store.record_result(claim, AGAIN).status is CallStatus.CANCELED
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert call.sent_at is None
    assert driver.seconds_until_due() == -1


def test_not_tried_again_for_what_expired(driver: StoreDriver) -> None:
    """As every unsent call of an expired verification: expired."""
    begun = driver.create(ttl=60)
    driver.advance_time(44)
    claim = driver.claim()
    driver.mark_sent(claim)
    driver.advance_time(16, dialer=None)
    assert driver.store.record_result(claim, AGAIN).status is CallStatus.EXPIRED
    assert driver.last_call(begun).reason is CallReason.ENDED_FIRST
