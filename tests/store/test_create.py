"""Create: starts a verification and queues its call, or returns the pending one."""

from collections.abc import Callable

import pytest
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE
from support.service import BRIDGE

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import (
    CallStatus,
    EndReason,
    Status,
    Verification,
)
from otpvoice.store.models import CallResult


def given(answer: StoreResult) -> Verification:
    """Return the verification of a result that has one."""
    assert answer.verification
    return answer.verification


def test_create_returns_pending_verification_with_due_call(driver: StoreDriver) -> None:
    """With every field of the contract."""
    answer = driver.try_create(reference="login-81", ttl=200)
    begun = given(answer)
    assert answer.outcome == "created"
    assert (begun.status, begun.reason, begun.ended_at) == (Status.PENDING, None, None)
    assert begun.created_at == begun.now
    assert begun.expires_at == begun.now + 200_000
    assert (begun.reference, begun.client) == ("login-81", "login")
    assert (begun.code_length, begun.checks_left) == (6, 5)
    [call] = begun.calls
    assert (call.status, call.due_at, call.route) == (CallStatus.QUEUED, begun.now, "obd")
    assert (call.bridge, call.caller_id, call.locale) == (BRIDGE, f"+{BRIDGE}", "default")
    assert driver.claim().call_id == call.id


def test_create_with_call_after_delays_call(driver: StoreDriver) -> None:
    """The SMS fallback."""
    begun = driver.create(call_after=30)
    assert begun.calls[0].due_at == begun.now + 30_000
    assert driver.seconds_until_due() == 30
    driver.advance_time(30)
    assert driver.claim().verification_id == begun.id


# The same verification ----------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [None, "", "login-81"])
def test_create_with_same_reference_returns_pending(
    driver: StoreDriver, reference: str | None
) -> None:
    """No reference equals no reference."""
    begun = driver.create(reference=reference)
    again = driver.try_create(reference=reference, code="999999")
    assert again.outcome == "existing"
    assert given(again).id == begun.id
    assert given(again).calls == begun.calls


@pytest.mark.parametrize(
    ("first", "second"), [(None, "b"), ("a", None), ("a", "b"), (None, ""), ("", None)]
)
def test_create_with_another_reference_leaves_the_first_pending(
    driver: StoreDriver, first: str | None, second: str | None
) -> None:
    """Each login session has its own code, checks and call."""
    one = driver.create(reference=first, code="111111", own_code=True)
    answer = driver.try_create(reference=second, code="222222", own_code=True)
    two = given(answer)
    assert (answer.outcome, two.id != one.id) == ("created", True)
    assert driver.check(one, "222222").outcome == "wrong"
    assert (driver.get(one).checks_left, driver.get(two).checks_left) == (4, 5)
    driver.cancel(two)
    assert driver.check(one, "111111").outcome == "right"


def test_call_of_another_reference_waits(driver: StoreDriver) -> None:
    """One live call for a number, and one gap for all its verifications."""
    one, two = driver.create(reference="a"), driver.create(reference="b")
    first = driver.dial()
    assert driver.seconds_until_due() == 60
    driver.advance_time(60)
    assert driver.seconds_until_due() == 105
    driver.apply_callback(CallStatus.NO_ANSWER, call_id=first.call_id)
    assert {first.verification_id, driver.claim().verification_id} == {one.id, two.id}


def test_create_again_with_either_reference_finds_its_own(driver: StoreDriver) -> None:
    """Whatever others are pending."""
    begun = {reference: driver.create(reference=reference).id for reference in ("a", "b", "c")}
    for reference, its_id in begun.items():
        answer = driver.try_create(reference=reference)
        assert (answer.outcome, given(answer).id) == ("existing", its_id)


def test_create_of_another_client_or_number_starts_another(driver: StoreDriver) -> None:
    first = driver.create(reference="r")
    for answer in (
        driver.try_create(reference="r", client="bank"),
        driver.try_create(RAVI, reference="r"),
    ):
        assert answer.outcome == "created"
    assert driver.get(first).status is Status.PENDING


def test_create_with_equal_own_code_returns_pending(driver: StoreDriver) -> None:
    """The SMS service repeats itself."""
    begun = given(driver.try_create(own_code=True))
    again = driver.try_create(own_code=True)
    assert again.outcome == "existing"
    assert given(again).id == begun.id


def test_create_without_code_returns_pending(driver: StoreDriver) -> None:
    """Whether its code was own or generated."""
    begun = given(driver.try_create(own_code=True))
    assert given(driver.try_create(code="777777")).id == begun.id


@pytest.mark.parametrize("first_is_own", [True, False])
def test_create_with_another_own_code_supersedes(driver: StoreDriver, first_is_own: bool) -> None:
    """The newest SMS code wins."""
    old = given(driver.try_create(own_code=first_is_own))
    new = driver.try_create(code="654321", own_code=True)
    assert new.outcome == "created"
    assert driver.get(old).reason is EndReason.SUPERSEDED
    assert driver.check(given(new), "654321").outcome == "right"
    assert driver.check(old, CODE).outcome == "closed"


@pytest.mark.parametrize("end", ["approved", "canceled", "expired"])
def test_create_after_end_starts_another(driver: StoreDriver, end: str) -> None:
    old = driver.create(own_code=True)
    ends: dict[str, Callable[[], object]] = {
        "approved": lambda: driver.check(old, CODE),
        "canceled": lambda: driver.cancel(old),
        "expired": lambda: driver.advance_time(300),
    }
    ends[end]()
    assert driver.create().id != old.id


def test_create_after_expiry_starts_another(driver: StoreDriver) -> None:
    """Without a sweep."""
    old = driver.create()
    driver.advance_time(300, dialer=None)
    driver.sweep("another")  # so that a dialer runs
    assert driver.create().id != old.id


# It makes sure that a call comes ------------------------------------------------------------------


def test_create_adds_no_call_while_one_is_active(driver: StoreDriver) -> None:
    """Queued, dialing, placed, or unknown and live."""
    begun = driver.create()
    claim = driver.claim()
    assert len(given(driver.try_create()).calls) == 1
    driver.mark_sent(claim)
    assert len(given(driver.try_create()).calls) == 1
    driver.store.record_result(claim, CallResult(CallStatus.UNKNOWN))
    assert len(given(driver.try_create()).calls) == 1
    driver.advance_time(164)
    assert len(given(driver.try_create()).calls) == 1
    driver.advance_time(2)
    assert [call.status for call in given(driver.try_create()).calls] == [
        CallStatus.UNKNOWN,
        CallStatus.QUEUED,
    ]
    assert driver.get(begun).status is Status.PENDING


def test_repeated_create_keeps_the_delay(driver: StoreDriver) -> None:
    begun = driver.create(call_after=60)
    again = given(driver.try_create(call_after=0))
    assert again.calls == begun.calls


def test_create_after_a_call_queues_another_at_the_end_of_the_gap(driver: StoreDriver) -> None:
    """By the requested route."""
    driver.create()
    driver.dial_busy()
    again = driver.try_create(route="c2c")
    first, second = given(again).calls
    assert again.outcome == "existing"
    assert first.sent_at
    assert second.due_at == first.sent_at + 60_000 == given(again).gap_until
    assert second.route == "c2c"
    assert driver.seconds_until_due() == 60


def test_create_uses_the_later_of_delay_and_gap(driver: StoreDriver) -> None:
    driver.create()
    driver.dial_busy()
    again = given(driver.try_create(call_after=90))
    assert again.calls[-1].due_at == again.now + 90_000
    assert len(given(driver.try_create()).calls) == 2


def test_create_in_time_keeps_pending_verification(driver: StoreDriver) -> None:
    """A call can be queued for its code."""
    old = driver.create()
    driver.dial_busy()
    driver.advance_time(238)
    again = driver.try_create()
    assert (again.outcome, given(again).id) == ("existing", old.id)
    assert given(again).calls[-1].status is CallStatus.QUEUED


def test_create_too_late_for_pending_starts_another(driver: StoreDriver) -> None:
    """With a new code."""
    old = driver.create()
    driver.dial_busy()
    driver.advance_time(241)
    assert driver.try_create().outcome == "created"
    assert driver.get(old).reason is EndReason.SUPERSEDED
