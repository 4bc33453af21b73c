"""A trial: one real call that nothing follows, and what was said about it."""

import pytest
from redis import Redis
from store.exchange import Exchange, limited

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult, News
from otpvoice.store.redis_store import OVERHEARD_FOR

REFUSED = CallResult(
    CallStatus.FAILED, CallReason.ROUTE_DOWN, unsent=True, next_route=Route.C2C, raw="HTTP 401"
)


@pytest.fixture
def exchange(redis: Redis) -> Exchange:
    """One redial, no gap that would hold it, and a client that is told of events."""
    rules = {"max_redials": 1, "told": frozenset({"login"})}
    return limited(redis, gaps=(0,), clients={"login": ClientLimits()}, rules=rules)


def tries_out(exchange: Exchange) -> Verification:
    """A trial, begun."""
    begun = exchange.asks(is_trial=True).verification
    assert begun
    return begun


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED])
@pytest.mark.parametrize("is_trial", [True, False])
def test_it_is_never_redialed(exchange: Exchange, status: CallStatus, is_trial: bool) -> None:
    """Though the same news of any other verification's call are followed by a second call."""
    begun = exchange.asks(is_trial=is_trial).verification
    assert begun
    claim = exchange.dials()
    exchange.hears(status, call_id=claim.call_id)
    assert len(exchange.looks(begun).calls) == (1 if is_trial else 2)
    if is_trial:
        assert exchange.finds_nothing() == -1


@pytest.mark.parametrize("is_trial", [True, False])
def test_a_refusal_does_not_go_on_by_another_route(exchange: Exchange, is_trial: bool) -> None:
    """It would be a second request, and what it shows would be of another route."""
    begun = exchange.asks(is_trial=is_trial).verification
    assert begun
    exchange.dials(REFUSED)
    assert len(exchange.looks(begun).calls) == (1 if is_trial else 2)


def test_no_client_is_told_of_it(exchange: Exchange) -> None:
    """It never asked for it; of its own verifications it is told."""
    begun = tries_out(exchange)
    claim = exchange.dials()
    exchange.hears(call_id=claim.call_id)
    exchange.approves(begun)
    assert exchange.store.take_events({"login": 100}).events == ()
    exchange.approves(exchange.begins(reference="its own"))
    assert [e.type for e in exchange.store.take_events({"login": 100}).events]


def test_dialer_and_webhook_know_it(exchange: Exchange) -> None:
    """The claim says so, the news say so, and even those that fit nobody else's clock."""
    tries_out(exchange)
    claim = exchange.dials()
    assert claim.is_trial
    an_hour_off = exchange.hears(started_at=1)
    assert (an_hour_off.news, an_hour_off.is_trial) == (News.CLOCK, True)
    assert exchange.hears(call_id=claim.call_id).is_trial
    other = exchange.begins(reference="another login")
    claim = exchange.dials()
    assert not claim.is_trial
    assert not exchange.hears(call_id=claim.call_id).is_trial
    assert exchange.looks(other).calls[0].status is CallStatus.ANSWERED


def test_what_was_said_is_kept_for_a_while(exchange: Exchange, redis: Redis) -> None:
    """In its order, with its moments, twenty of them at most, and a quarter of an hour."""
    call = tries_out(exchange).calls[0]
    for n in range(25):
        exchange.store.overhear(call.id, b"sealed %d" % n)
    heard = exchange.store.overheard(call.id)
    assert [sealed for _, sealed in heard] == [b"sealed %d" % n for n in range(20)]
    assert all(at >= call.due_at for at, _ in heard)
    (key,) = redis.scan_iter("*overheard:*")
    assert OVERHEARD_FOR - 5_000 < redis.pttl(key) <= OVERHEARD_FOR


def test_of_other_calls_nothing_is_kept(exchange: Exchange, redis: Redis) -> None:
    """Whoever says so: neither of a verification's call, nor of one that never was."""
    call = exchange.begins().calls[0]
    exchange.store.overhear(call.id, b"sealed")
    exchange.store.overhear("call_" + "0" * 32, b"sealed")
    assert exchange.store.overheard(call.id) == []
    assert [*redis.scan_iter("*overheard:*")] == []
