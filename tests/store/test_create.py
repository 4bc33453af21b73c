"""Create: begins a verification and queues its call, or finds the one that is under way."""

from collections.abc import Callable

import pytest
from store.exchange import CODE, RAVI, Exchange
from world import BRIDGE

from otpvoice.core.verification import (
    CallStatus,
    EndReason,
    Route,
    Status,
    Verification,
)
from otpvoice.store.decoding import Answer
from otpvoice.store.models import CallResult


def given(answer: Answer) -> Verification:
    """The verification of an answer that has one."""
    assert answer.verification
    return answer.verification


def test_a_new_one_is_pending_with_a_call_due_now(exchange: Exchange) -> None:
    """Everything of the contract's object is there, and the call waits for a dialer."""
    answer = exchange.asks(reference="login-81", ttl=200)
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
    assert exchange.claims().call_id == call.id


def test_a_delayed_call_is_due_later(exchange: Exchange) -> None:
    """The SMS fallback: not before ``call_after`` has passed."""
    begun = exchange.begins(call_after=30)
    assert begun.calls[0].due_at == begun.now + 30_000
    assert exchange.finds_nothing() == 30
    exchange.passes(30)
    assert exchange.claims().verification_id == begun.id


# The same verification ---------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [None, "", "login-81"])
def test_the_same_reference_is_the_same_verification(
    exchange: Exchange, reference: str | None
) -> None:
    """Asked again it is found, nothing is added; null equals null."""
    begun = exchange.begins(reference=reference)
    again = exchange.asks(reference=reference, code="999999")
    assert again.outcome == "existing"
    assert given(again).id == begun.id
    assert given(again).calls == begun.calls


@pytest.mark.parametrize(
    ("first", "second"), [(None, "b"), ("a", None), ("a", "b"), (None, ""), ("", None)]
)
def test_create_with_another_reference_leaves_the_first_pending(
    exchange: Exchange, first: str | None, second: str | None
) -> None:
    """Two login sessions: each has its own code, guesses and call, and neither sees the other."""
    one = exchange.begins(reference=first, code="111111", own_code=True)
    answer = exchange.asks(reference=second, code="222222", own_code=True)
    two = given(answer)
    assert (answer.outcome, two.id != one.id) == ("created", True)
    assert exchange.checks(one, "222222").outcome == "wrong"
    assert (exchange.looks(one).checks_left, exchange.looks(two).checks_left) == (4, 5)
    exchange.cancels(two)
    assert exchange.checks(one, "111111").outcome == "right"


def test_create_with_another_reference_waits_its_turn(exchange: Exchange) -> None:
    """One call is live for a number, and the gap holds over all its verifications."""
    one, two = exchange.begins(reference="a"), exchange.begins(reference="b")
    first = exchange.dials()
    assert exchange.finds_nothing() == 60
    exchange.passes(60)
    assert exchange.finds_nothing() == 105
    exchange.hears(CallStatus.NO_ANSWER, call_id=first.call_id)
    assert {first.verification_id, exchange.claims().verification_id} == {one.id, two.id}


def test_create_again_with_either_reference_finds_its_own(exchange: Exchange) -> None:
    """The pending one of the reference is found, whatever others are pending."""
    begun = {reference: exchange.begins(reference=reference).id for reference in ("a", "b", "c")}
    for reference, its_id in begun.items():
        answer = exchange.asks(reference=reference)
        assert (answer.outcome, given(answer).id) == ("existing", its_id)


def test_another_client_or_number_is_another_verification(exchange: Exchange) -> None:
    """One pending verification per client and number, and each client has its own."""
    first = exchange.begins(reference="r")
    for answer in (exchange.asks(reference="r", client="bank"), exchange.asks(RAVI, reference="r")):
        assert answer.outcome == "created"
    assert exchange.looks(first).status is Status.PENDING


def test_an_equal_code_of_the_callers_own_is_the_same(exchange: Exchange) -> None:
    """The SMS service repeats itself: the same code is the same verification."""
    begun = given(exchange.asks(own_code=True))
    again = exchange.asks(own_code=True)
    assert again.outcome == "existing"
    assert given(again).id == begun.id


def test_an_absent_code_is_the_same(exchange: Exchange) -> None:
    """Whose code it was does not matter when none is given."""
    begun = given(exchange.asks(own_code=True))
    assert given(exchange.asks(code="777777")).id == begun.id


@pytest.mark.parametrize("first_is_own", [True, False])
def test_another_code_of_the_callers_own_supersedes(exchange: Exchange, first_is_own: bool) -> None:
    """The newest SMS code always wins."""
    old = given(exchange.asks(own_code=first_is_own))
    new = exchange.asks(code="654321", own_code=True)
    assert new.outcome == "created"
    assert exchange.looks(old).reason is EndReason.SUPERSEDED
    assert exchange.checks(given(new), "654321").outcome == "right"
    assert exchange.checks(old, CODE).outcome == "closed"


@pytest.mark.parametrize("end", ["approved", "canceled", "expired"])
def test_an_ended_one_is_not_found_again(exchange: Exchange, end: str) -> None:
    """The next create begins a new one."""
    old = exchange.begins(own_code=True)
    ends: dict[str, Callable[[], object]] = {
        "approved": lambda: exchange.checks(old, CODE),
        "canceled": lambda: exchange.cancels(old),
        "expired": lambda: exchange.passes(300),
    }
    ends[end]()
    assert exchange.begins().id != old.id


def test_an_expired_one_that_nobody_swept_is_not_found_again(exchange: Exchange) -> None:
    """Stored times decide, not the sweep."""
    old = exchange.begins()
    exchange.passes(300, dialer=None)
    exchange.sweeps("another")  # only so that a dialer is heard of
    assert exchange.begins().id != old.id


# It makes sure that a call comes ------------------------------------------------------------------


def test_nothing_is_added_while_a_call_is_under_way(exchange: Exchange) -> None:
    """Queued, dialing, placed or unknown and live: the answer is the verification as it is."""
    begun = exchange.begins()
    claim = exchange.claims()
    assert len(given(exchange.asks()).calls) == 1
    exchange.marks(claim)
    assert len(given(exchange.asks()).calls) == 1
    exchange.store.record(claim, CallResult(CallStatus.UNKNOWN))
    assert len(given(exchange.asks()).calls) == 1
    exchange.passes(164)
    assert len(given(exchange.asks()).calls) == 1
    exchange.passes(2)
    assert [call.status for call in given(exchange.asks()).calls] == [
        CallStatus.UNKNOWN,
        CallStatus.QUEUED,
    ]
    assert exchange.looks(begun).status is Status.PENDING


def test_a_delayed_call_is_not_brought_forward(exchange: Exchange) -> None:
    """A repeated create of an SMS fallback leaves the moment of its call."""
    begun = exchange.begins(call_after=60)
    again = given(exchange.asks(call_after=0))
    assert again.calls == begun.calls


def test_after_a_call_another_is_queued_at_the_end_of_the_gap(exchange: Exchange) -> None:
    """The gap schedules, it does not refuse; the route of this create is the call's."""
    exchange.begins()
    exchange.finds_busy()
    again = exchange.asks(route=Route.C2C)
    first, second = given(again).calls
    assert again.outcome == "existing"
    assert first.sent_at
    assert second.due_at == first.sent_at + 60_000 == given(again).gap_until
    assert second.route is Route.C2C
    assert exchange.finds_nothing() == 60


def test_delay_and_gap_run_side_by_side(exchange: Exchange) -> None:
    """The call is due at the later of the two."""
    exchange.begins()
    exchange.finds_busy()
    again = given(exchange.asks(call_after=90))
    assert again.calls[-1].due_at == again.now + 90_000
    assert len(given(exchange.asks()).calls) == 2


def test_in_time_for_the_pending_one_it_is_kept(exchange: Exchange) -> None:
    """As long as a call could be queued for the old code, it stays."""
    old = exchange.begins()
    exchange.finds_busy()
    exchange.passes(238)
    again = exchange.asks()
    assert (again.outcome, given(again).id) == ("existing", old.id)
    assert given(again).calls[-1].status is CallStatus.QUEUED


def test_too_late_for_the_pending_one_a_new_one_begins(exchange: Exchange) -> None:
    """When no call could come in time for the old code, a new code is spoken instead."""
    old = exchange.begins()
    exchange.finds_busy()
    exchange.passes(241)
    assert exchange.asks().outcome == "created"
    assert exchange.looks(old).reason is EndReason.SUPERSEDED
