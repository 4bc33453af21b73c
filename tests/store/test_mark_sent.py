"""Mark: the last step before a call is sent, and the start of the call gap."""

from msgspec.structs import replace
from store.driver import StoreDriver

from otpvoice.core.verification import CallStatus, Verification

DAY = 86_400


def test_second_mark_is_lost(driver: StoreDriver) -> None:
    """The call may ring already."""
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim)
    assert not driver.mark_sent(claim)
    call = driver.last_call(begun)
    assert call.status is CallStatus.DIALING
    assert call.sent_at
    assert call.live_until == call.sent_at + 165_000


def test_mark_one_second_before_the_lease_ends(driver: StoreDriver) -> None:
    driver.create()
    claim = driver.claim()
    driver.advance_time(19, dialer=None)
    assert driver.mark_sent(claim)


def test_mark_after_the_lease_is_lost(driver: StoreDriver) -> None:
    """Although no sweep has requeued the call."""
    begun = driver.create()
    claim = driver.claim()
    driver.advance_time(20, dialer=None)
    assert not driver.mark_sent(claim)
    assert driver.last_call(begun).sent_at is None


def test_mark_by_another_holder_is_lost(driver: StoreDriver) -> None:
    """Also by the holder of an earlier claim."""
    driver.create()
    first = driver.claim()
    driver.advance_time(21)
    second = driver.claim()
    assert second.call_id == first.call_id
    assert not driver.mark_sent(first)
    assert not driver.mark_sent(replace(second, holder="another"))
    assert driver.mark_sent(second)


def test_mark_of_missing_call_is_lost(driver: StoreDriver) -> None:
    driver.create()
    assert not driver.mark_sent(replace(driver.claim(), call_id="call_none"))


def test_mark_for_ended_verification_is_lost(driver: StoreDriver) -> None:
    """Canceled or expired since the claim."""
    canceled = driver.create()
    claim = driver.claim()
    driver.cancel(canceled)
    assert not driver.mark_sent(claim)
    assert driver.last_call(canceled).status is CallStatus.CANCELED

    over = driver.create(ttl=60)
    driver.advance_time(44)
    claim = driver.claim()
    driver.advance_time(16, dialer=None)
    assert not driver.mark_sent(claim)
    assert driver.last_call(over).status is CallStatus.EXPIRED


# Gaps ---------------------------------------------------------------------------------------------


def gap_after_call(driver: StoreDriver, begun: Verification) -> int:
    """Send the due call to a busy phone and return the gap in seconds."""
    driver.dial_busy()
    seen = driver.get(begun)
    sent_at = seen.calls[-1].sent_at
    assert sent_at
    return (seen.gap_until - sent_at) // 1000


def test_gap_grows_with_the_calls_to_a_number(driver: StoreDriver) -> None:
    """Over all its verifications."""
    gaps = []
    for _ in range(5):
        begun = driver.create(ttl=600)
        gaps.append(gap_after_call(driver, begun))
        driver.cancel(begun)
        driver.advance_time(gaps[-1])
    assert gaps == [60, 60, 300, 300, 300]


def test_approval_starts_the_gaps_over(driver: StoreDriver) -> None:
    begun = driver.create(ttl=600)
    driver.dial_busy()
    driver.advance_time(60)
    driver.request_call(begun)
    driver.dial_busy()
    driver.approve(begun)
    assert gap_after_call(driver, driver.create()) == 60


def test_gaps_start_over_after_24_hours(driver: StoreDriver) -> None:
    for _ in range(2):
        begun = driver.create()
        driver.dial_busy()
        driver.advance_time(60)
        driver.cancel(begun)
    driver.advance_time(DAY - 100)
    begun = driver.create()
    assert gap_after_call(driver, begun) == 300
    driver.cancel(begun)
    driver.advance_time(DAY + 1)
    assert gap_after_call(driver, driver.create()) == 60
