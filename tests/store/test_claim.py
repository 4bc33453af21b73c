"""Claim: one dialer gets the next due call, if it may be dialed now."""

import pytest
from redis import Redis
from store.driver import RAVI, RING, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.keys import decrypt_number, decrypt_speech
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store import Keys
from otpvoice.store.models import Claim

OTHER_BRIDGE = "918068280001"
NO_GAPS = (0,)


def test_calls_are_claimed_in_the_order_they_are_due(driver: StoreDriver) -> None:
    """In whatever order they were requested."""
    delays = [40, 0, 30, 10, 20]
    begun = {
        delay: driver.create(f"+91981234560{delay // 10}", call_after=delay) for delay in delays
    }
    driver.advance_time(41)
    claimed = [driver.claim().verification_id for _ in delays]
    assert claimed == [begun[delay].id for delay in sorted(delays)]


def test_claim_of_empty_queue_returns_minus_one(driver: StoreDriver) -> None:
    assert driver.seconds_until_due() == -1


def test_claim_has_everything_for_dialing(driver: StoreDriver) -> None:
    """Secrets are encrypted for the key ring."""
    begun = driver.try_create(route="c2c", locale="hi", name="आशा").verification
    assert begun
    claim = driver.claim()
    assert (claim.call_id, claim.verification_id) == (begun.calls[0].id, begun.id)
    assert (claim.client, claim.route, claim.locale) == ("login", "c2c", "hi")
    assert (claim.tried_routes, claim.requests) == ((), 0)
    assert decrypt_speech(RING, begun.id, claim.encrypted_speech) == (CODE, "आशा")
    assert decrypt_number(RING, begun.id, claim.encrypted_number) == "+919876543210"
    assert driver.last_call(begun).status is CallStatus.DIALING


def test_claims_have_distinct_holders(driver: StoreDriver) -> None:
    """Also two claims of one call by one dialer."""
    driver.create()
    holders = set()
    for _ in range(3):
        holders.add(driver.claim().holder)
        assert driver.seconds_until_due() == -1
        driver.advance_time(21)
    assert len(holders) == 3


# The gap ------------------------------------------------------------------------------------------


def test_gap_postpones_queued_call(driver: StoreDriver) -> None:
    """The claim returns the time to wait."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(first)
    assert driver.seconds_until_due() == 60
    call = driver.last_call(held)
    assert (call.status, call.due_at) == (CallStatus.QUEUED, driver.get(held).gap_until)
    driver.apply_callback(CallStatus.BUSY, call_id=first.call_id)
    driver.advance_time(60)
    assert driver.claim().call_id == call.id


def test_postponed_call_has_new_version(driver: StoreDriver) -> None:
    """Clients that poll by ``version`` see every change."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(first)
    driver.seconds_until_due()
    moved = driver.get(held)
    assert moved.calls[0].due_at > held.calls[0].due_at
    assert moved.version > held.version


def test_expired_call_keeps_its_due_time(driver: StoreDriver) -> None:
    """Not the end of a gap that it never reached."""
    driver.create()
    driver.advance_time(0.001)  # calls are claimed in the order in which they are due
    late = driver.create(client="bank")
    driver.advance_time(240)
    driver.mark_sent(driver.claim())
    driver.advance_time(20)
    driver.seconds_until_due()
    (call,) = driver.get(late).calls
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)
    assert call.due_at == late.calls[0].due_at


def test_gap_that_ends_too_late_expires_the_call(driver: StoreDriver) -> None:
    """The code would be useless by then."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(first, gaps=(256,))
    assert driver.seconds_until_due() == -1
    call = driver.last_call(held)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


# One live call per bridge and number --------------------------------------------------------------


def rings(driver: StoreDriver) -> Claim:
    """Place a call that locks its number and leaves no gap."""
    driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim, NO_GAPS)
    return claim


def test_live_call_locks_its_number(driver: StoreDriver) -> None:
    """Another client's call waits until the first can no longer be live."""
    rings(driver)
    held = driver.create(client="bank")
    assert driver.seconds_until_due() == 165
    driver.advance_time(164)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    assert driver.claim().call_id == held.calls[0].id


@pytest.mark.parametrize("ends", list(CallStatus)[4:8])
def test_released_lock_brings_waiting_call_forward(driver: StoreDriver, ends: CallStatus) -> None:
    first = rings(driver)
    held = driver.create(client="bank")
    assert driver.seconds_until_due() == 165
    driver.apply_callback(ends, call_id=first.call_id)
    assert driver.claim().call_id == held.calls[0].id


def test_claim_locks_the_number_for_its_lease(driver: StoreDriver) -> None:
    """Then the next call is claimed, and the first can no longer be sent."""
    driver.create()
    first = driver.claim()
    held = driver.create(client="bank")
    assert driver.seconds_until_due() == 20
    driver.advance_time(20, dialer=None)
    second = driver.claim()
    assert second.call_id == held.calls[0].id
    assert not driver.mark_sent(first)
    assert driver.mark_sent(second)


def test_unknown_call_locks_its_number(driver: StoreDriver) -> None:
    """It may be ringing."""
    rings(driver)
    driver.create(client="bank")
    driver.advance_time(21)
    assert driver.seconds_until_due() == 165 - 21


def test_lock_holds_for_all_lines_of_its_number_only(driver: StoreDriver) -> None:
    """Two companies must not ring one phone at once."""
    first = rings(driver)
    held = driver.create(client="bank", bridge=OTHER_BRIDGE)
    other = driver.create(RAVI)
    assert driver.claim().verification_id == other.id
    assert driver.seconds_until_due() > 0
    driver.apply_callback(CallStatus.BUSY, call_id=first.call_id)
    assert driver.claim().verification_id == held.id


def test_lock_of_the_release_before_is_honored(driver: StoreDriver) -> None:
    """It knows only the call of a caller line and number."""
    first = rings(driver)
    driver.drop_number_lock()
    driver.create(client="bank")
    assert driver.seconds_until_due() > 0
    driver.apply_callback(CallStatus.BUSY, call_id=first.call_id)
    assert driver.claim().client == "bank"


def test_locked_call_waits_until_its_last_moment(driver: StoreDriver) -> None:
    """The lock is longer than its life, but may end early."""
    first = rings(driver)
    held = driver.create(client="bank", ttl=60)
    assert driver.seconds_until_due() in {45, 46}  # the millisecond after it
    driver.advance_time(44)
    driver.apply_callback(CallStatus.BUSY, call_id=first.call_id)
    assert driver.claim().call_id == held.calls[0].id


def test_locked_call_expires_after_its_last_moment(driver: StoreDriver) -> None:
    """The lock did not end in time."""
    rings(driver)
    held = driver.create(client="bank", ttl=60)
    driver.seconds_until_due()
    driver.advance_time(46)
    assert driver.seconds_until_due() == -1
    call = driver.last_call(held)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


def test_locked_calls_do_not_block_the_queue(driver: StoreDriver) -> None:
    """A call to another number behind them is found."""
    rings(driver)
    for n in range(120):
        driver.create(client=f"client {n}")
    driver.advance_time(0.001)
    free = driver.create(RAVI)
    assert [driver.seconds_until_due(), driver.seconds_until_due()] == [0, 0]
    assert driver.claim().verification_id == free.id


# How many at once ---------------------------------------------------------------------------------


def test_live_calls_are_bounded(driver: StoreDriver) -> None:
    """Claimed and placed calls count; the wait ends with the first."""
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


def test_call_at_its_last_moment_is_claimed(driver: StoreDriver) -> None:
    """45 of 300 s are left: 15 s less than queueing requires."""
    begun = driver.create()
    driver.advance_time(254)
    assert driver.claim().verification_id == begun.id


def test_call_after_its_last_moment_expires(driver: StoreDriver) -> None:
    """Its verification stays pending."""
    begun = driver.create(own_code=True)
    driver.advance_time(256)
    assert driver.seconds_until_due() == -1
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)
    assert call.sent_at is None
    assert call.ended_at
    assert driver.check(begun, CODE).outcome == "right"


def test_call_of_expired_verification_is_not_claimed(driver: StoreDriver) -> None:
    """Without a sweep."""
    begun = driver.create()
    driver.advance_time(301, dialer=None)
    assert driver.seconds_until_due() == -1
    assert driver.last_call(begun).reason is CallReason.ENDED_FIRST


def test_call_without_record_is_skipped(driver: StoreDriver, redis: Redis) -> None:
    """After an eviction the queue continues."""
    lost = driver.create()
    driver.advance_time(0.001)
    begun = driver.create(RAVI)
    redis.delete(f"{Keys().prefix}call:{lost.calls[0].id}")
    assert driver.claim().verification_id == begun.id
    assert driver.get(lost).calls == ()
