"""Reading and ending: cancel and approve, and whose verification it is."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.exchange import CODE, Exchange

from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status
from otpvoice.store.keys import Keys

each_ending = pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.CANCELED, EndReason.REQUESTED),
        (Status.APPROVED, EndReason.APPROVED_ELSEWHERE),
    ],
)


def test_reading_changes_nothing(exchange: Exchange) -> None:
    """The same verification, version included."""
    begun = exchange.begins(reference="a")
    found = exchange.store.get(begun.id, "login")
    assert found.outcome == "found"
    assert found.verification
    assert found.verification.version == begun.version
    assert exchange.looks(begun).calls == begun.calls


@pytest.mark.parametrize(("verification", "client"), [("vrf_none", "login"), (None, "bank")])
def test_anothers_is_as_unknown_as_none(
    exchange: Exchange, verification: str | None, client: str
) -> None:
    """For reading, ending, checking and calling."""
    begun = exchange.begins()
    wanted = verification or begun.id
    store = exchange.store
    for answer in (
        store.get(wanted, client),
        store.close_verification(wanted, client, Status.CANCELED, EndReason.REQUESTED),
        store.close_verification(wanted, client, Status.APPROVED, EndReason.APPROVED_ELSEWHERE),
    ):
        assert (answer.outcome, answer.verification) == ("not_found", None)
    assert exchange.looks(begun).status is Status.PENDING


def test_whoever_reads_it_after_its_life_sees_it_expired(exchange: Exchange) -> None:
    """At exactly ``expires_at``, with its unsent call, though nobody swept."""
    begun = exchange.begins()
    exchange.store.clock_offset += begun.expires_at - exchange.looks(begun).now - 2_000
    assert exchange.looks(begun).status is Status.PENDING
    exchange.store.clock_offset += 2_000
    ended = exchange.looks(begun)
    assert (ended.status, ended.ended_at) == (Status.EXPIRED, begun.expires_at)
    assert (ended.calls[0].status, ended.calls[0].reason) == (
        CallStatus.EXPIRED,
        CallReason.ENDED_FIRST,
    )
    assert exchange.finds_nothing() == -1


def test_ended_ones_are_kept_and_then_gone(exchange: Exchange, redis: Redis) -> None:
    """For ``keep`` after their life, calls and all, where a call was sent."""
    begun = exchange.asks(ttl=60, keep=3_600).verification
    assert begun
    exchange.dials()
    exchange.cancels(begun)
    for key in (Keys().verification(begun.id), f"{Keys().prefix}call:{begun.calls[0].id}"):
        assert 3_650_000 < redis.pttl(key) <= 3_660_000


@each_ending
def test_ending(exchange: Exchange, status: Status, reason: EndReason) -> None:
    """It ends for good, and the call that waits is called off and never claimed."""
    begun = exchange.begins()
    answer = exchange.ends(begun, status, reason)
    assert answer.outcome == "ended"
    assert answer.verification
    assert (answer.verification.status, answer.verification.reason) == (status, reason)
    assert answer.verification.ended_at == answer.verification.now
    assert (answer.verification.calls[0].status, answer.verification.calls[0].reason) == (
        CallStatus.CANCELED,
        CallReason.ENDED_FIRST,
    )
    assert exchange.finds_nothing() == -1


@each_ending
def test_ending_again_is_the_same(exchange: Exchange, status: Status, reason: EndReason) -> None:
    """Nothing changes, and the answer is the same."""
    begun = exchange.begins()
    first = exchange.ends(begun, status, reason).verification
    exchange.passes(10)
    again = exchange.ends(begun, status, reason)
    assert again.outcome == "ended"
    assert first
    assert again.verification
    assert (again.verification.version, again.verification.ended_at) == (
        first.version,
        first.ended_at,
    )


@pytest.mark.parametrize("end", ["canceled", "approved", "checked", "superseded"])
def test_a_delayed_call_dies_with_its_verification(exchange: Exchange, end: str) -> None:
    """Whatever ends it before ``call_after``, nothing is ever dialed."""
    begun = exchange.begins(call_after=100, own_code=True)
    ends: dict[str, Callable[[], object]] = {
        "canceled": lambda: exchange.cancels(begun),
        "approved": lambda: exchange.approves(begun),
        "checked": lambda: exchange.checks(begun, CODE),
        "superseded": lambda: exchange.begins(code="654321", own_code=True, call_after=200),
    }
    ends[end]()
    exchange.passes(101)
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert exchange.finds_nothing() == (99 if end == "superseded" else -1)


def test_ended_otherwise_is_closed(exchange: Exchange) -> None:
    """Cancel does not undo an approval, nor approve a cancel, nor anything an expiry."""
    approved = exchange.begins()
    exchange.approves(approved)
    assert exchange.cancels(approved).outcome == "closed"
    canceled = exchange.begins()
    exchange.cancels(canceled)
    assert exchange.approves(canceled).outcome == "closed"
    expired = exchange.begins()
    exchange.passes(300, dialer=None)
    assert exchange.cancels(expired).outcome == "closed"
    assert exchange.approves(expired).outcome == "closed"
    assert exchange.looks(approved).status is Status.APPROVED
    assert exchange.looks(canceled).status is Status.CANCELED
    assert exchange.looks(expired).status is Status.EXPIRED


def test_approving_what_a_check_approved_changes_nothing(exchange: Exchange) -> None:
    """It is 200 by the contract: proven is proven, and the reason stays as it was."""
    begun = exchange.called()
    exchange.checks(begun, CODE)
    before = exchange.looks(begun)
    answer = exchange.approves(begun)
    assert answer.outcome == "ended"
    assert answer.verification
    assert (answer.verification.version, answer.verification.reason) == (before.version, None)


def test_an_approval_forgets_the_gap(exchange: Exchange) -> None:
    """Gaps count calls since the last approval; other ends leave them."""
    canceled = exchange.begins()
    exchange.finds_busy()
    exchange.cancels(canceled)
    assert exchange.looks(canceled).gap_until > 0
    approved = exchange.begins()
    exchange.approves(approved)
    assert exchange.looks(approved).gap_until == 0


def test_a_placed_call_can_not_be_called_back(exchange: Exchange) -> None:
    """Its verification ends; the call goes on, and its news is taken."""
    begun = exchange.begins()
    exchange.dials()
    exchange.cancels(begun)
    assert exchange.call_of(begun).status is CallStatus.PLACED
    exchange.hears(CallStatus.ANSWERED, call_id=begun.calls[0].id)
    assert exchange.call_of(begun).status is CallStatus.ANSWERED
    assert exchange.looks(begun).status is Status.CANCELED
