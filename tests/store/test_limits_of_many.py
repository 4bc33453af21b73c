"""Limits that many share: prefixes, addresses, clients, days; and clients that report nothing."""

from typing import Any

import pytest
from redis import Redis
from store.exchange import GAPS, RAVI, Exchange, limited, quotas_of
from store.limit_cases import (
    ADDRESS,
    DAY,
    NO_GAP,
    far_numbers,
    refusing,
    stored,
    uses_of,
)
from world import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult

NEIGHBOUR, STRANGER = "+919876543211", "+919876553211"
"""One of Asha's prefix, and one of her area but not of her prefix."""
APP = {"app": ClientLimits(deliver_only=True, calls_per_day=90)}

DOWN = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, unsent=True)


def dials_for(exchange: Exchange, to: str, **members: Any) -> Verification:
    """A verification whose call was sent and found the phone busy."""
    begun = exchange.begins(to, **members)
    exchange.finds_busy(to)
    return begun


def used(exchange: Exchange, limit: str, to: str = ASHA, client: str | None = None) -> int:
    """How many count in a limit."""
    [use] = [use for use in uses_of(exchange, to) if (use.client, use.limit) == (client, limit)]
    return use.used


# Prefixes ----------------------------------------------------------------------------------------


def prefixed(redis: Redis, *quotas: str) -> Exchange:
    """Only so many numbers of a prefix."""
    return limited(redis, gaps=NO_GAP, unverified_per_prefix=quotas_of(*quotas))


def test_a_prefix_counts_numbers_not_calls(redis: Redis) -> None:
    """Ten calls to one number take one place, and leave the other."""
    exchange = prefixed(redis, "2/1h")
    for n in range(10):
        exchange.cancels(dials_for(exchange, ASHA, client=f"client {n}"))
    assert used(exchange, "unverified_per_prefix") == 1
    dials_for(exchange, NEIGHBOUR)
    assert refusing(exchange.asks("+919876543212")) == "unverified_per_prefix"


def test_a_number_in_a_full_prefix_is_called_further(redis: Redis) -> None:
    """It has its place already, and its newest call holds it."""
    exchange = prefixed(redis, "1/1h")
    dials_for(exchange, ASHA)
    exchange.passes(1800)
    dials_for(exchange, ASHA, client="bank")
    exchange.passes(1801)
    assert refusing(exchange.asks(NEIGHBOUR)) == "unverified_per_prefix"
    exchange.passes(1800)
    assert exchange.asks(NEIGHBOUR).outcome == "created"


def test_a_prefix_says_nothing_of_another(redis: Redis) -> None:
    """Not even of its own area."""
    exchange = prefixed(redis, "1/1h")
    dials_for(exchange, ASHA)
    dials_for(exchange, STRANGER)
    assert refusing(exchange.asks(NEIGHBOUR)) == "unverified_per_prefix"


def test_an_approval_takes_the_number_out(redis: Redis) -> None:
    """With all its calls, and no other number with it."""
    exchange = prefixed(redis, "2/1h")
    exchange.cancels(dials_for(exchange, ASHA))
    begun = dials_for(exchange, ASHA, client="bank")
    dials_for(exchange, NEIGHBOUR)
    assert refusing(exchange.asks("+919876543212")) == "unverified_per_prefix"
    exchange.approves(begun)
    assert used(exchange, "unverified_per_prefix") == 1
    dials_for(exchange, "+919876543212")
    assert refusing(exchange.asks(ASHA)) == "unverified_per_prefix"


def test_a_returned_call_leaves_the_number_where_its_others_put_it(redis: Redis) -> None:
    """In its prefix from the moment of the last call that rang."""
    exchange = prefixed(redis, "1/1h")
    dials_for(exchange, ASHA)
    exchange.passes(3000)
    exchange.begins(ASHA, client="bank")
    exchange.dials(DOWN)
    assert refusing(exchange.asks(NEIGHBOUR)) == "unverified_per_prefix"
    exchange.passes(601)
    assert exchange.asks(NEIGHBOUR).outcome == "created"


def test_a_prefix_remembers_longer_than_a_day(redis: Redis) -> None:
    """A window of a week holds what rang three days ago, also when a newer call is returned."""
    exchange = prefixed(redis, "1/7d")
    exchange.cancels(dials_for(exchange, ASHA))
    exchange.passes(3 * DAY)
    exchange.cancels(exchange.begins(ASHA))
    assert refusing(exchange.asks(NEIGHBOUR)) == "unverified_per_prefix"


def test_a_number_needs_room_in_each_window(redis: Redis) -> None:
    """In the long one still, in the short one no more: it needs a new place in that alone."""
    exchange = prefixed(redis, "1/10m", "2/24h")
    dials_for(exchange, ASHA)
    exchange.passes(601)
    dials_for(exchange, NEIGHBOUR)
    assert refusing(exchange.asks(ASHA, client="bank")) == "unverified_per_prefix 1/10m"
    exchange.passes(601)
    dials_for(exchange, ASHA, client="bank")
    exchange.passes(601)
    assert refusing(exchange.asks("+919876543212")) == "unverified_per_prefix 2/24h"


# Addresses ---------------------------------------------------------------------------------------


def by_address(redis: Redis, count: int) -> Exchange:
    """Only so many calls for an address."""
    return limited(redis, gaps=NO_GAP, calls_per_ip=quotas_of(f"{count}/1h"))


def test_an_address_counts_calls_of_all_its_numbers(redis: Redis) -> None:
    """Three to two numbers; another address, and none, are not asked."""
    exchange = by_address(redis, 3)
    exchange.cancels(dials_for(exchange, ASHA, ip=ADDRESS))
    dials_for(exchange, ASHA, ip=ADDRESS)
    dials_for(exchange, RAVI, ip=ADDRESS)
    assert refusing(exchange.asks(STRANGER, ip=ADDRESS)) == "calls_per_ip"
    assert exchange.asks(STRANGER, ip="198.51.100.7").outcome == "created"
    assert exchange.asks(NEIGHBOUR).outcome == "created"


def test_further_calls_count_for_the_first_address(redis: Redis) -> None:
    """A verification keeps the address it was begun with; a later create's is ignored."""
    exchange = by_address(redis, 2)
    begun = dials_for(exchange, ASHA, ip=ADDRESS)
    assert exchange.asks(ip="198.51.100.7").outcome == "existing"
    exchange.finds_busy()
    assert refusing(exchange.calls(begun)) == "calls_per_ip"


def test_an_approval_gives_its_own_calls_back_to_the_address(redis: Redis) -> None:
    """Not those for other people at the same address."""
    exchange = by_address(redis, 3)
    begun = dials_for(exchange, ASHA, ip=ADDRESS)
    exchange.calls(begun)
    exchange.finds_busy()
    dials_for(exchange, RAVI, ip=ADDRESS)
    exchange.approves(begun)
    for n in range(2):
        exchange.begins(far_numbers(n), ip=ADDRESS)
    assert refusing(exchange.asks(far_numbers(2), ip=ADDRESS)) == "calls_per_ip"


# Clients and days --------------------------------------------------------------------------------


def test_clients_have_limits_of_their_own(redis: Redis) -> None:
    """One that has used up its minute or its day keeps no other from calling."""
    exchange = limited(
        redis,
        gaps=NO_GAP,
        clients={
            "login": ClientLimits(quotas_of("1/1m"), 2),
            "bank": ClientLimits(quotas_of("1/1m"), 2),
        },
    )
    for client in ("login", "bank"):
        dials_for(exchange, far_numbers(0), client=client)
        refused = exchange.asks(far_numbers(1), client=client)
        assert refusing(refused) == "calls_per_client"
    exchange.passes(62)
    dials_for(exchange, far_numbers(2))
    exchange.passes(62)
    assert refusing(exchange.asks(far_numbers(3))) == "calls_per_day"
    dials_for(exchange, far_numbers(3), client="bank")


def test_the_day_of_all_holds_every_client(redis: Redis) -> None:
    """However much of its own a client has left: it fails closed."""
    exchange = limited(
        redis, gaps=NO_GAP, calls_per_day=2, clients={"login": ClientLimits(calls_per_day=9)}
    )
    dials_for(exchange, ASHA)
    dials_for(exchange, RAVI, client="bank")
    for client in ("login", "bank", "stranger"):
        assert refusing(exchange.asks(STRANGER, client=client)) == "calls_per_day"


def test_a_call_that_waits_for_its_line_holds_its_place(redis: Redis) -> None:
    """However short the window: its place waits with it, and counts where it is sent."""
    exchange = limited(redis, gaps=NO_GAP, clients={"login": ClientLimits(quotas_of("1/1m"))})
    exchange.begins(ASHA, client="bank")
    placed = exchange.dials()
    exchange.begins(ASHA)
    exchange.finds_nothing()
    exchange.passes(90)
    exchange.begins(RAVI, ttl=600)
    exchange.dials()
    exchange.hears(CallStatus.BUSY, call_id=placed.call_id)
    assert 58 <= exchange.finds_nothing() <= 61
    assert refusing(exchange.asks(f"{RAVI[:-1]}1")) == "calls_per_client"
    exchange.passes(61)
    exchange.dials()


def test_delayed_calls_do_not_hold_the_minutes_before_them(redis: Redis) -> None:
    """A client that asks for three a minute, each to come later, may do so forever."""
    exchange = limited(redis, gaps=NO_GAP, clients={"login": ClientLimits(quotas_of("3/1m"))})
    for minute in range(5):
        for n in range(3):
            exchange.begins(far_numbers(10 * minute + n), call_after=70)
        assert refusing(exchange.asks(far_numbers(10 * minute + 9), call_after=70))
        exchange.passes(71)
        for _ in range(3):
            exchange.dials()


def test_brought_forward_a_call_is_counted_where_it_comes(redis: Redis) -> None:
    """Wanted now, it meets the limit of now; refused, it comes when it was to come."""
    exchange = limited(redis, gaps=NO_GAP, clients={"login": ClientLimits(quotas_of("2/1m"))})
    later = [exchange.begins(far_numbers(n), call_after=100 + 100 * n) for n in range(2)]
    exchange.begins(far_numbers(5))
    assert exchange.calls(later[0]).outcome == "coming"
    seen = exchange.looks(later[1])
    refused = exchange.calls(later[1])
    assert refusing(refused) == "calls_per_client"
    assert (seen.next_call().reason, seen.next_call().at) == ("rate_limited", seen.limit_until)
    exchange.passes(61)
    assert exchange.calls(later[1]).outcome == "coming"


# Clients that report nothing ---------------------------------------------------------------------


def silent(redis: Redis, **limits: Any) -> Exchange:
    """An exchange with a client ``app`` that checks codes itself."""
    return limited(redis, gaps=NO_GAP, clients=APP, **limits)


@pytest.mark.parametrize("setting", ["calls_per_number", "unverified_per_prefix", "calls_per_ip"])
def test_what_is_counted_without_approval_is_not_for_them(redis: Redis, setting: str) -> None:
    """They would never give a place back: they take none, and others' keep them from nothing."""
    exchange = silent(redis, **{setting: quotas_of("1/1h")})
    for n in range(3):
        dials_for(exchange, f"{ASHA[:-1]}{n}", client="app", ip=ADDRESS)
    dials_for(exchange, ASHA, client="login", ip=ADDRESS)
    other = ASHA if setting == "calls_per_number" else NEIGHBOUR
    assert refusing(exchange.asks(other, client="bank", ip=ADDRESS)) == setting
    dials_for(exchange, ASHA, client="app", reference="again", ip=ADDRESS)


def test_every_call_of_theirs_is_counted_as_one(redis: Redis) -> None:
    """In the number's every call, in the client's limits and in the day; and returned likewise."""
    exchange = limited(
        redis,
        gaps=NO_GAP,
        all_calls_per_number=quotas_of("3/24h"),
        calls_per_day=9,
        clients={"app": ClientLimits(quotas_of("9/1m"), 9, deliver_only=True)},
    )
    dials_for(exchange, ASHA, client="app")
    exchange.cancels(exchange.begins(client="app", reference="another"))
    for limit, client in (
        *(("all_calls_per_number", None), ("calls_per_day", None)),
        *(("calls_per_client", "app"), ("calls_per_day", "app")),
    ):
        assert used(exchange, limit, client=client) == 1
    for n in range(2):
        dials_for(exchange, ASHA, client="app", reference=f"{n}")
    assert refusing(exchange.asks(client="login")) == "all_calls_per_number"
    assert refusing(exchange.asks(client="app", reference="4")) == "all_calls_per_number"


def test_a_gap_holds_them_as_all(redis: Redis) -> None:
    """The person at the phone does not care who checks the code."""
    exchange = limited(redis, gaps=GAPS, clients=APP)
    dials_for(exchange, ASHA, client="app")
    begun = exchange.begins(client="login")
    assert begun.gap_until > begun.now
    assert exchange.call_of(begun).due_at == begun.gap_until


def test_their_refused_creates_leave_no_trace(redis: Redis) -> None:
    """As anybody's."""
    exchange = silent(redis, all_calls_per_number=quotas_of("1/24h"))
    dials_for(exchange, ASHA, client="app")
    before = stored(redis)
    assert refusing(exchange.asks(client="app", reference="2")) == "all_calls_per_number"
    assert stored(redis) == before


def test_an_answered_call_of_theirs_may_be_placed_again(redis: Redis) -> None:
    """What they never report approved is only a busy telephone to the rest."""
    exchange = silent(redis, calls_per_number=quotas_of("1/1h"))
    begun = exchange.begins(client="app")
    placed = exchange.dials()
    exchange.hears(CallStatus.ANSWERED, call_id=placed.call_id)
    exchange.passes(301)
    assert exchange.looks(begun).ended_at
    dials_for(exchange, ASHA)
