"""Create: begins a verification and queues its call, or finds the one that is under way."""

from collections.abc import Callable

import pytest
from store.driver import CODE, RAVI, StoreDriver
from support.service import BRIDGE

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import (
    CallStatus,
    EndReason,
    Route,
    Status,
    Verification,
)
from otpvoice.store.models import CallResult


def given(answer: StoreResult) -> Verification:
    """The verification of an answer that has one."""
    assert answer.verification
    return answer.verification


def test_a_new_one_is_pending_with_a_call_due_now(driver: StoreDriver) -> None:
    """Everything of the contract's object is there, and the call waits for a dialer."""
    answer = driver.try_create(reference="login-81", ttl=200)
    begun = given(answer)
    assert answer.outcome == "created"
    assert (begun.status, begun.reason, begun.ended_at) == (Status.PENDING, None, None)
    assert begun.created_at == begun.now
    assert begun.expires_at == begun.now + 200_000
    assert (begun.reference, begun.client) == ("login-81", "login")
    assert (begun.code_length, begun.checks_left) == (6, 5)
    [call] = begun.calls
    assert (call.status, call.due_at, call.route) == (CallStatus.QUEUED, begun.now, Route.OBD)
    assert (call.bridge, call.caller_id, call.locale) == (BRIDGE, f"+{BRIDGE}", "default")
    assert driver.claim().call_id == call.id


def test_a_delayed_call_is_due_later(driver: StoreDriver) -> None:
    """The SMS fallback: not before ``call_after`` has passed."""
    begun = driver.create(call_after=30)
    assert begun.calls[0].due_at == begun.now + 30_000
    assert driver.seconds_until_due() == 30
    driver.advance_time(30)
    assert driver.claim().verification_id == begun.id


# The same verification ---------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [None, "", "login-81"])
def test_the_same_reference_is_the_same_verification(
    driver: StoreDriver, reference: str | None
) -> None:
    """Asked again it is found, nothing is added; null equals null."""
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
    """Two login sessions: each has its own code, guesses and call, and neither sees the other."""
    one = driver.create(reference=first, code="111111", own_code=True)
    answer = driver.try_create(reference=second, code="222222", own_code=True)
    two = given(answer)
    assert (answer.outcome, two.id != one.id) == ("created", True)
    assert driver.check(one, "222222").outcome == "wrong"
    assert (driver.get(one).checks_left, driver.get(two).checks_left) == (4, 5)
    driver.cancel(two)
    assert driver.check(one, "111111").outcome == "right"


def test_create_with_another_reference_waits_its_turn(driver: StoreDriver) -> None:
    """One call is live for a number, and the gap holds over all its verifications."""
    one, two = driver.create(reference="a"), driver.create(reference="b")
    first = driver.dial()
    assert driver.seconds_until_due() == 60
    driver.advance_time(60)
    assert driver.seconds_until_due() == 105
    driver.apply_callback(CallStatus.NO_ANSWER, call_id=first.call_id)
    assert {first.verification_id, driver.claim().verification_id} == {one.id, two.id}


def test_create_again_with_either_reference_finds_its_own(driver: StoreDriver) -> None:
    """The pending one of the reference is found, whatever others are pending."""
    begun = {reference: driver.create(reference=reference).id for reference in ("a", "b", "c")}
    for reference, its_id in begun.items():
        answer = driver.try_create(reference=reference)
        assert (answer.outcome, given(answer).id) == ("existing", its_id)


def test_another_client_or_number_is_another_verification(driver: StoreDriver) -> None:
    """One pending verification per client and number, and each client has its own."""
    first = driver.create(reference="r")
    for answer in (
        driver.try_create(reference="r", client="bank"),
        driver.try_create(RAVI, reference="r"),
    ):
        assert answer.outcome == "created"
    assert driver.get(first).status is Status.PENDING


def test_an_equal_code_of_the_callers_own_is_the_same(driver: StoreDriver) -> None:
    """The SMS service repeats itself: the same code is the same verification."""
    begun = given(driver.try_create(own_code=True))
    again = driver.try_create(own_code=True)
    assert again.outcome == "existing"
    assert given(again).id == begun.id


def test_an_absent_code_is_the_same(driver: StoreDriver) -> None:
    """Whose code it was does not matter when none is given."""
    begun = given(driver.try_create(own_code=True))
    assert given(driver.try_create(code="777777")).id == begun.id


@pytest.mark.parametrize("first_is_own", [True, False])
def test_another_code_of_the_callers_own_supersedes(
    driver: StoreDriver, first_is_own: bool
) -> None:
    """The newest SMS code always wins."""
    old = given(driver.try_create(own_code=first_is_own))
    new = driver.try_create(code="654321", own_code=True)
    assert new.outcome == "created"
    assert driver.get(old).reason is EndReason.SUPERSEDED
    assert driver.check(given(new), "654321").outcome == "right"
    assert driver.check(old, CODE).outcome == "closed"


@pytest.mark.parametrize("end", ["approved", "canceled", "expired"])
def test_an_ended_one_is_not_found_again(driver: StoreDriver, end: str) -> None:
    """The next create begins a new one."""
    old = driver.create(own_code=True)
    ends: dict[str, Callable[[], object]] = {
        "approved": lambda: driver.check(old, CODE),
        "canceled": lambda: driver.cancel(old),
        "expired": lambda: driver.advance_time(300),
    }
    ends[end]()
    assert driver.create().id != old.id


def test_an_expired_one_that_nobody_swept_is_not_found_again(driver: StoreDriver) -> None:
    """Stored times decide, not the sweep."""
    old = driver.create()
    driver.advance_time(300, dialer=None)
    driver.sweep("another")  # only so that a dialer is heard of
    assert driver.create().id != old.id


# It makes sure that a call comes ------------------------------------------------------------------


def test_nothing_is_added_while_a_call_is_under_way(driver: StoreDriver) -> None:
    """Queued, dialing, placed or unknown and live: the answer is the verification as it is."""
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


def test_a_delayed_call_is_not_brought_forward(driver: StoreDriver) -> None:
    """A repeated create of an SMS fallback leaves the moment of its call."""
    begun = driver.create(call_after=60)
    again = given(driver.try_create(call_after=0))
    assert again.calls == begun.calls


def test_after_a_call_another_is_queued_at_the_end_of_the_gap(driver: StoreDriver) -> None:
    """The gap schedules, it does not refuse; the route of this create is the call's."""
    driver.create()
    driver.dial_busy()
    again = driver.try_create(route=Route.C2C)
    first, second = given(again).calls
    assert again.outcome == "existing"
    assert first.sent_at
    assert second.due_at == first.sent_at + 60_000 == given(again).gap_until
    assert second.route is Route.C2C
    assert driver.seconds_until_due() == 60


def test_delay_and_gap_run_side_by_side(driver: StoreDriver) -> None:
    """The call is due at the later of the two."""
    driver.create()
    driver.dial_busy()
    again = given(driver.try_create(call_after=90))
    assert again.calls[-1].due_at == again.now + 90_000
    assert len(given(driver.try_create()).calls) == 2


def test_in_time_for_the_pending_one_it_is_kept(driver: StoreDriver) -> None:
    """As long as a call could be queued for the old code, it stays."""
    old = driver.create()
    driver.dial_busy()
    driver.advance_time(238)
    again = driver.try_create()
    assert (again.outcome, given(again).id) == ("existing", old.id)
    assert given(again).calls[-1].status is CallStatus.QUEUED


def test_too_late_for_the_pending_one_a_new_one_begins(driver: StoreDriver) -> None:
    """When no call could come in time for the old code, a new code is spoken instead."""
    old = driver.create()
    driver.dial_busy()
    driver.advance_time(241)
    assert driver.try_create().outcome == "created"
    assert driver.get(old).reason is EndReason.SUPERSEDED
