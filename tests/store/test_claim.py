"""Claim: the next due call goes to one dialer, if it may be dialed now."""

import pytest
from redis import Redis
from store.driver import CODE, RAVI, RING, StoreDriver

from otpvoice.core.keys import decrypt_number, decrypt_speech
from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.store.keys import Keys
from otpvoice.store.models import Claim

OTHER_BRIDGE = "918068280001"
NO_GAPS = (0,)


def test_calls_are_claimed_in_the_order_they_are_due(driver: StoreDriver) -> None:
    """Whatever the order they were asked for in."""
    delays = [40, 0, 30, 10, 20]
    begun = {
        delay: driver.create(f"+91981234560{delay // 10}", call_after=delay) for delay in delays
    }
    driver.advance_time(41)
    claimed = [driver.claim().verification_id for _ in delays]
    assert claimed == [begun[delay].id for delay in sorted(delays)]


def test_an_empty_queue(driver: StoreDriver) -> None:
    """There is nothing to wait for."""
    assert driver.seconds_until_due() == -1


def test_a_claim_carries_all_that_dialing_needs(driver: StoreDriver) -> None:
    """And what is secret of it sealed, for the holder of the ring."""
    begun = driver.try_create(route=Route.C2C, locale="hi", name="आशा").verification
    assert begun
    claim = driver.claim()
    assert (claim.call_id, claim.verification_id) == (begun.calls[0].id, begun.id)
    assert (claim.client, claim.route, claim.locale) == ("login", Route.C2C, "hi")
    assert (claim.tried_routes, claim.requests) == ((), 0)
    assert decrypt_speech(RING, begun.id, claim.encrypted_speech) == (CODE, "आशा")
    assert decrypt_number(RING, begun.id, claim.encrypted_number) == "+919876543210"
    assert driver.last_call(begun).status is CallStatus.DIALING


def test_every_claim_has_a_holder_of_its_own(driver: StoreDriver) -> None:
    """Also two claims of one call by one dialer."""
    driver.create()
    holders = set()
    for _ in range(3):
        holders.add(driver.claim().holder)
        assert driver.seconds_until_due() == -1
        driver.advance_time(21)
    assert len(holders) == 3


# The gap -----------------------------------------------------------------------------------------


def test_the_gap_moves_a_call_to_its_end(driver: StoreDriver) -> None:
    """A call queued before another was sent to the number waits, and tells until when."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(first)
    assert driver.seconds_until_due() == 60
    call = driver.last_call(held)
    assert (call.status, call.due_at) == (CallStatus.QUEUED, driver.get(held).gap_until)
    driver.advance_time(60)
    assert driver.claim().call_id == call.id


def test_a_move_of_the_due_moment_is_a_new_version(driver: StoreDriver) -> None:
    """Who polls by ``version`` must see every change of what is shown."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(first)
    driver.seconds_until_due()
    moved = driver.get(held)
    assert moved.calls[0].due_at > held.calls[0].due_at
    assert moved.version > held.version


def test_a_call_that_came_too_late_tells_when_it_was_due(driver: StoreDriver) -> None:
    """Not the end of a gap that it never came to."""
    driver.create()
    driver.advance_time(0.001)  # what is due first is called first
    late = driver.create(client="bank")
    driver.advance_time(240)
    driver.mark_sent(driver.claim())
    driver.advance_time(20)
    driver.seconds_until_due()
    (call,) = driver.get(late).calls
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)
    assert call.due_at == late.calls[0].due_at


def test_a_gap_that_ends_too_late_ends_the_call(driver: StoreDriver) -> None:
    """It could only be dialed when the code is of no use any more."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(first, gaps=(256,))
    assert driver.seconds_until_due() == -1
    call = driver.last_call(held)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


# One live call per bridge and number --------------------------------------------------------------


def rings(driver: StoreDriver) -> Claim:
    """A call that is live, and leaves no gap so that only its line holds others."""
    driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim, NO_GAPS)
    return claim


def test_a_live_call_holds_the_line(driver: StoreDriver) -> None:
    """Another client's call to the same number waits until the first can not be live any more."""
    rings(driver)
    held = driver.create(client="bank")
    assert driver.seconds_until_due() == 165
    driver.advance_time(164)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    assert driver.claim().call_id == held.calls[0].id


@pytest.mark.parametrize("ends", list(CallStatus)[4:8])
def test_a_line_that_is_released_is_taken_at_once(driver: StoreDriver, ends: CallStatus) -> None:
    """The call that waits is brought forward when the live one ends sooner."""
    first = rings(driver)
    held = driver.create(client="bank")
    assert driver.seconds_until_due() == 165
    driver.apply_callback(ends, call_id=first.call_id)
    assert driver.claim().call_id == held.calls[0].id


def test_a_claim_holds_the_line_for_its_lease(driver: StoreDriver) -> None:
    """After it the next is claimed, and the first can not be sent any more."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank")
    assert driver.seconds_until_due() == 20
    driver.advance_time(20, dialer=None)
    second = driver.claim()
    assert second.call_id == held.calls[0].id
    assert not driver.mark_sent(first)
    assert driver.mark_sent(second)


def test_an_unknown_call_holds_the_line(driver: StoreDriver) -> None:
    """It may be ringing."""
    rings(driver)
    driver.create(client="bank")
    driver.advance_time(21)
    assert driver.seconds_until_due() == 165 - 21


def test_other_bridges_and_numbers_are_not_held(driver: StoreDriver) -> None:
    """Only the gap is the number's own."""
    rings(driver)
    others = {
        driver.create(client="bank", bridge=OTHER_BRIDGE).id,
        driver.create(RAVI).id,
    }
    assert {driver.claim().verification_id, driver.claim().verification_id} == others


def test_a_held_call_hopes_until_its_last_moment(driver: StoreDriver) -> None:
    """The hold is longer than its life, but may end sooner."""
    first = rings(driver)
    held = driver.create(client="bank", ttl=60)
    assert driver.seconds_until_due() in {45, 46}  # the millisecond after it
    driver.advance_time(44)
    driver.apply_callback(CallStatus.BUSY, call_id=first.call_id)
    assert driver.claim().call_id == held.calls[0].id


def test_a_held_call_ends_after_its_last_moment(driver: StoreDriver) -> None:
    """Without a release in time it was held too long."""
    rings(driver)
    held = driver.create(client="bank", ttl=60)
    driver.seconds_until_due()
    driver.advance_time(46)
    assert driver.seconds_until_due() == -1
    call = driver.last_call(held)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


def test_calls_held_at_the_head_do_not_block_the_queue(driver: StoreDriver) -> None:
    """However many wait for one number, another number's call behind them is found."""
    rings(driver)
    for n in range(120):
        driver.create(client=f"client {n}")
    driver.advance_time(0.001)
    free = driver.create(RAVI)
    assert [driver.seconds_until_due(), driver.seconds_until_due()] == [0, 0]
    assert driver.claim().verification_id == free.id


# How many at once ---------------------------------------------------------------------------------


def test_no_more_calls_are_live_than_allowed(driver: StoreDriver) -> None:
    """Claimed and placed ones count; the wait ends with the first of them."""
    numbers = [f"+91981234567{n}" for n in range(4)]
    for number in numbers:
        driver.create(number)
    store = driver.store
    first, second = store.claim(2), store.claim(2)
    assert not isinstance(first, int)
    assert not isinstance(second, int)
    driver.mark_sent(first)
    assert 19_000 < _wait(store.claim(2)) <= 20_000
    driver.mark_sent(second)
    assert 164_000 < _wait(store.claim(2)) <= 165_000
    driver.apply_callback(CallStatus.ANSWERED, call_id=first.call_id)
    assert not isinstance(store.claim(2), int)
    assert isinstance(store.claim(2), int)
    assert not isinstance(store.claim(3), int)


def _wait(claim: object) -> int:
    assert isinstance(claim, int)
    return claim


# Too late, or for nothing -------------------------------------------------------------------------


def test_in_the_last_moment_it_is_claimed(driver: StoreDriver) -> None:
    """The claim allows 15 s less than the queue: 45 of 300 s are left."""
    begun = driver.create()
    driver.advance_time(254)
    assert driver.claim().verification_id == begun.id


def test_after_the_last_moment_it_is_not(driver: StoreDriver) -> None:
    """It ends expired and never rings; its verification stays pending."""
    begun = driver.create(own_code=True)
    driver.advance_time(256)
    assert driver.seconds_until_due() == -1
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)
    assert call.sent_at is None
    assert call.ended_at
    assert driver.check(begun, CODE).outcome == "right"


def test_an_expired_verifications_call_is_not_claimed(driver: StoreDriver) -> None:
    """Though nobody swept."""
    begun = driver.create()
    driver.advance_time(301, dialer=None)
    assert driver.seconds_until_due() == -1
    assert driver.last_call(begun).reason is CallReason.ENDED_FIRST


def test_a_call_whose_record_is_gone_is_passed_over(driver: StoreDriver, redis: Redis) -> None:
    """Where the store was told to evict, the queue must not stand still."""
    lost = driver.create()
    driver.advance_time(0.001)
    begun = driver.create(RAVI)
    redis.delete(f"{Keys().prefix}call:{lost.calls[0].id}")
    assert driver.claim().verification_id == begun.id
    assert driver.get(lost).calls == ()
