"""Attempts: how many calls one verification has, and what a refused one leaves to the number."""

import pytest
from redis import Redis
from store.exchange import PLACED, Exchange, exchange_with, limited
from store.limit_cases import NO_GAP

from otpvoice.core.verification import CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult, Claim

MOST = 6
OTHER_BRIDGE = "918068280001"
LIMIT = "rate_limited attempts_per_verification"
C2C_NEXT = CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True, next_route=Route.C2C)
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True)
MISCONFIGURED = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, unsent=True, refused=True)
BACK_OFF = CallResult(CallStatus.QUEUED, unsent=True, refused=True, retry_in=3_000)
UNREACHED = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, unsent=True)


def bounded(redis: Redis, most: int = MOST, **rules: int) -> Exchange:
    """So many attempts, and no gap."""
    return limited(redis, gaps=NO_GAP, rules=rules, attempts_per_verification=most)


def fails_often(exchange: Exchange, times: int, result: CallResult = UNREACHED) -> Verification:
    """A verification with so many calls that came to nothing."""
    begun = exchange.begins()
    exchange.dials(result)
    while len(exchange.looks(begun).calls) < times:
        assert exchange.calls(begun).outcome == "coming"
        exchange.dials(result)
    return begun


# attempts_per_verification -----------------------------------------------------------------------


@pytest.mark.parametrize("result", [UNREACHED, REFUSED, CallResult(CallStatus.FAILED)])
def test_further_call_beyond_the_attempts_is_refused_until_the_end(
    redis: Redis, result: CallResult
) -> None:
    """By calls and by create, whatever became of the attempts; the verification stays pending."""
    exchange = bounded(redis)
    begun = fails_often(exchange, MOST, result)
    for refused in (exchange.calls(begun), exchange.asks()):
        assert refused.outcome == LIMIT
        assert refused.verification
        assert refused.verification.id == begun.id
        assert refused.retry_after_ms == begun.expires_at - refused.verification.now
    seen = exchange.looks(begun)
    assert (seen.next_call().reason, seen.next_call().at) == ("rate_limited", begun.expires_at)
    assert len(seen.calls) == MOST


def test_next_route_beyond_the_attempts_is_not_queued(redis: Redis) -> None:
    """The last attempt was refused, and no other follows it."""
    exchange = bounded(redis, most=3)
    begun = exchange.begins()
    exchange.dials(C2C_NEXT)
    exchange.dials(REFUSED)
    exchange.calls(begun)
    exchange.dials(C2C_NEXT)
    assert len(exchange.looks(begun).calls) == 3
    assert exchange.finds_nothing() == -1


def test_redial_beyond_the_attempts_is_not_queued(redis: Redis) -> None:
    """The person was busy for the last time."""
    exchange = bounded(redis, most=2, max_redials=3)
    begun = exchange.begins()
    exchange.finds_busy()
    exchange.finds_busy()
    assert len(exchange.looks(begun).calls) == 2
    assert exchange.finds_nothing() == -1


def test_delayed_call_is_brought_forward_within_the_attempts(redis: Redis) -> None:
    """It has its record already."""
    exchange = bounded(redis, most=1)
    begun = exchange.begins(call_after=100)
    assert exchange.looks(begun).next_call().allowed
    assert exchange.calls(begun).outcome == "coming"
    exchange.claims()


# The gap after a refusal -------------------------------------------------------------------------


@pytest.mark.parametrize("result", [REFUSED, MISCONFIGURED])
def test_gap_holds_after_a_call_that_the_provider_refused(
    exchange: Exchange, result: CallResult
) -> None:
    """For every client and verification, though nothing rang: the next call is due at its end."""
    begun, claim = exchange.sends()
    gap = exchange.looks(begun).gap_until
    exchange.records(claim, result)
    assert exchange.looks(begun).gap_until == gap
    assert exchange.calls(begun).outcome == "coming"
    exchange.begins(client="bank")
    assert exchange.call_of(begun).due_at == gap
    assert exchange.finds_nothing() == 60


def test_gap_after_a_refusal_holds_when_the_next_route_is_not_reached(exchange: Exchange) -> None:
    """The provider answered the first request, and the second one changes nothing about that."""
    begun, refused = exchange.sends()
    gap = exchange.looks(begun).gap_until
    exchange.records(refused, C2C_NEXT)
    exchange.passes(5)
    exchange.dials(UNREACHED)
    assert exchange.looks(begun).gap_until == gap
    exchange.begins(client="bank")
    assert exchange.finds_nothing() == 55


def test_gap_ends_at_once_after_a_call_that_did_not_reach_the_provider(
    exchange: Exchange,
) -> None:
    """Nothing was requested."""
    begun, claim = exchange.sends()
    exchange.records(claim, UNREACHED)
    assert exchange.looks(begun).gap_until == 0


def test_next_route_goes_on_within_the_gap_of_its_own_attempt(exchange: Exchange) -> None:
    """At once, and only it. After its refusal the gap runs from its own request."""
    begun = exchange.begins()
    exchange.dials(C2C_NEXT)
    other = exchange.begins(client="bank")
    exchange.passes(5)
    claim = exchange.dials(REFUSED)
    assert (claim.verification_id, claim.route) == (begun.id, Route.C2C)
    exchange.passes(55)
    assert exchange.finds_nothing() == 5
    exchange.passes(5)
    assert exchange.claims().verification_id == other.id


def test_gap_after_refusals_stays_that_of_a_first_call(exchange: Exchange) -> None:
    """None of them rang: whoever is called then waits as after a first call."""
    begun = exchange.begins(ttl=600)
    for _ in range(3):
        exchange.dials(REFUSED)
        exchange.passes(60)
        exchange.calls(begun)
    exchange.dials(PLACED)
    seen = exchange.looks(begun)
    assert seen.gap_until == (seen.calls[-1].sent_at or 0) + 60_000


def test_request_to_be_repeated_goes_on_within_its_own_gap(exchange: Exchange) -> None:
    """The provider asked for a pause: the same call goes on after it, and no other."""
    begun = exchange.begins()
    exchange.dials(BACK_OFF)
    exchange.begins(client="bank")
    exchange.passes(3)
    claim = exchange.dials(BACK_OFF)
    assert (claim.verification_id, claim.requests) == (begun.id, 1)
    assert exchange.finds_nothing() == 3
    exchange.passes(3)
    assert exchange.dials(PLACED).verification_id == begun.id


def test_next_route_waits_for_a_gap_that_another_call_left(exchange: Exchange) -> None:
    """An approval ended its own gap, and the number was called over another bridge since."""
    begun = exchange.begins()
    exchange.dials(C2C_NEXT)
    claim = exchange.claims()
    exchange.approves(exchange.begins(client="bank", bridge=OTHER_BRIDGE))
    exchange.begins(client="shop", bridge=OTHER_BRIDGE)
    assert exchange.marks(exchange.claims())
    assert not exchange.marks(claim)
    assert exchange.call_of(begun).status is CallStatus.QUEUED
    assert exchange.finds_nothing() == 60


def test_loop_of_tokens_makes_one_attempt_sequence_per_gap(redis: Redis) -> None:
    """Twenty verifications of a number that is refused by both routes, asked for all the time."""
    exchange = exchange_with(redis, "3/10m")
    requests: list[int] = []
    begun = [
        answer.verification
        for n in range(20)
        if (answer := exchange.asks(client=f"client {n}", reference=f"{n}", ttl=600)).verification
    ]
    for _ in range(240):
        for each in begun:
            exchange.calls(each)
        while isinstance(claim := exchange.store.claim(200), Claim):
            if exchange.marks(claim):
                requests.append(exchange.looks(begun[0]).now)
                exchange.records(claim, REFUSED if claim.tried else C2C_NEXT)
        exchange.passes(1)
    assert len(requests) <= 2 * 4
    assert all(later - at >= 60_000 for at, later in zip(requests, requests[2:], strict=False))
