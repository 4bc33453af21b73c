"""Refused creates: the reason, the retry time, and what ends with them."""

import pytest
from msgspec.structs import replace
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import EndReason, Status, Verification
from otpvoice.store.redis_store import RedisStore


def given(answer: StoreResult) -> Verification:
    """Return the verification of a result that has one."""
    assert answer.verification
    return answer.verification


def called_three_times(driver: StoreDriver) -> Verification:
    """Create a pending verification whose number has a gap of 300 s."""
    begun = driver.create()
    driver.dial_busy()
    for _ in range(2):
        driver.advance_time(60)
        driver.request_call(begun)
        driver.dial_busy()
    return begun


@pytest.mark.parametrize("reference", [None, "another"])
def test_gap_without_time_left_refuses_create(driver: StoreDriver, reference: str | None) -> None:
    """With the retry time; nothing ends."""
    old = called_three_times(driver)
    refused = driver.try_create(reference=reference)
    assert refused.outcome == "call_gap"
    assert 59_000 < refused.retry_after_ms <= 60_000
    assert driver.get(old).status is Status.PENDING
    driver.advance_time(refused.retry_after_ms / 1000)
    taken = driver.try_create(reference=reference)
    assert taken.outcome == "created"
    assert given(taken).calls[0].due_at == given(taken).gap_until


def test_gap_with_time_left_schedules_call(driver: StoreDriver) -> None:
    """A longer life has room for the call."""
    called_three_times(driver)
    taken = driver.try_create(reference="another", ttl=600)
    assert taken.outcome == "created"
    assert given(taken).calls[0].due_at == given(taken).gap_until


def test_create_without_dialer_is_refused(driver: StoreDriver, store: RedisStore) -> None:
    """No heartbeat for 30 s."""
    driver.advance_time(29, dialer=None)
    assert store.health().dialers == 1
    assert driver.try_create().outcome == "created"
    driver.advance_time(2, dialer=None)
    assert store.health().dialers == 0
    refused = driver.try_create(RAVI)
    assert (refused.outcome, refused.verification) == ("calls_unavailable", None)


def test_delayed_create_without_dialer_is_accepted(driver: StoreDriver) -> None:
    """A dialer may start until it is due."""
    driver.advance_time(31, dialer=None)
    assert driver.try_create(call_after=1).outcome == "created"


def test_create_without_dialer_returns_pending(driver: StoreDriver) -> None:
    """Nothing is added."""
    driver.create()
    driver.advance_time(31, dialer=None)
    assert driver.try_create().outcome == "existing"


def test_call_overdue_by_a_minute_refuses_creates(driver: StoreDriver) -> None:
    """Also delayed ones."""
    driver.create()
    driver.advance_time(59)
    assert driver.try_create("+919812345670").outcome == "created"
    driver.advance_time(2)
    for call_after in (0, 100):
        refused = driver.try_create(RAVI, call_after=call_after)
        assert (refused.outcome, refused.verification) == ("over_capacity", None)


def test_locked_call_is_not_overdue(driver: StoreDriver) -> None:
    """It waits for a live call, not for a dialer."""
    driver.create()
    driver.dial()
    driver.create(client="bank")
    driver.advance_time(60)
    driver.seconds_until_due()
    driver.advance_time(100)
    assert driver.try_create(RAVI).outcome == "created"


@pytest.mark.parametrize("why", ["call_gap", "calls_unavailable", "over_capacity"])
def test_refused_newer_code_ends_the_older_verification(driver: StoreDriver, why: str) -> None:
    """The older code is never spoken."""
    if why == "call_gap":
        old = called_three_times(driver)
    else:
        old = driver.create()
        driver.advance_time(61, dialer="dialer" if why == "over_capacity" else None)
    refused = driver.try_create(code="654321", own_code=True)
    assert refused.outcome == why
    assert given(refused).id == old.id
    ended = driver.get(old)
    assert (ended.status, ended.reason) == (Status.CANCELED, EndReason.SUPERSEDED)
    assert driver.check(old, CODE).outcome == "closed"
    assert driver.seconds_until_due() == -1


@pytest.mark.parametrize("why", ["calls_unavailable", "over_capacity"])
def test_refused_create_of_another_reference_ends_nothing(driver: StoreDriver, why: str) -> None:
    old = driver.create(reference="a")
    driver.advance_time(61, dialer="dialer" if why == "over_capacity" else None)
    assert driver.try_create(reference="b").outcome == why
    assert replace(driver.get(old), now=old.now) == old
