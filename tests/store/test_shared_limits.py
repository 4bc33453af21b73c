"""Limits that many share: prefixes, addresses, clients, days; and clients that report nothing."""

from typing import Any

import pytest
from redis import Redis
from store.driver import GAPS, RAVI, StoreDriver, driver_with_limits, parse_quotas
from store.limit_cases import (
    ADDRESS,
    DAY,
    NO_GAP,
    far_numbers,
    limit_usage,
    refusing,
    stored,
)
from support.service import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult

NEIGHBOUR, STRANGER = "+919876543211", "+919876553211"
"""One of Asha's prefix, and one of her area but not of her prefix."""
APP = {"app": ClientLimits(deliver_only=True, calls_per_day=90)}

DOWN = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True)


def dials_for(driver: StoreDriver, to: str, **members: Any) -> Verification:
    """A verification whose call was sent and found the phone busy."""
    begun = driver.create(to, **members)
    driver.dial_busy(to)
    return begun


def used(driver: StoreDriver, limit: str, to: str = ASHA, client: str | None = None) -> int:
    """How many count in a limit."""
    [use] = [use for use in limit_usage(driver, to) if (use.client, use.limit) == (client, limit)]
    return use.used


# Prefixes ----------------------------------------------------------------------------------------


def prefixed(redis: Redis, *quotas: str) -> StoreDriver:
    """Only so many numbers of a prefix."""
    return driver_with_limits(redis, gaps=NO_GAP, unverified_per_prefix=parse_quotas(*quotas))


def test_a_prefix_counts_numbers_not_calls(redis: Redis) -> None:
    """Ten calls to one number take one place, and leave the other."""
    driver = prefixed(redis, "2/1h")
    for n in range(10):
        driver.cancel(dials_for(driver, ASHA, client=f"client {n}"))
    assert used(driver, "unverified_per_prefix") == 1
    dials_for(driver, NEIGHBOUR)
    assert refusing(driver.try_create("+919876543212")) == "unverified_per_prefix"


def test_a_number_in_a_full_prefix_is_called_further(redis: Redis) -> None:
    """It has its place already, and its newest call holds it."""
    driver = prefixed(redis, "1/1h")
    dials_for(driver, ASHA)
    driver.advance_time(1800)
    dials_for(driver, ASHA, client="bank")
    driver.advance_time(1801)
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"
    driver.advance_time(1800)
    assert driver.try_create(NEIGHBOUR).outcome == "created"


def test_a_prefix_says_nothing_of_another(redis: Redis) -> None:
    """Not even of its own area."""
    driver = prefixed(redis, "1/1h")
    dials_for(driver, ASHA)
    dials_for(driver, STRANGER)
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"


def test_an_approval_takes_the_number_out(redis: Redis) -> None:
    """With all its calls, and no other number with it."""
    driver = prefixed(redis, "2/1h")
    driver.cancel(dials_for(driver, ASHA))
    begun = dials_for(driver, ASHA, client="bank")
    dials_for(driver, NEIGHBOUR)
    assert refusing(driver.try_create("+919876543212")) == "unverified_per_prefix"
    driver.approve(begun)
    assert used(driver, "unverified_per_prefix") == 1
    dials_for(driver, "+919876543212")
    assert refusing(driver.try_create(ASHA)) == "unverified_per_prefix"


def test_a_returned_call_leaves_the_number_where_its_others_put_it(redis: Redis) -> None:
    """In its prefix from the moment of the last call that rang."""
    driver = prefixed(redis, "1/1h")
    dials_for(driver, ASHA)
    driver.advance_time(3000)
    driver.create(ASHA, client="bank")
    driver.dial(DOWN)
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"
    driver.advance_time(601)
    assert driver.try_create(NEIGHBOUR).outcome == "created"


def test_a_prefix_remembers_longer_than_a_day(redis: Redis) -> None:
    """A window of a week holds what rang three days ago, also when a newer call is returned."""
    driver = prefixed(redis, "1/7d")
    driver.cancel(dials_for(driver, ASHA))
    driver.advance_time(3 * DAY)
    driver.cancel(driver.create(ASHA))
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"


def test_a_number_needs_room_in_each_window(redis: Redis) -> None:
    """In the long one still, in the short one no more: it needs a new place in that alone."""
    driver = prefixed(redis, "1/10m", "2/24h")
    dials_for(driver, ASHA)
    driver.advance_time(601)
    dials_for(driver, NEIGHBOUR)
    assert refusing(driver.try_create(ASHA, client="bank")) == "unverified_per_prefix 1/10m"
    driver.advance_time(601)
    dials_for(driver, ASHA, client="bank")
    driver.advance_time(601)
    assert refusing(driver.try_create("+919876543212")) == "unverified_per_prefix 2/24h"


# Addresses ---------------------------------------------------------------------------------------


def by_address(redis: Redis, count: int) -> StoreDriver:
    """Only so many calls for an address."""
    return driver_with_limits(redis, gaps=NO_GAP, calls_per_ip=parse_quotas(f"{count}/1h"))


def test_an_address_counts_calls_of_all_its_numbers(redis: Redis) -> None:
    """Three to two numbers; another address, and none, are not asked."""
    driver = by_address(redis, 3)
    driver.cancel(dials_for(driver, ASHA, ip=ADDRESS))
    dials_for(driver, ASHA, ip=ADDRESS)
    dials_for(driver, RAVI, ip=ADDRESS)
    assert refusing(driver.try_create(STRANGER, ip=ADDRESS)) == "calls_per_ip"
    assert driver.try_create(STRANGER, ip="198.51.100.7").outcome == "created"
    assert driver.try_create(NEIGHBOUR).outcome == "created"


def test_further_calls_count_for_the_first_address(redis: Redis) -> None:
    """A verification keeps the address it was begun with; a later create's is ignored."""
    driver = by_address(redis, 2)
    begun = dials_for(driver, ASHA, ip=ADDRESS)
    assert driver.try_create(ip="198.51.100.7").outcome == "existing"
    driver.dial_busy()
    assert refusing(driver.request_call(begun)) == "calls_per_ip"


def test_an_approval_gives_its_own_calls_back_to_the_address(redis: Redis) -> None:
    """Not those for other people at the same address."""
    driver = by_address(redis, 3)
    begun = dials_for(driver, ASHA, ip=ADDRESS)
    driver.request_call(begun)
    driver.dial_busy()
    dials_for(driver, RAVI, ip=ADDRESS)
    driver.approve(begun)
    for n in range(2):
        driver.create(far_numbers(n), ip=ADDRESS)
    assert refusing(driver.try_create(far_numbers(2), ip=ADDRESS)) == "calls_per_ip"


# Clients and days --------------------------------------------------------------------------------


def test_clients_have_limits_of_their_own(redis: Redis) -> None:
    """One that has used up its minute or its day keeps no other from calling."""
    driver = driver_with_limits(
        redis,
        gaps=NO_GAP,
        clients={
            "login": ClientLimits(parse_quotas("1/1m"), 2),
            "bank": ClientLimits(parse_quotas("1/1m"), 2),
        },
    )
    for client in ("login", "bank"):
        dials_for(driver, far_numbers(0), client=client)
        refused = driver.try_create(far_numbers(1), client=client)
        assert refusing(refused) == "calls_per_client"
    driver.advance_time(62)
    dials_for(driver, far_numbers(2))
    driver.advance_time(62)
    assert refusing(driver.try_create(far_numbers(3))) == "calls_per_day"
    dials_for(driver, far_numbers(3), client="bank")


def test_the_day_of_all_holds_every_client(redis: Redis) -> None:
    """However much of its own a client has left: it fails closed."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, calls_per_day=2, clients={"login": ClientLimits(calls_per_day=9)}
    )
    dials_for(driver, ASHA)
    dials_for(driver, RAVI, client="bank")
    for client in ("login", "bank", "stranger"):
        assert refusing(driver.try_create(STRANGER, client=client)) == "calls_per_day"


def test_a_call_that_waits_for_its_line_holds_its_place(redis: Redis) -> None:
    """However short the window: its place waits with it, and counts where it is sent."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, clients={"login": ClientLimits(parse_quotas("1/1m"))}
    )
    driver.create(ASHA, client="bank")
    placed = driver.dial()
    driver.create(ASHA)
    driver.seconds_until_due()
    driver.advance_time(90)
    driver.create(RAVI, ttl=600)
    driver.dial()
    driver.apply_callback(CallStatus.BUSY, call_id=placed.call_id)
    assert 58 <= driver.seconds_until_due() <= 61
    assert refusing(driver.try_create(f"{RAVI[:-1]}1")) == "calls_per_client"
    driver.advance_time(61)
    driver.dial()


def test_delayed_calls_do_not_hold_the_minutes_before_them(redis: Redis) -> None:
    """A client that asks for three a minute, each to come later, may do so forever."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, clients={"login": ClientLimits(parse_quotas("3/1m"))}
    )
    for minute in range(5):
        for n in range(3):
            driver.create(far_numbers(10 * minute + n), call_after=70)
        assert refusing(driver.try_create(far_numbers(10 * minute + 9), call_after=70))
        driver.advance_time(71)
        for _ in range(3):
            driver.dial()


def test_brought_forward_a_call_is_counted_where_it_comes(redis: Redis) -> None:
    """Wanted now, it meets the limit of now; refused, it comes when it was to come."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, clients={"login": ClientLimits(parse_quotas("2/1m"))}
    )
    later = [driver.create(far_numbers(n), call_after=100 + 100 * n) for n in range(2)]
    driver.create(far_numbers(5))
    assert driver.request_call(later[0]).outcome == "coming"
    seen = driver.get(later[1])
    refused = driver.request_call(later[1])
    assert refusing(refused) == "calls_per_client"
    assert (seen.next_call().reason, seen.next_call().at) == ("rate_limited", seen.limit_until)
    driver.advance_time(61)
    assert driver.request_call(later[1]).outcome == "coming"


# Clients that report nothing ---------------------------------------------------------------------


def silent(redis: Redis, **limits: Any) -> StoreDriver:
    """An exchange with a client ``app`` that checks codes itself."""
    return driver_with_limits(redis, gaps=NO_GAP, clients=APP, **limits)


@pytest.mark.parametrize("setting", ["calls_per_number", "unverified_per_prefix", "calls_per_ip"])
def test_what_is_counted_without_approval_is_not_for_them(redis: Redis, setting: str) -> None:
    """They would never give a place back: they take none, and others' keep them from nothing."""
    driver = silent(redis, **{setting: parse_quotas("1/1h")})
    for n in range(3):
        dials_for(driver, f"{ASHA[:-1]}{n}", client="app", ip=ADDRESS)
    dials_for(driver, ASHA, client="login", ip=ADDRESS)
    other = ASHA if setting == "calls_per_number" else NEIGHBOUR
    assert refusing(driver.try_create(other, client="bank", ip=ADDRESS)) == setting
    dials_for(driver, ASHA, client="app", reference="again", ip=ADDRESS)


def test_every_call_of_theirs_is_counted_as_one(redis: Redis) -> None:
    """In the number's every call, in the client's limits and in the day; and returned likewise."""
    driver = driver_with_limits(
        redis,
        gaps=NO_GAP,
        all_calls_per_number=parse_quotas("3/24h"),
        calls_per_day=9,
        clients={"app": ClientLimits(parse_quotas("9/1m"), 9, deliver_only=True)},
    )
    dials_for(driver, ASHA, client="app")
    driver.cancel(driver.create(client="app", reference="another"))
    for limit, client in (
        *(("all_calls_per_number", None), ("calls_per_day", None)),
        *(("calls_per_client", "app"), ("calls_per_day", "app")),
    ):
        assert used(driver, limit, client=client) == 1
    for n in range(2):
        dials_for(driver, ASHA, client="app", reference=f"{n}")
    assert refusing(driver.try_create(client="login")) == "all_calls_per_number"
    assert refusing(driver.try_create(client="app", reference="4")) == "all_calls_per_number"


def test_a_gap_holds_them_as_all(redis: Redis) -> None:
    """The person at the phone does not care who checks the code."""
    driver = driver_with_limits(redis, gaps=GAPS, clients=APP)
    dials_for(driver, ASHA, client="app")
    begun = driver.create(client="login")
    assert begun.gap_until > begun.now
    assert driver.last_call(begun).due_at == begun.gap_until


def test_their_refused_creates_leave_no_trace(redis: Redis) -> None:
    """As anybody's."""
    driver = silent(redis, all_calls_per_number=parse_quotas("1/24h"))
    dials_for(driver, ASHA, client="app")
    before = stored(redis)
    assert refusing(driver.try_create(client="app", reference="2")) == "all_calls_per_number"
    assert stored(redis) == before


def test_an_answered_call_of_theirs_may_be_placed_again(redis: Redis) -> None:
    """What they never report approved is only a busy telephone to the rest."""
    driver = silent(redis, calls_per_number=parse_quotas("1/1h"))
    begun = driver.create(client="app")
    placed = driver.dial()
    driver.apply_callback(CallStatus.ANSWERED, call_id=placed.call_id)
    driver.advance_time(301)
    assert driver.get(begun).ended_at
    dials_for(driver, ASHA)
