"""Create, refused: what holds, until when, and that only a stale code ends with it."""

import pytest
from msgspec.structs import replace
from store.exchange import CODE, RAVI, Exchange

from otpvoice.core.verification import EndReason, Status, Verification
from otpvoice.store.decoding import Answer
from otpvoice.store.redis_store import RedisStore


def given(answer: Answer) -> Verification:
    """The verification of an answer that has one."""
    assert answer.verification
    return answer.verification


def called_three_times(exchange: Exchange) -> Verification:
    """A pending verification whose number was called three times: the gap is 300 s now."""
    begun = exchange.begins()
    exchange.finds_busy()
    for _ in range(2):
        exchange.passes(60)
        exchange.calls(begun)
        exchange.finds_busy()
    return begun


@pytest.mark.parametrize("reference", [None, "another"])
def test_a_gap_that_leaves_no_time_refuses_and_ends_nothing(
    exchange: Exchange, reference: str | None
) -> None:
    """Neither the old nor a new verification could be called in time; until when is told."""
    old = called_three_times(exchange)
    refused = exchange.asks(reference=reference)
    assert refused.outcome == "call_gap"
    assert 59_000 < refused.retry_after_ms <= 60_000
    assert exchange.looks(old).status is Status.PENDING
    exchange.passes(refused.retry_after_ms / 1000)
    taken = exchange.asks(reference=reference)
    assert taken.outcome == "created"
    assert given(taken).calls[0].due_at == given(taken).gap_until


def test_a_gap_that_leaves_time_schedules(exchange: Exchange) -> None:
    """A longer life has room for the call: nothing is refused."""
    called_three_times(exchange)
    taken = exchange.asks(reference="another", ttl=600)
    assert taken.outcome == "created"
    assert given(taken).calls[0].due_at == given(taken).gap_until


def test_without_a_dialer_nothing_is_begun(exchange: Exchange, store: RedisStore) -> None:
    """None was heard of for 30 s: nobody would place the call."""
    exchange.passes(29, dialer=None)
    assert store.health().dialers == 1
    assert exchange.asks().outcome == "created"
    exchange.passes(2, dialer=None)
    assert store.health().dialers == 0
    refused = exchange.asks(RAVI)
    assert (refused.outcome, refused.verification) == ("calls_unavailable", None)


def test_without_a_dialer_a_delayed_call_is_taken(exchange: Exchange) -> None:
    """One may come back until it is due."""
    exchange.passes(31, dialer=None)
    assert exchange.asks(call_after=1).outcome == "created"


def test_without_a_dialer_a_call_under_way_is_still_found(exchange: Exchange) -> None:
    """Nothing is to be added, so nothing is refused."""
    exchange.begins()
    exchange.passes(31, dialer=None)
    assert exchange.asks().outcome == "existing"


def test_a_call_that_waits_a_minute_says_that_there_are_too_many(exchange: Exchange) -> None:
    """Due and not dialed for more than 60 s: no further one is taken, not even a delayed one."""
    exchange.begins()
    exchange.passes(59)
    assert exchange.asks("+919812345670").outcome == "created"
    exchange.passes(2)
    for call_after in (0, 100):
        refused = exchange.asks(RAVI, call_after=call_after)
        assert (refused.outcome, refused.verification) == ("over_capacity", None)


def test_held_calls_do_not_count_as_waiting(exchange: Exchange) -> None:
    """A call that its number's live call holds waits for that one, not for a dialer."""
    exchange.begins()
    exchange.dials()
    exchange.begins(client="bank")
    exchange.passes(60)
    exchange.finds_nothing()
    exchange.passes(100)
    assert exchange.asks(RAVI).outcome == "created"


@pytest.mark.parametrize("why", ["call_gap", "calls_unavailable", "over_capacity"])
def test_a_stale_code_ends_even_if_the_new_one_is_refused(exchange: Exchange, why: str) -> None:
    """Another code of the caller's own: the old one is never spoken, whatever comes of the new."""
    if why == "call_gap":
        old = called_three_times(exchange)
    else:
        old = exchange.begins()
        exchange.passes(61, dialer="dialer" if why == "over_capacity" else None)
    refused = exchange.asks(code="654321", own_code=True)
    assert refused.outcome == why
    assert given(refused).id == old.id
    ended = exchange.looks(old)
    assert (ended.status, ended.reason) == (Status.CANCELED, EndReason.SUPERSEDED)
    assert exchange.checks(old, CODE).outcome == "closed"
    assert exchange.finds_nothing() == -1


@pytest.mark.parametrize("why", ["calls_unavailable", "over_capacity"])
def test_other_refusals_end_nothing(exchange: Exchange, why: str) -> None:
    """Another session's create that is refused leaves the pending one as it was."""
    old = exchange.begins(reference="a")
    exchange.passes(61, dialer="dialer" if why == "over_capacity" else None)
    assert exchange.asks(reference="b").outcome == why
    assert replace(exchange.looks(old), now=old.now) == old
