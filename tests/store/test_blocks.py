"""A number that is not called any more, at the wish of who answers there."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, Exchange, limited, telephone
from store.limit_cases import DAY, NO_GAP, refusing, stored
from world import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.store.models import CallResult

PHONE = telephone(ASHA)
HOUR = 3_600
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True, next_route=Route.C2C)
RETRY = CallResult(CallStatus.QUEUED, unsent=True, retry_in=1_000)


@pytest.fixture
def exchange(redis: Redis) -> Exchange:
    """Without limits or gaps; one client reports nothing."""
    clients = {"app": ClientLimits(deliver_only=True)}
    return limited(redis, gaps=NO_GAP, rules={"max_redials": 1}, clients=clients)


def blocks(exchange: Exchange, seconds: int = HOUR) -> int:
    """How many queued calls were called off."""
    return exchange.operations.block(PHONE, seconds, "root")


def test_nobody_calls_a_blocked_number(exchange: Exchange) -> None:
    """By create or calls, for any client, until its end and not a second longer."""
    begun = exchange.begins(ttl=600)
    exchange.finds_busy()
    exchange.cancels(exchange.begins(client="bank"))
    blocks(exchange, 300)
    for client in ("login", "bank", "app"):
        answer = exchange.asks(client=client, reference="another")
        assert refusing(answer) == "block"
        assert 295_000 <= answer.retry_after_ms <= 300_000
    assert refusing(exchange.calls(begun)) == "block"
    assert exchange.looks(begun).next_call().reason == "rate_limited"
    exchange.passes(298)
    assert refusing(exchange.calls(begun)) == "block"
    exchange.passes(2)
    assert exchange.calls(begun).outcome == "coming"


def test_it_says_nothing_of_another_number(exchange: Exchange) -> None:
    """Not even of its neighbour."""
    blocks(exchange)
    for to in (RAVI, "+919876543211"):
        assert exchange.asks(to).outcome == "created"


def test_queued_calls_are_called_off(exchange: Exchange) -> None:
    """Of all clients, now or later; their verifications live on, for they may be approved."""
    now = exchange.begins(own_code=True)
    later = exchange.begins(client="bank", call_after=60, own_code=True)
    other = exchange.begins(RAVI)
    assert blocks(exchange) == 2
    for begun in (now, later):
        call = exchange.call_of(begun)
        assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.REFUSED)
        assert exchange.checks(begun, CODE).outcome == "right"
    assert exchange.claims().verification_id == other.id
    assert exchange.finds_nothing() == -1


def test_called_off_calls_give_their_places_back(redis: Redis) -> None:
    """They never rang."""
    exchange = limited(redis, gaps=NO_GAP, calls_per_day=1)
    exchange.begins()
    blocks(exchange)
    assert exchange.asks(RAVI).outcome == "created"


def test_a_call_that_a_dialer_just_claimed_is_not_sent(exchange: Exchange) -> None:
    """Its last word before the first byte is asked after the block."""
    begun = exchange.begins()
    claim = exchange.claims()
    blocks(exchange)
    assert not exchange.marks(claim)
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.REFUSED)
    assert exchange.finds_nothing() == -1


@pytest.mark.parametrize("result", [REFUSED, RETRY])
def test_what_would_follow_a_call_is_not_dialed(exchange: Exchange, result: CallResult) -> None:
    """Neither the next route's call nor another try of the same one."""
    begun = exchange.begins()
    claim = exchange.claims()
    assert exchange.marks(claim)
    blocks(exchange)
    exchange.records(claim, result)
    exchange.passes(2)
    assert exchange.finds_nothing() == -1
    assert {call.status for call in exchange.looks(begun).calls} <= {
        CallStatus.CANCELED, CallStatus.FAILED
    }  # fmt: skip


def test_a_call_that_rings_is_not_redialed(exchange: Exchange) -> None:
    """A placed call can not be called back; none follows it."""
    begun = exchange.begins()
    placed = exchange.dials()
    assert blocks(exchange) == 0
    exchange.hears(CallStatus.BUSY, call_id=placed.call_id)
    assert len(exchange.looks(begun).calls) == 1


def test_unblock_frees(exchange: Exchange) -> None:
    """At once; it is told once each."""
    blocks(exchange)
    exchange.operations.unblock(PHONE, "root")
    assert exchange.asks().outcome == "created"
    assert exchange.explains().blocked_until == 0
    exchange.sweeps()
    first, second = (each for each in exchange.notices if "blocked" in each.event)
    assert (first.event, first.details["seconds"]) == ("number.blocked", HOUR)
    assert second.event == "number.unblocked"
    for told in (first, second):
        assert told.details["by"] == "root"
        assert told.details["to"] == "+91******3210"


def test_to_unblock_what_is_not_blocked_does_nothing(exchange: Exchange, redis: Redis) -> None:
    """A number that nobody knows leaves no record."""
    exchange.operations.unblock(PHONE, "root")
    assert not list(redis.scan_iter("*:number:*"))


def test_a_newer_block_replaces_an_older(exchange: Exchange) -> None:
    """Longer or shorter."""
    for seconds in (HOUR, 60, 30 * DAY):
        blocks(exchange, seconds)
        seen = exchange.explains()
        assert seconds * 1000 - 5_000 <= seen.blocked_until - seen.now <= seconds * 1000


@pytest.mark.parametrize(
    "step",
    [
        lambda exchange: exchange.operations.forget(PHONE, "root"),
        lambda exchange: exchange.operations.clear(PHONE, "root"),
        lambda exchange: exchange.passes(8 * DAY),
    ],
    ids=["forget", "clear", "a week"],
)
def test_a_block_outlives(exchange: Exchange, step: Callable[[Exchange], object]) -> None:
    """Who does not want to be called must not be called because of some other wish."""
    exchange.begins()
    blocks(exchange, 30 * DAY)
    step(exchange)
    assert refusing(exchange.asks()) == "block"


def test_a_number_that_was_never_called_can_be_blocked(exchange: Exchange, redis: Redis) -> None:
    """And what it leaves ends with the block."""
    assert blocks(exchange, 30 * DAY) == 0
    [key] = redis.scan_iter("*:number:*")
    assert 30 * DAY * 1000 - 5_000 <= redis.pttl(key) <= 30 * DAY * 1000
    before = stored(redis)
    assert refusing(exchange.asks()) == "block"
    assert stored(redis) == before
