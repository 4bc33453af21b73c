"""Claim: the next due call goes to one dialer, if it may be dialed now."""

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, RING, Exchange

from otpvoice.core.service import decrypt_number, decrypt_speech
from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.store.keys import Keys
from otpvoice.store.models import Claim

OTHER_BRIDGE = "918068280001"
NO_GAPS = (0,)


def test_calls_are_claimed_in_the_order_they_are_due(exchange: Exchange) -> None:
    """Whatever the order they were asked for in."""
    delays = [40, 0, 30, 10, 20]
    begun = {
        delay: exchange.begins(f"+91981234560{delay // 10}", call_after=delay) for delay in delays
    }
    exchange.passes(41)
    claimed = [exchange.claims().verification_id for _ in delays]
    assert claimed == [begun[delay].id for delay in sorted(delays)]


def test_an_empty_queue(exchange: Exchange) -> None:
    """There is nothing to wait for."""
    assert exchange.finds_nothing() == -1


def test_a_claim_carries_all_that_dialing_needs(exchange: Exchange) -> None:
    """And what is secret of it sealed, for the holder of the ring."""
    begun = exchange.asks(route=Route.C2C, locale="hi", name="आशा").verification
    assert begun
    claim = exchange.claims()
    assert (claim.call_id, claim.verification_id) == (begun.calls[0].id, begun.id)
    assert (claim.client, claim.route, claim.locale) == ("login", Route.C2C, "hi")
    assert (claim.tried, claim.requests) == ((), 0)
    assert decrypt_speech(RING, begun.id, claim.encrypted_speech) == (CODE, "आशा")
    assert decrypt_number(RING, begun.id, claim.encrypted_number) == "+919876543210"
    assert exchange.call_of(begun).status is CallStatus.DIALING


def test_every_claim_has_a_holder_of_its_own(exchange: Exchange) -> None:
    """Also two claims of one call by one dialer."""
    exchange.begins()
    holders = set()
    for _ in range(3):
        holders.add(exchange.claims().holder)
        assert exchange.finds_nothing() == -1
        exchange.passes(21)
    assert len(holders) == 3


# The gap -----------------------------------------------------------------------------------------


def test_the_gap_moves_a_call_to_its_end(exchange: Exchange) -> None:
    """A call queued before another was sent to the number waits, and tells until when."""
    exchange.begins()
    first = exchange.claims()
    held = exchange.begins(client="bank", bridge=OTHER_BRIDGE)
    exchange.marks(first)
    assert exchange.finds_nothing() == 60
    call = exchange.call_of(held)
    assert (call.status, call.due_at) == (CallStatus.QUEUED, exchange.looks(held).gap_until)
    exchange.passes(60)
    assert exchange.claims().call_id == call.id


def test_a_move_of_the_due_moment_is_a_new_version(exchange: Exchange) -> None:
    """Who polls by ``version`` must see every change of what is shown."""
    exchange.begins()
    first = exchange.claims()
    held = exchange.begins(client="bank", bridge=OTHER_BRIDGE)
    exchange.marks(first)
    exchange.finds_nothing()
    moved = exchange.looks(held)
    assert moved.calls[0].due_at > held.calls[0].due_at
    assert moved.version > held.version


def test_a_call_that_came_too_late_tells_when_it_was_due(exchange: Exchange) -> None:
    """Not the end of a gap that it never came to."""
    exchange.begins()
    exchange.passes(0.001)  # what is due first is called first
    late = exchange.begins(client="bank")
    exchange.passes(240)
    exchange.marks(exchange.claims())
    exchange.passes(20)
    exchange.finds_nothing()
    (call,) = exchange.looks(late).calls
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)
    assert call.due_at == late.calls[0].due_at


def test_a_gap_that_ends_too_late_ends_the_call(exchange: Exchange) -> None:
    """It could only be dialed when the code is of no use any more."""
    exchange.begins()
    first = exchange.claims()
    held = exchange.begins(client="bank", bridge=OTHER_BRIDGE)
    exchange.marks(first, gaps=(256,))
    assert exchange.finds_nothing() == -1
    call = exchange.call_of(held)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


# One live call per bridge and number --------------------------------------------------------------


def rings(exchange: Exchange) -> Claim:
    """A call that is live, and leaves no gap so that only its line holds others."""
    exchange.begins()
    claim = exchange.claims()
    assert exchange.marks(claim, NO_GAPS)
    return claim


def test_a_live_call_holds_the_line(exchange: Exchange) -> None:
    """Another client's call to the same number waits until the first can not be live any more."""
    rings(exchange)
    held = exchange.begins(client="bank")
    assert exchange.finds_nothing() == 165
    exchange.passes(164)
    assert exchange.finds_nothing() == 1
    exchange.passes(1)
    assert exchange.claims().call_id == held.calls[0].id


@pytest.mark.parametrize("ends", list(CallStatus)[4:8])
def test_a_line_that_is_released_is_taken_at_once(exchange: Exchange, ends: CallStatus) -> None:
    """The call that waits is brought forward when the live one ends sooner."""
    first = rings(exchange)
    held = exchange.begins(client="bank")
    assert exchange.finds_nothing() == 165
    exchange.hears(ends, call_id=first.call_id)
    assert exchange.claims().call_id == held.calls[0].id


def test_a_claim_holds_the_line_for_its_lease(exchange: Exchange) -> None:
    """After it the next is claimed, and the first can not be sent any more."""
    exchange.begins()
    first = exchange.claims()
    held = exchange.begins(client="bank")
    assert exchange.finds_nothing() == 20
    exchange.passes(20, dialer=None)
    second = exchange.claims()
    assert second.call_id == held.calls[0].id
    assert not exchange.marks(first)
    assert exchange.marks(second)


def test_an_unknown_call_holds_the_line(exchange: Exchange) -> None:
    """It may be ringing."""
    rings(exchange)
    exchange.begins(client="bank")
    exchange.passes(21)
    assert exchange.finds_nothing() == 165 - 21


def test_other_bridges_and_numbers_are_not_held(exchange: Exchange) -> None:
    """Only the gap is the number's own."""
    rings(exchange)
    others = {
        exchange.begins(client="bank", bridge=OTHER_BRIDGE).id,
        exchange.begins(RAVI).id,
    }
    assert {exchange.claims().verification_id, exchange.claims().verification_id} == others


def test_a_held_call_hopes_until_its_last_moment(exchange: Exchange) -> None:
    """The hold is longer than its life, but may end sooner."""
    first = rings(exchange)
    held = exchange.begins(client="bank", ttl=60)
    assert exchange.finds_nothing() in {45, 46}  # the millisecond after it
    exchange.passes(44)
    exchange.hears(CallStatus.BUSY, call_id=first.call_id)
    assert exchange.claims().call_id == held.calls[0].id


def test_a_held_call_ends_after_its_last_moment(exchange: Exchange) -> None:
    """Without a release in time it was held too long."""
    rings(exchange)
    held = exchange.begins(client="bank", ttl=60)
    exchange.finds_nothing()
    exchange.passes(46)
    assert exchange.finds_nothing() == -1
    call = exchange.call_of(held)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


def test_calls_held_at_the_head_do_not_block_the_queue(exchange: Exchange) -> None:
    """However many wait for one number, another number's call behind them is found."""
    rings(exchange)
    for n in range(120):
        exchange.begins(client=f"client {n}")
    exchange.passes(0.001)
    free = exchange.begins(RAVI)
    assert [exchange.finds_nothing(), exchange.finds_nothing()] == [0, 0]
    assert exchange.claims().verification_id == free.id


# How many at once ---------------------------------------------------------------------------------


def test_no_more_calls_are_live_than_allowed(exchange: Exchange) -> None:
    """Claimed and placed ones count; the wait ends with the first of them."""
    numbers = [f"+91981234567{n}" for n in range(4)]
    for number in numbers:
        exchange.begins(number)
    store = exchange.store
    first, second = store.claim(2), store.claim(2)
    assert not isinstance(first, int)
    assert not isinstance(second, int)
    exchange.marks(first)
    assert 19_000 < _wait(store.claim(2)) <= 20_000
    exchange.marks(second)
    assert 164_000 < _wait(store.claim(2)) <= 165_000
    exchange.hears(CallStatus.ANSWERED, call_id=first.call_id)
    assert not isinstance(store.claim(2), int)
    assert isinstance(store.claim(2), int)
    assert not isinstance(store.claim(3), int)


def _wait(claim: object) -> int:
    assert isinstance(claim, int)
    return claim


# Too late, or for nothing -------------------------------------------------------------------------


def test_in_the_last_moment_it_is_claimed(exchange: Exchange) -> None:
    """The claim allows 15 s less than the queue: 45 of 300 s are left."""
    begun = exchange.begins()
    exchange.passes(254)
    assert exchange.claims().verification_id == begun.id


def test_after_the_last_moment_it_is_not(exchange: Exchange) -> None:
    """It ends expired and never rings; its verification stays pending."""
    begun = exchange.begins(own_code=True)
    exchange.passes(256)
    assert exchange.finds_nothing() == -1
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)
    assert call.sent_at is None
    assert call.ended_at
    assert exchange.checks(begun, CODE).outcome == "right"


def test_an_expired_verifications_call_is_not_claimed(exchange: Exchange) -> None:
    """Though nobody swept."""
    begun = exchange.begins()
    exchange.passes(301, dialer=None)
    assert exchange.finds_nothing() == -1
    assert exchange.call_of(begun).reason is CallReason.ENDED_FIRST


def test_a_call_whose_record_is_gone_is_passed_over(exchange: Exchange, redis: Redis) -> None:
    """Where the store was told to evict, the queue must not stand still."""
    lost = exchange.begins()
    exchange.passes(0.001)
    begun = exchange.begins(RAVI)
    redis.delete(f"{Keys().prefix}call:{lost.calls[0].id}")
    assert exchange.claims().verification_id == begun.id
    assert exchange.looks(lost).calls == ()
