"""Record: what became of a claimed call, taken from its holder whatever the lease."""

from dataclasses import replace

from store.exchange import PLACED, Exchange

from otpvoice.core.verification import CallReason, CallStatus, Route, Status
from otpvoice.store.models import CallResult

OTHER_BRIDGE = "918068280001"
UNKNOWN = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, raw="read timeout")
AGAIN = CallResult(CallStatus.QUEUED, retry_in=3_000, unsent=True)
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, raw="404", unsent=True)
UNREACHED = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, unsent=True)
NEXT = replace(REFUSED, next_route=Route.C2C)


def test_placed(exchange: Exchange) -> None:
    """Accepted: live until its news come, and known by the provider's id."""
    begun, claim = exchange.sends()
    result = replace(PLACED, provider_id="70fa87e0")
    assert exchange.store.record(claim, result).status is CallStatus.PLACED
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.PLACED, None)
    assert call.placed_at
    assert call.ended_at is None
    assert call.is_live(exchange.looks(begun).now)
    assert exchange.hears(CallStatus.BUSY, ids=("70fa87e0",)).call_id == claim.call_id


def test_unknown(exchange: Exchange) -> None:
    """It may ring: live, never queued again, and still open for news."""
    begun, claim = exchange.sends()
    assert exchange.store.record(claim, UNKNOWN).status is CallStatus.UNKNOWN
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)
    assert call.raw == "read timeout"
    assert (call.placed_at, call.ended_at) == (None, None)
    assert call.is_live(exchange.looks(begun).now)
    assert exchange.finds_nothing() == -1
    exchange.passes(60)
    assert exchange.finds_nothing() == -1
    assert exchange.looks(begun).gap_until > begun.now


def test_failed(exchange: Exchange) -> None:
    """It is over, and nothing follows where no further route is."""
    begun, claim = exchange.sends()
    assert exchange.store.record(claim, REFUSED).status is CallStatus.FAILED
    call = exchange.call_of(begun)
    assert (call.status, call.reason, call.raw) == (CallStatus.FAILED, CallReason.REFUSED, "404")
    assert call.ended_at
    assert len(exchange.looks(begun).calls) == 1
    assert exchange.looks(begun).status is Status.PENDING


def test_what_did_not_ring_leaves_no_gap(exchange: Exchange) -> None:
    """The next call may come at once, and the gap after it is that of a first call."""
    begun, claim = exchange.sends()
    assert exchange.looks(begun).gap_until > begun.now
    exchange.store.record(claim, UNREACHED)
    assert exchange.looks(begun).gap_until == 0
    assert exchange.calls(begun).outcome == "coming"
    exchange.finds_busy()
    seen = exchange.looks(begun)
    assert seen.calls[-1].sent_at
    assert seen.gap_until == seen.calls[-1].sent_at + 60_000


def test_what_did_not_ring_brings_back_the_gap_before_it(exchange: Exchange) -> None:
    """Its own place is given back and no other: after two calls the gap is that of the second."""
    begun = exchange.begins(ttl=600)
    exchange.finds_busy()
    exchange.passes(60)
    before = exchange.looks(begun).gap_until
    exchange.calls(begun)
    exchange.dials(UNREACHED)
    assert exchange.looks(begun).gap_until == before
    exchange.calls(begun)
    exchange.finds_busy()
    exchange.passes(60)
    exchange.calls(begun)
    exchange.finds_busy()
    seen = exchange.looks(begun)
    assert seen.calls[-1].sent_at
    assert seen.gap_until == seen.calls[-1].sent_at + 300_000


def test_what_may_have_rung_keeps_its_gap(exchange: Exchange) -> None:
    """Failed, but not provably unsent."""
    begun, claim = exchange.sends()
    gap = exchange.looks(begun).gap_until
    exchange.store.record(claim, CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))
    assert exchange.looks(begun).gap_until == gap > begun.now


def test_giving_a_gap_back_leaves_that_of_another_call(exchange: Exchange) -> None:
    """Approved meanwhile and called again: the old call's return must not open the new gap."""
    begun, claim = exchange.sends()
    exchange.approves(begun)
    exchange.begins(bridge=OTHER_BRIDGE)
    exchange.dials()
    held = exchange.begins(client="bank", bridge="918068280002")
    gap = exchange.looks(held).gap_until
    exchange.store.record(claim, REFUSED)
    assert exchange.looks(held).gap_until == gap > held.now


# The next route ----------------------------------------------------------------------------------


def test_after_a_refusal_the_next_route_is_queued_at_once(exchange: Exchange) -> None:
    """A new call with the same language and bridge, due now; it knows what was tried."""
    begun = exchange.asks(locale="hi", bridge=OTHER_BRIDGE).verification
    assert begun
    exchange.dials(NEXT)
    first, second = exchange.looks(begun).calls
    assert (first.status, first.route) == (CallStatus.FAILED, Route.OBD)
    assert (second.status, second.route) == (CallStatus.QUEUED, Route.C2C)
    assert (second.locale, second.bridge, second.caller_id) == (
        "hi",
        OTHER_BRIDGE,
        f"+{OTHER_BRIDGE}",
    )
    claim = exchange.claims()
    assert claim.call_id == second.id
    assert (claim.tried, claim.requests) == ((Route.OBD,), 0)


def test_no_next_route_for_what_has_ended(exchange: Exchange) -> None:
    """Canceled while the request was under way."""
    begun, claim = exchange.sends()
    exchange.cancels(begun)
    assert exchange.store.record(claim, NEXT).status is CallStatus.FAILED
    assert len(exchange.looks(begun).calls) == 1
    assert exchange.finds_nothing() == -1


def test_no_next_route_when_it_is_too_late(exchange: Exchange) -> None:
    """A call is queued only for a moment that leaves its margin of the code's life."""
    begun = exchange.begins()
    exchange.passes(241)
    exchange.dials(NEXT)
    assert [call.status for call in exchange.looks(begun).calls] == [CallStatus.FAILED]


def test_a_late_failure_adds_no_second_queued_call(exchange: Exchange) -> None:
    """At most one call of a verification is queued: a further one was asked for meanwhile."""
    begun = exchange.begins(ttl=600)
    claim = exchange.claims()
    exchange.marks(claim)
    exchange.passes(166)
    exchange.calls(begun)
    exchange.store.record(claim, NEXT)
    queued = [c for c in exchange.looks(begun).calls if c.status is CallStatus.QUEUED]
    assert len(queued) == 1


# To be tried again -------------------------------------------------------------------------------


def test_tried_again_later(exchange: Exchange) -> None:
    """The same call is due again, without a gap, and remembers how many requests it took."""
    begun, claim = exchange.sends()
    assert exchange.store.record(claim, AGAIN).status is CallStatus.QUEUED
    seen = exchange.looks(begun)
    call = seen.calls[0]
    assert (call.status, call.sent_at, call.live_until) == (CallStatus.QUEUED, None, None)
    assert 2_500 < call.due_at - seen.now <= 3_000
    assert seen.gap_until == 0
    assert exchange.finds_nothing() == 3
    for requests in (1, 2):
        exchange.passes(3)
        again = exchange.claims()
        assert (again.call_id, again.requests) == (call.id, requests)
        assert exchange.marks(again)
        exchange.store.record(again, AGAIN)


def test_a_call_that_backs_off_is_not_brought_forward(exchange: Exchange) -> None:
    """The provider asked for the pause (docs/provider.md, section 2: 429): impatience keeps it."""
    begun, claim = exchange.sends()
    exchange.store.record(claim, AGAIN)
    assert exchange.calls(begun).outcome == "coming"
    assert exchange.finds_nothing() == 3


def test_while_it_waits_the_line_is_free(exchange: Exchange) -> None:
    """Another call to the number that the line held goes first."""
    exchange.begins()
    claim = exchange.claims()
    exchange.marks(claim, gaps=(0,))
    other = exchange.begins(client="bank")
    assert exchange.finds_nothing() == 165
    exchange.store.record(claim, AGAIN)
    assert exchange.claims().verification_id == other.id


def test_not_tried_again_for_what_was_canceled(exchange: Exchange) -> None:
    """Nothing is to be dialed any more: it was called off unsent."""
    begun, claim = exchange.sends()
    exchange.cancels(begun)
    assert exchange.store.record(claim, AGAIN).status is CallStatus.CANCELED
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert call.sent_at is None
    assert exchange.finds_nothing() == -1


def test_not_tried_again_for_what_expired(exchange: Exchange) -> None:
    """As every unsent call of an expired verification: expired."""
    begun = exchange.begins(ttl=60)
    exchange.passes(44)
    claim = exchange.claims()
    exchange.marks(claim)
    exchange.passes(16, dialer=None)
    assert exchange.store.record(claim, AGAIN).status is CallStatus.EXPIRED
    assert exchange.call_of(begun).reason is CallReason.ENDED_FIRST
