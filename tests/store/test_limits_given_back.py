"""Places in every limit of calls: given back by what rang nowhere, and some by an approval."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.exchange import CODE, Exchange, limited
from store.limit_cases import (
    ADDRESS,
    CASES,
    GENEROUS,
    NO_GAP,
    PER_IP,
    PER_NUMBER,
    PER_PREFIX,
    Case,
    uses_of,
)

from otpvoice.core.verification import CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult

DOWN = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, unsent=True)
each_limit = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def canceled(exchange: Exchange, begun: Verification) -> None:
    """By the client, in the queue."""
    exchange.cancels(begun)


def approved(exchange: Exchange, begun: Verification) -> None:
    """By other means, before it was dialed."""
    exchange.approves(begun)


def guessed_at(exchange: Exchange, begun: Verification) -> None:
    """Too many wrong codes, before it was dialed."""
    for n in range(5):
        assert exchange.checks(begun, f"99999{n}").outcome == "wrong"


def expired(exchange: Exchange, _: Verification) -> None:
    """Nobody entered its code, nobody dialed it."""
    exchange.passes(301)


def never_dialed(exchange: Exchange, _: Verification) -> None:
    """No dialer came before it was too late."""
    exchange.passes(270)
    exchange.finds_nothing()


def claimed_and_canceled(exchange: Exchange, begun: Verification) -> None:
    """Between claim and mark."""
    claim = exchange.claims()
    exchange.cancels(begun)
    assert not exchange.marks(claim)


def lapsed_and_canceled(exchange: Exchange, begun: Verification) -> None:
    """Its dialer died before the mark."""
    exchange.claims()
    exchange.passes(21)
    exchange.cancels(begun)


def unsent(exchange: Exchange, _: Verification) -> None:
    """The provider provably did not get it, or refused it."""
    exchange.dials(DOWN)


def unsent_after_its_lease(exchange: Exchange, _: Verification) -> None:
    """Which is told when it already stands as unknown."""
    claim = exchange.claims()
    assert exchange.marks(claim)
    exchange.passes(21)
    exchange.records(claim, DOWN)


def unsealed(exchange: Exchange, _: Verification) -> None:
    """It could not be sent at all: its seal does not open."""
    exchange.records(exchange.claims(), CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))


def retried_after_the_end(exchange: Exchange, begun: Verification) -> None:
    """To be tried again, when there is nothing to say any more."""
    claim = exchange.claims()
    assert exchange.marks(claim)
    exchange.cancels(begun)
    exchange.records(claim, CallResult(CallStatus.QUEUED, unsent=True, retry_in=1000))


def retried_and_canceled(exchange: Exchange, begun: Verification) -> None:
    """Back in the queue after a first try, and called off there."""
    exchange.dials(CallResult(CallStatus.QUEUED, unsent=True, retry_in=1000))
    exchange.cancels(begun)


UNREACHED = [
    *(approved, expired, never_dialed, unsent, unsent_after_its_lease, unsealed),
]
"""Approved, or the service did not get to the provider: all places are given back."""
CALLED_OFF = [
    *(canceled, guessed_at, claimed_and_canceled, lapsed_and_canceled, retried_after_the_end),
    retried_and_canceled,
]
"""Ended by a request: the places of address and prefix stay taken."""


@each_limit
@pytest.mark.parametrize("end", [*UNREACHED, *CALLED_OFF])
def test_call_that_was_never_sent_gives_its_places_back(
    redis: Redis, case: Case, end: Callable[[Exchange, Verification], None]
) -> None:
    """In each limit once: there is room for one more and not for two."""
    exchange = case.allows(redis, 1)
    end(exchange, case.begins(exchange, own_code=True))
    if end in CALLED_OFF and case in {PER_IP, PER_PREFIX}:
        case.refuses(exchange, 1)
        return
    case.begins(exchange, 1)
    case.refuses(exchange, 2)


@pytest.mark.parametrize("end", [*UNREACHED, *CALLED_OFF])
def test_places_of_a_call_in_every_limit_come_back_together(
    redis: Redis, end: Callable[[Exchange, Verification], None]
) -> None:
    """All of them, but for those of address and prefix where a request ended it."""
    exchange = limited(redis, gaps=NO_GAP, **GENEROUS)
    begun = exchange.begins(ip=ADDRESS, own_code=True)
    used = {use.limit: use.used for use in uses_of(exchange)}
    assert set(used) - {limit for limit, count in used.items() if count} == {
        "block", "conversion_breaker", "wrong_codes_per_number"
    }  # fmt: skip
    end(exchange, begun)
    kept = {use.limit for use in uses_of(exchange) if use.used}
    shared = {key.decode().split(":")[1] for key in redis.scan_iter()} & {"ip", "prefix"}
    of_prefix = {"unverified_per_prefix 90/10m", "unverified_per_prefix 95/24h"}
    called_off = end in CALLED_OFF
    assert kept - {"wrong_codes_per_number", "creates_per_client", "pending_per_number"} == (
        of_prefix if called_off else set()
    )
    assert shared == ({"ip", "prefix"} if called_off else set())


def test_approval_gives_back_the_places_of_calls_that_were_called_off(redis: Redis) -> None:
    """Its own in the address; in the prefix all that the number took."""
    exchange = limited(redis, gaps=NO_GAP, **GENEROUS)
    exchange.cancels(exchange.begins(ip=ADDRESS))
    exchange.approves(exchange.begins(ip=ADDRESS))
    assert not list(redis.scan_iter("*:prefix:*"))
    [address] = redis.scan_iter("*:ip:*")
    assert redis.zcard(address) == 1


@pytest.mark.parametrize("case", [PER_IP, PER_PREFIX], ids=["address", "prefix"])
def test_place_of_a_call_that_was_called_off_ends_with_its_window(redis: Redis, case: Case) -> None:
    """As if it had been sent at the moment it was due."""
    exchange = case.allows(redis, 1)
    exchange.cancels(case.begins(exchange))
    assert case.window - 5 <= case.refuses(exchange) <= case.window
    exchange.passes(case.window + 1)
    case.begins(exchange, 1)


@each_limit
def test_what_may_have_rung_keeps_its_place(redis: Redis, case: Case) -> None:
    """Whatever becomes of it, but for an approval: here a dialer that died after the mark."""
    exchange = case.allows(redis, 1)
    begun = case.begins(exchange)
    assert exchange.marks(exchange.claims())
    exchange.passes(21)
    assert exchange.call_of(begun).status is CallStatus.UNKNOWN
    exchange.cancels(begun)
    case.refuses(exchange)


@each_limit
def test_superseded_call_makes_room_for_its_successor(redis: Redis, case: Case) -> None:
    """If it was not dialed yet: one place for both, none for a third; two of the address."""
    count = 2 if case is PER_IP else 1
    exchange = case.allows(redis, count)
    old = case.begins(exchange)
    new = case.begins(exchange, code="654321", own_code=True)
    assert exchange.call_of(old).status is CallStatus.CANCELED
    assert exchange.call_of(new).status is CallStatus.QUEUED
    case.refuses(exchange)
    exchange.cancels(new)
    assert case.is_full(exchange, 1) is (case in {PER_IP, PER_PREFIX})


@pytest.mark.parametrize("case", [case for case in CASES.values() if case is not PER_PREFIX])
def test_a_superseded_call_that_was_sent_makes_none(redis: Redis, case: Case) -> None:
    """It rang; the newer one is refused, and the older lives on."""
    exchange = case.allows(redis, 1)
    old = case.begins(exchange, reference="one")
    exchange.dials()
    case.refuses(exchange, 0, reference="two")
    assert exchange.checks(old, CODE).outcome == "right"


@each_limit
def test_the_next_route_takes_over_the_place(redis: Redis, case: Case) -> None:
    """Of the call that the provider refused: never more than one, and none after the last."""
    exchange = case.allows(redis, 2)
    begun = case.begins(exchange)
    exchange.dials(
        CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True, next_route=Route.C2C)
    )
    assert [call.route for call in exchange.looks(begun).calls] == [Route.OBD, Route.C2C]
    case.begins(exchange, 1)
    case.refuses(exchange, 2)
    exchange.dials(DOWN)
    exchange.dials(DOWN)
    case.begins(exchange, 3)
    case.begins(exchange, 4)
    case.refuses(exchange, 5)


@each_limit
def test_a_place_counts_from_when_the_call_was_sent(redis: Redis, case: Case) -> None:
    """Held for long, it holds its place that much longer; brought forward, it does no longer."""
    for call_after, waits in ((0, 200), (200, 100)):
        redis.flushdb()
        exchange = case.allows(redis, 1)
        begun = case.begins(exchange, call_after=call_after)
        exchange.passes(waits)
        exchange.calls(begun)
        exchange.dials()
        wait = case.refuses(exchange)
        assert case.window - 5 <= wait <= case.window + case.slice


# Approved ----------------------------------------------------------------------------------------


@each_limit
@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_approval_gives_back_what_is_counted_without_one(
    redis: Redis, case: Case, elsewhere: bool
) -> None:
    """Of a number, a prefix and an address; every call, client and day count it all the same."""
    exchange = case.allows(redis, 1)
    begun = case.begins(exchange)
    exchange.dials()
    if elsewhere:
        exchange.approves(begun)
    else:
        exchange.checks(begun, CODE)
    assert case.is_full(exchange) is case.approved_counts


def test_an_approval_leaves_the_place_of_a_call_to_come(redis: Redis) -> None:
    """Another client's, which will ring with no approval since: with it two ring, and no third."""
    exchange = PER_NUMBER.allows(redis, 2)
    begun = PER_NUMBER.begins(exchange)
    exchange.finds_busy()
    PER_NUMBER.begins(exchange, 1, call_after=100)
    exchange.approves(begun)
    PER_NUMBER.begins(exchange, 2)
    PER_NUMBER.refuses(exchange, 3)


def test_an_approval_gives_the_gap_back(redis: Redis) -> None:
    """The next call is due at once, and the gaps begin anew with the shortest."""
    exchange = limited(redis)
    for gap in (60, 60, 300):
        begun = exchange.begins(ttl=600)
        exchange.finds_busy()
        assert exchange.explains().gap_until - exchange.explains().now > (gap - 5) * 1000
        exchange.cancels(begun)
        exchange.passes(gap)
    begun = exchange.begins()
    exchange.dials()
    exchange.approves(begun)
    assert exchange.explains().gap_until == 0
    exchange.begins()
    exchange.passes(300)
    exchange.begins()
    exchange.dials()
    assert exchange.explains().gap_until - exchange.explains().now <= 60_000


@pytest.mark.parametrize("end", ["canceled", "expired", "guessed_at"])
@each_limit
def test_no_other_end_gives_back_what_rang(redis: Redis, case: Case, end: str) -> None:
    """Only an approval says that the person was there."""
    exchange = case.allows(redis, 1)
    begun = case.begins(exchange)
    exchange.dials()
    {"canceled": canceled, "expired": expired, "guessed_at": guessed_at}[end](exchange, begun)
    assert case.is_full(exchange)
