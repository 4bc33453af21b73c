"""Create, refused: what holds, until when, and that only a stale code ends with it."""

import pytest
from msgspec.structs import replace
from store.driver import CODE, RAVI, StoreDriver

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import EndReason, Status, Verification
from otpvoice.store.redis_store import RedisStore


def given(answer: StoreResult) -> Verification:
    """The verification of an answer that has one."""
    assert answer.verification
    return answer.verification


def called_three_times(driver: StoreDriver) -> Verification:
    """A pending verification whose number was called three times: the gap is 300 s now."""
    begun = driver.create()
    driver.dial_busy()
    for _ in range(2):
        driver.advance_time(60)
        driver.request_call(begun)
        driver.dial_busy()
    return begun


@pytest.mark.parametrize("reference", [None, "another"])
def test_a_gap_that_leaves_no_time_refuses_and_ends_nothing(
    driver: StoreDriver, reference: str | None
) -> None:
    """Neither the old nor a new verification could be called in time; until when is told."""
    old = called_three_times(driver)
    refused = driver.try_create(reference=reference)
    assert refused.outcome == "call_gap"
    assert 59_000 < refused.retry_after_ms <= 60_000
    assert driver.get(old).status is Status.PENDING
    driver.advance_time(refused.retry_after_ms / 1000)
    taken = driver.try_create(reference=reference)
    assert taken.outcome == "created"
    assert given(taken).calls[0].due_at == given(taken).gap_until


def test_a_gap_that_leaves_time_schedules(driver: StoreDriver) -> None:
    """A longer life has room for the call: nothing is refused."""
    called_three_times(driver)
    taken = driver.try_create(reference="another", ttl=600)
    assert taken.outcome == "created"
    assert given(taken).calls[0].due_at == given(taken).gap_until


def test_without_a_dialer_nothing_is_begun(driver: StoreDriver, store: RedisStore) -> None:
    """None was heard of for 30 s: nobody would place the call."""
    driver.advance_time(29, dialer=None)
    assert store.health().dialers == 1
    assert driver.try_create().outcome == "created"
    driver.advance_time(2, dialer=None)
    assert store.health().dialers == 0
    refused = driver.try_create(RAVI)
    assert (refused.outcome, refused.verification) == ("calls_unavailable", None)


def test_without_a_dialer_a_delayed_call_is_taken(driver: StoreDriver) -> None:
    """One may come back until it is due."""
    driver.advance_time(31, dialer=None)
    assert driver.try_create(call_after=1).outcome == "created"


def test_without_a_dialer_a_call_under_way_is_still_found(driver: StoreDriver) -> None:
    """Nothing is to be added, so nothing is refused."""
    driver.create()
    driver.advance_time(31, dialer=None)
    assert driver.try_create().outcome == "existing"


def test_a_call_that_waits_a_minute_says_that_there_are_too_many(driver: StoreDriver) -> None:
    """Due and not dialed for more than 60 s: no further one is taken, not even a delayed one."""
    driver.create()
    driver.advance_time(59)
    assert driver.try_create("+919812345670").outcome == "created"
    driver.advance_time(2)
    for call_after in (0, 100):
        refused = driver.try_create(RAVI, call_after=call_after)
        assert (refused.outcome, refused.verification) == ("over_capacity", None)


def test_held_calls_do_not_count_as_waiting(driver: StoreDriver) -> None:
    """A call that its number's live call holds waits for that one, not for a dialer."""
    driver.create()
    driver.dial()
    driver.create(client="bank")
    driver.advance_time(60)
    driver.seconds_until_due()
    driver.advance_time(100)
    assert driver.try_create(RAVI).outcome == "created"


@pytest.mark.parametrize("why", ["call_gap", "calls_unavailable", "over_capacity"])
def test_a_stale_code_ends_even_if_the_new_one_is_refused(driver: StoreDriver, why: str) -> None:
    """Another code of the caller's own: the old one is never spoken, whatever comes of the new."""
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
def test_other_refusals_end_nothing(driver: StoreDriver, why: str) -> None:
    """Another session's create that is refused leaves the pending one as it was."""
    old = driver.create(reference="a")
    driver.advance_time(61, dialer="dialer" if why == "over_capacity" else None)
    assert driver.try_create(reference="b").outcome == why
    assert replace(driver.get(old), now=old.now) == old
