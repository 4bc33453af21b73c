"""Record, at an odd time: after the news, after the lease, after the end, or from a stranger."""

from dataclasses import replace

import pytest
from redis import Redis
from store.exchange import PLACED, Exchange

from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult, News

UNKNOWN = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, raw="read timeout")
AGAIN = CallResult(CallStatus.QUEUED, retry_in=3_000, unsent=True)
NEXT = CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True, next_route=Route.C2C)


def test_a_cancel_does_not_hide_what_was_placed(exchange: Exchange) -> None:
    """The phone rings though the verification ended."""
    begun, claim = exchange.sends()
    exchange.cancels(begun)
    assert exchange.store.record(claim, PLACED).status is CallStatus.PLACED
    assert exchange.call_of(begun).status is CallStatus.PLACED


@pytest.mark.parametrize("result", [PLACED, UNKNOWN, NEXT, AGAIN])
def test_a_callback_that_came_first_stays(exchange: Exchange, result: CallResult) -> None:
    """The first final state wins, whatever the reply says; and nothing is queued."""
    begun, claim = exchange.sends()
    early = exchange.hears(CallStatus.ANSWERED, call_id=claim.call_id)
    assert early.news is News.APPLIED
    gap = exchange.looks(begun).gap_until
    assert exchange.store.record(claim, result).status is CallStatus.ANSWERED
    seen = exchange.looks(begun)
    assert [call.status for call in seen.calls] == [CallStatus.ANSWERED]
    assert seen.gap_until == gap
    assert exchange.finds_nothing() == -1


def test_the_providers_id_is_kept_though_the_callback_was_faster(exchange: Exchange) -> None:
    """So that a second delivery under that id is told apart as late."""
    _, claim = exchange.sends()
    exchange.hears(CallStatus.ANSWERED, call_id=claim.call_id)
    exchange.store.record(claim, replace(PLACED, provider_id="70fa87e0"))
    assert exchange.hears(CallStatus.BUSY, ids=("70fa87e0",)).news is News.LATE


def test_accepted_after_the_lease(exchange: Exchange) -> None:
    """Swept to unknown meanwhile; the holder knows better."""
    begun, claim = exchange.sends()
    exchange.passes(30)
    assert exchange.call_of(begun).status is CallStatus.UNKNOWN
    assert exchange.store.record(claim, PLACED).status is CallStatus.PLACED
    assert exchange.call_of(begun).status is CallStatus.PLACED


def test_a_reason_goes_with_its_state(exchange: Exchange) -> None:
    """Placed after all: ``no_news`` was why it stood as unknown."""
    begun, claim = exchange.sends()
    exchange.passes(30)
    assert exchange.call_of(begun).reason is CallReason.NO_NEWS
    exchange.store.record(claim, PLACED)
    assert exchange.call_of(begun).reason is None


def test_refused_after_the_lease(exchange: Exchange) -> None:
    """Swept to unknown meanwhile; it did not ring, so it fails and the next route comes."""
    begun, claim = exchange.sends()
    exchange.passes(30)
    assert exchange.store.record(claim, NEXT).status is CallStatus.FAILED
    assert [call.status for call in exchange.looks(begun).calls] == [
        CallStatus.FAILED,
        CallStatus.QUEUED,
    ]
    assert exchange.claims().call_id == exchange.call_of(begun).id


def test_no_try_again_after_the_lease(exchange: Exchange) -> None:
    """What stood as unknown never goes back to the queue: it fails, for the provider's sake."""
    begun, claim = exchange.sends()
    exchange.passes(30)
    assert exchange.store.record(claim, AGAIN).status is CallStatus.FAILED
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert exchange.finds_nothing() == -1


def test_accepted_when_it_can_not_be_live_any_more(exchange: Exchange) -> None:
    """Told after ``live_until`` it stays unknown: as placed nobody would ever look after it."""
    begun, claim = exchange.sends()
    exchange.passes(200)
    exchange.store.record(claim, PLACED)
    exchange.passes(1)
    assert exchange.call_of(begun).status is CallStatus.UNKNOWN


def test_unmarked_it_can_fail(exchange: Exchange) -> None:
    """A seal that no key opens: nothing was sent, and nothing will be."""
    begun = exchange.begins()
    claim = exchange.claims()
    failed = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert exchange.store.record(claim, failed).status is CallStatus.FAILED
    assert exchange.looks(begun).gap_until == 0


def test_only_the_holder_is_believed(exchange: Exchange) -> None:
    """Not an earlier one, not a stranger, and nobody about a call that is not there."""
    exchange.begins()
    first = exchange.claims()
    exchange.passes(21)
    second = exchange.claims()
    exchange.marks(second)
    for stranger in (first, replace(second, holder="x"), replace(second, call_id="call_none")):
        assert exchange.store.record(stranger, NEXT).status is None
    assert exchange.store.record(second, PLACED).status is CallStatus.PLACED


def test_a_record_without_its_verification_leaves_no_trace(
    exchange: Exchange, redis: Redis
) -> None:
    """Where the store was told to evict: the call moves, and no key without an end is made."""
    begun, claim = exchange.sends()
    redis.delete(Keys().verification(begun.id))
    assert exchange.store.record(claim, NEXT).status is CallStatus.FAILED
    assert not redis.exists(Keys().verification(begun.id))
