"""Places in ``calls_per_number``: taken in the queue, kept by what was sent, given back else."""

import itertools
from collections.abc import Callable

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, Exchange, exchange_with

from otpvoice.core.verification import (
    CallReason,
    CallStatus,
    NextActions,
    NextReason,
    Route,
    Verification,
)
from otpvoice.store.decoding import Answer
from otpvoice.store.models import CallResult

ONE = "1/10m"
LIMIT = "rate_limited calls_per_number"
DOWN = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, unsent=True)
NO_GAP = (0,)
_clients = itertools.count()


@pytest.fixture
def exchange(redis: Redis) -> Exchange:
    """One call in ten minutes, without a gap."""
    return exchange_with(redis, ONE, gaps=NO_GAP)


def refused_for(answer: Answer) -> int:
    """The whole seconds until ``calls_per_number`` would take it."""
    assert answer.outcome == LIMIT
    return -(-answer.retry_after_ms // 1000)


def has_room(exchange: Exchange, _begun: Verification) -> bool:
    """Whether the number may be called again."""
    return not any(use.until for use in exchange.explains().uses)


# Taken -------------------------------------------------------------------------------------------


def test_a_queued_call_takes_a_place(exchange: Exchange) -> None:
    """Before it is dialed, for all clients, and the refusal shows nothing of another's."""
    exchange.begins()
    refused = exchange.asks(client="bank")
    assert 598 <= refused_for(refused) <= 600
    assert refused.verification is None


def test_each_number_has_its_own(exchange: Exchange) -> None:
    """One that is used up says nothing of another."""
    exchange.begins()
    exchange.begins(RAVI)


def test_a_call_that_is_under_way_needs_no_second_place(exchange: Exchange) -> None:
    """The same create, and a wish for a call that comes anyway, are taken."""
    begun = exchange.begins()
    assert exchange.asks().outcome == "existing"
    assert exchange.calls(begun).outcome == "coming"
    exchange.dials()
    assert exchange.asks().outcome == "existing"
    assert exchange.calls(begun).outcome == "coming"


def test_a_further_call_needs_a_place(exchange: Exchange) -> None:
    """Asked for by create or by calls: refused with the verification, which lives on."""
    begun = exchange.begins()
    exchange.finds_busy()
    for refused in (exchange.asks(), exchange.calls(begun)):
        assert 598 <= refused_for(refused) <= 600
        assert refused.verification
        assert refused.verification.id == begun.id
    assert exchange.checks(begun, CODE).outcome == "right"


def test_next_says_when_there_is_room(exchange: Exchange) -> None:
    """Not allowed, why, and at which moment; from that moment on it is allowed."""
    begun = exchange.begins(ttl=900)
    exchange.finds_busy()
    seen = exchange.looks(begun)
    step = seen.next_call()
    assert step == NextActions(allowed=False, reason=NextReason.RATE_LIMITED, at=seen.limit_until)
    assert step.at
    exchange.passes((step.at - seen.now) / 1000)
    assert exchange.looks(begun).next_call().allowed
    assert exchange.calls(begun).outcome == "coming"


def test_next_of_a_delayed_call_that_has_its_place(exchange: Exchange) -> None:
    """It may be brought forward though the number's places are used up: by this very call."""
    begun = exchange.begins(call_after=100)
    assert exchange.looks(begun).next_call().allowed
    answer = exchange.calls(begun)
    assert answer.outcome == "coming"
    exchange.claims()


def test_a_refused_request_uses_up_nothing(exchange: Exchange) -> None:
    """However often it comes: the place is free when the one call that took it has had its time."""
    begun = exchange.begins()
    exchange.finds_busy()
    for _ in range(5):
        exchange.passes(60)
        exchange.asks(client="bank")
        exchange.calls(begun)
    exchange.passes(300)
    assert exchange.asks(client="bank").outcome == "created"


# Given back --------------------------------------------------------------------------------------


def ended_by_its_life(exchange: Exchange, _: Verification) -> None:
    """Nobody entered its code, nobody dialed it."""
    exchange.passes(301)


def never_dialed(exchange: Exchange, _: Verification) -> None:
    """No dialer came before it was too late."""
    exchange.passes(270)
    exchange.finds_nothing()


def claimed_and_canceled(exchange: Exchange, begun: Verification) -> None:
    """Canceled between claim and mark."""
    claim = exchange.claims()
    exchange.cancels(begun)
    assert not exchange.marks(claim)


def refused(exchange: Exchange, _: Verification) -> None:
    """The provider refused it on the only route that is tried."""
    exchange.dials(DOWN)


def failed_before_its_mark(exchange: Exchange, _: Verification) -> None:
    """It could not be sent at all: its seal does not open."""
    exchange.records(exchange.claims(), CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))


def retried_after_the_end(exchange: Exchange, begun: Verification) -> None:
    """To be tried again, when there is nothing to say any more."""
    claim = exchange.claims()
    exchange.marks(claim)
    exchange.cancels(begun)
    exchange.records(claim, CallResult(CallStatus.QUEUED, unsent=True, retry_in=1000))


@pytest.mark.parametrize(
    "end",
    [
        Exchange.cancels,
        Exchange.approves,
        ended_by_its_life,
        never_dialed,
        claimed_and_canceled,
        refused,
        failed_before_its_mark,
        retried_after_the_end,
    ],
)
def test_what_was_never_sent_gives_its_place_back(
    exchange: Exchange, end: Callable[[Exchange, Verification], object]
) -> None:
    """However it ended."""
    begun = exchange.begins()
    assert not has_room(exchange, begun)
    end(exchange, begun)
    assert has_room(exchange, begun)


def canceled(exchange: Exchange, begun: Verification) -> None:
    """The client ends it."""
    exchange.cancels(begun)


def expired(exchange: Exchange, _: Verification) -> None:
    """Its life is over."""
    exchange.passes(301)


def busy(exchange: Exchange, begun: Verification) -> None:
    """Nobody could take it."""
    exchange.hears(CallStatus.BUSY, call_id=begun.calls[0].id)


def failed(exchange: Exchange, begun: Verification) -> None:
    """The provider could not connect it."""
    exchange.hears(CallStatus.FAILED, call_id=begun.calls[0].id)


@pytest.mark.parametrize("end", [canceled, expired, busy, failed])
@pytest.mark.parametrize("status", [CallStatus.PLACED, CallStatus.UNKNOWN])
def test_what_may_have_rung_keeps_its_place(
    exchange: Exchange, status: CallStatus, end: Callable[[Exchange, Verification], None]
) -> None:
    """Whatever becomes of it or of its verification, but for an approval."""
    begun = exchange.begins()
    exchange.dials(CallResult(status))
    end(exchange, begun)
    assert not has_room(exchange, begun)


def test_a_call_in_doubt_keeps_its_place(exchange: Exchange) -> None:
    """Its dialer died after the mark."""
    begun, _ = exchange.sends()
    exchange.passes(21)
    assert exchange.call_of(begun).status is CallStatus.UNKNOWN
    assert not has_room(exchange, begun)


def test_a_call_that_is_tried_again_keeps_its_place(exchange: Exchange) -> None:
    """Back in the queue, after an answer of 429 or a dialer's death before its mark."""
    begun = exchange.begins()
    exchange.dials(CallResult(CallStatus.QUEUED, unsent=True, retry_in=1000))
    assert not has_room(exchange, begun)
    exchange.passes(1)
    exchange.claims()
    exchange.passes(21)
    assert exchange.call_of(begun).status is CallStatus.QUEUED
    assert not has_room(exchange, begun)


def test_an_approval_gives_all_back(redis: Redis) -> None:
    """By the right code, or elsewhere; also what other clients used."""
    exchange = exchange_with(redis, "2/10m", gaps=NO_GAP)
    for approve in (lambda v: exchange.checks(v, CODE), exchange.approves):
        other = exchange.begins(client="bank")
        exchange.finds_busy()
        begun = exchange.begins()
        exchange.finds_busy()
        assert not has_room(exchange, begun)
        approve(begun)
        exchange.cancels(other)
        assert has_room(exchange, begun)


def test_a_call_sent_after_the_approval_counts(redis: Redis) -> None:
    """One that another client had waiting then: it rings, and nobody has approved since."""
    exchange = exchange_with(redis, "2/10m", gaps=NO_GAP)
    approved = exchange.begins(call_after=10)
    exchange.begins(client="bank")
    exchange.approves(approved)
    exchange.finds_busy()
    assert sent_in_a_row(exchange) == 1


# Superseded --------------------------------------------------------------------------------------


def test_superseded_call_makes_room_for_a_newer_code(exchange: Exchange) -> None:
    """It takes the place of the one whose call was not dialed. Another session gets none."""
    exchange.begins(reference="one")
    newer = exchange.asks(reference="one", code="99999", own_code=True)
    assert newer.outcome == "created"
    assert refused_for(exchange.asks(reference="two"))
    assert refused_for(exchange.asks(client="bank"))


def test_a_superseded_call_that_was_sent_makes_none(exchange: Exchange) -> None:
    """It rang; the newer code is refused, and the older verification lives on."""
    begun = exchange.begins(reference="one")
    exchange.dials()
    assert refused_for(exchange.asks(reference="two"))
    assert exchange.checks(begun, CODE).outcome == "right"


def test_a_stale_code_is_not_spoken_even_when_the_new_one_is_refused(redis: Redis) -> None:
    """The refusal by a limit ends the verification whose code the SMS replaced."""
    exchange = exchange_with(redis, ONE, "2/1h", gaps=NO_GAP)
    exchange.begins(client="bank")
    exchange.finds_busy()
    exchange.passes(600)
    begun = exchange.begins()
    exchange.finds_busy()
    answer = exchange.asks(code="99999", own_code=True)
    assert answer.outcome == "rate_limited calls_per_number 2/1h"
    assert exchange.checks(begun, CODE).outcome == "closed"


# Windows -----------------------------------------------------------------------------------------


def sent_in_a_row(exchange: Exchange, at_most: int = 20) -> int:
    """How many calls go out before a limit refuses."""
    for sent in range(at_most):
        if exchange.asks(client=f"client {next(_clients)}").outcome != "created":
            return sent
        exchange.finds_busy()
    return at_most


def test_windows_slide(redis: Redis) -> None:
    """No double burst at a boundary: each place comes free when its own call is that old."""
    exchange = exchange_with(redis, "3/10m", gaps=NO_GAP)
    for _ in range(3):
        begun = exchange.begins()
        exchange.finds_busy()
        exchange.cancels(begun)
        exchange.passes(100)
    exchange.passes(299)
    assert sent_in_a_row(exchange) == 0
    exchange.passes(2)
    assert sent_in_a_row(exchange) == 1
    exchange.passes(98)
    assert sent_in_a_row(exchange) == 0
    exchange.passes(2)
    assert sent_in_a_row(exchange) == 1


def test_the_longest_wait_wins_and_is_named(redis: Redis) -> None:
    """Of several windows that are used up, in whatever order they are written."""
    for quotas in (("2/10m", "3/24h"), ("3/24h", "2/10m")):
        redis.flushdb()
        exchange = exchange_with(redis, *quotas, gaps=NO_GAP)
        assert sent_in_a_row(exchange) == 2
        soon = exchange.asks()
        assert soon.outcome == "rate_limited calls_per_number 2/10m"
        exchange.passes(600)
        assert sent_in_a_row(exchange) == 1
        late = exchange.asks()
        assert late.outcome == "rate_limited calls_per_number 3/24h"
        assert 86_400 - 602 <= late.retry_after_ms / 1000 <= 86_400 - 600


def test_a_place_counts_from_when_the_call_was_sent(exchange: Exchange) -> None:
    """Not from when it was due: held for a minute, it holds its place a minute longer."""
    begun = exchange.begins()
    exchange.passes(100)
    exchange.finds_busy()
    exchange.passes(599)
    assert exchange.asks(client="bank").outcome == LIMIT
    exchange.passes(2)
    assert exchange.asks(client="bank").outcome == "created"
    assert has_room(exchange, begun) is False


def test_a_call_brought_forward_counts_from_when_it_was_sent(exchange: Exchange) -> None:
    """Not from the later moment that it was meant for."""
    begun = exchange.begins(call_after=200)
    exchange.calls(begun)
    exchange.finds_busy()
    exchange.passes(601)
    assert exchange.asks(client="bank").outcome == "created"


def test_a_delayed_call_keeps_its_place_through_short_windows(redis: Redis) -> None:
    """A later call that is due earlier does not make the store forget it."""
    exchange = exchange_with(redis, "2/10s", gaps=NO_GAP)
    exchange.begins(call_after=200)
    exchange.cancels(exchange.begins(client="bank"))
    exchange.passes(100)
    used = {use.limit: use.used for use in exchange.explains().uses}
    assert used["calls_per_number"] == 1


def test_without_quotas_nothing_is_refused(redis: Redis) -> None:
    """An empty setting is no limit."""
    exchange = exchange_with(redis, gaps=NO_GAP)
    assert sent_in_a_row(exchange) == 20


# Redials and other routes ------------------------------------------------------------------------


def test_a_redial_needs_a_place(redis: Redis) -> None:
    """Where none is free, there is none, and `next` says when one could be asked for."""
    exchange = exchange_with(redis, ONE, max_redials=1)
    begun = exchange.begins()
    exchange.finds_busy()
    assert len(exchange.looks(begun).calls) == 1
    assert exchange.looks(begun).next_call().reason == "rate_limited"


def test_a_redial_takes_a_place(redis: Redis) -> None:
    """Like any call."""
    exchange = exchange_with(redis, "2/10m", max_redials=1)
    begun = exchange.begins()
    exchange.finds_busy()
    assert exchange.call_of(begun).status is CallStatus.QUEUED
    assert not has_room(exchange, begun)


def test_the_next_route_takes_over_the_place(exchange: Exchange) -> None:
    """The refused call gives back what the one after it takes: never more than one."""
    begun = exchange.begins()
    exchange.dials(
        CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True, next_route=Route.C2C)
    )
    assert [call.route for call in exchange.looks(begun).calls] == [Route.OBD, Route.C2C]
    assert refused_for(exchange.asks(client="bank"))
    exchange.dials(DOWN)
    assert has_room(exchange, begun)
