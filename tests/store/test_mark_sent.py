"""Mark: the last word before a call is sent, and from when on the number is left alone."""

from dataclasses import replace

from store.driver import StoreDriver

from otpvoice.core.verification import CallStatus, Verification

DAY = 86_400


def test_a_claimed_call_is_marked_once(driver: StoreDriver) -> None:
    """From then on it may ring, so that nobody may send it again."""
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim)
    assert not driver.mark_sent(claim)
    call = driver.last_call(begun)
    assert call.status is CallStatus.DIALING
    assert call.sent_at
    assert call.live_until == call.sent_at + 165_000


def test_before_the_end_of_its_lease_it_is_marked(driver: StoreDriver) -> None:
    """One second is enough."""
    driver.create()
    claim = driver.claim()
    driver.advance_time(19, dialer=None)
    assert driver.mark_sent(claim)


def test_after_its_lease_it_is_lost(driver: StoreDriver) -> None:
    """Though nobody gave it back to the queue yet."""
    begun = driver.create()
    claim = driver.claim()
    driver.advance_time(20, dialer=None)
    assert not driver.mark_sent(claim)
    assert driver.last_call(begun).sent_at is None


def test_another_holder_is_refused(driver: StoreDriver) -> None:
    """Also the holder of an earlier claim of the same call."""
    driver.create()
    first = driver.claim()
    driver.advance_time(21)
    second = driver.claim()
    assert second.call_id == first.call_id
    assert not driver.mark_sent(first)
    assert not driver.mark_sent(replace(second, holder="somebody"))
    assert driver.mark_sent(second)


def test_a_call_that_is_gone_is_lost(driver: StoreDriver) -> None:
    """There is nothing to send."""
    driver.create()
    assert not driver.mark_sent(replace(driver.claim(), call_id="call_none"))


def test_nothing_is_sent_for_an_ended_verification(driver: StoreDriver) -> None:
    """Canceled between claim and mark, or over by then."""
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


# Gaps --------------------------------------------------------------------------------------------


def gap_after_call(driver: StoreDriver, begun: Verification) -> int:
    """Sends the due call, to a busy phone: the seconds until the next may be."""
    driver.dial_busy()
    seen = driver.get(begun)
    sent_at = seen.calls[-1].sent_at
    assert sent_at
    return (seen.gap_until - sent_at) // 1000


def test_gaps_grow_with_the_calls(driver: StoreDriver) -> None:
    """After the first, the second, and every later call to a number, over all verifications."""
    gaps = []
    for _ in range(5):
        begun = driver.create(ttl=600)
        gaps.append(gap_after_call(driver, begun))
        driver.cancel(begun)
        driver.advance_time(gaps[-1])
    assert gaps == [60, 60, 300, 300, 300]


def test_an_approval_starts_over(driver: StoreDriver) -> None:
    """Calls count since the last one."""
    begun = driver.create(ttl=600)
    driver.dial_busy()
    driver.advance_time(60)
    driver.request_call(begun)
    driver.dial_busy()
    driver.approve(begun)
    assert gap_after_call(driver, driver.create()) == 60


def test_a_day_starts_over(driver: StoreDriver) -> None:
    """What was sent more than 24 h ago does not count; what was sent less ago does."""
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
