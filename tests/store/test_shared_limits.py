"""Limits of prefixes, addresses, clients and days, and deliver-only clients."""

from typing import Any

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import GAPS, RAVI, StoreDriver
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
    """Create a verification whose call was busy."""
    begun = driver.create(to, **members)
    driver.dial_busy(to)
    return begun


def used(driver: StoreDriver, limit: str, to: str = ASHA, client: str | None = None) -> int:
    """Return the used count of a limit."""
    [use] = [use for use in limit_usage(driver, to) if (use.client, use.limit) == (client, limit)]
    return use.used


# Prefixes -----------------------------------------------------------------------------------------


def prefixed(redis: Redis, *quotas: str) -> StoreDriver:
    """Return a driver with these quotas of a prefix."""
    return driver_with_limits(redis, gaps=NO_GAP, unverified_per_prefix=parse_quotas(*quotas))


def test_prefix_counts_numbers_not_calls(redis: Redis) -> None:
    driver = prefixed(redis, "2/1h")
    for n in range(10):
        driver.cancel(dials_for(driver, ASHA, client=f"client {n}"))
    assert used(driver, "unverified_per_prefix") == 1
    dials_for(driver, NEIGHBOUR)
    assert refusing(driver.try_create("+919876543212")) == "unverified_per_prefix"


def test_number_in_a_full_prefix_can_be_called_again(redis: Redis) -> None:
    driver = prefixed(redis, "1/1h")
    dials_for(driver, ASHA)
    driver.advance_time(1800)
    dials_for(driver, ASHA, client="bank")
    driver.advance_time(1801)
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"
    driver.advance_time(1800)
    assert driver.try_create(NEIGHBOUR).outcome == "created"


def test_prefixes_count_separately(redis: Redis) -> None:
    """Also in one area."""
    driver = prefixed(redis, "1/1h")
    dials_for(driver, ASHA)
    dials_for(driver, STRANGER)
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"


def test_approval_removes_the_number_from_its_prefix(redis: Redis) -> None:
    driver = prefixed(redis, "2/1h")
    driver.cancel(dials_for(driver, ASHA))
    begun = dials_for(driver, ASHA, client="bank")
    dials_for(driver, NEIGHBOUR)
    assert refusing(driver.try_create("+919876543212")) == "unverified_per_prefix"
    driver.approve(begun)
    assert used(driver, "unverified_per_prefix") == 1
    dials_for(driver, "+919876543212")
    assert refusing(driver.try_create(ASHA)) == "unverified_per_prefix"


def test_released_call_keeps_the_number_in_its_prefix(redis: Redis) -> None:
    """At the time of the last call that rang."""
    driver = prefixed(redis, "1/1h")
    dials_for(driver, ASHA)
    driver.advance_time(3000)
    driver.create(ASHA, client="bank")
    driver.dial(DOWN)
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"
    driver.advance_time(601)
    assert driver.try_create(NEIGHBOUR).outcome == "created"


def test_prefix_window_may_exceed_a_day(redis: Redis) -> None:
    driver = prefixed(redis, "1/7d")
    driver.cancel(dials_for(driver, ASHA))
    driver.advance_time(3 * DAY)
    driver.cancel(driver.create(ASHA))
    assert refusing(driver.try_create(NEIGHBOUR)) == "unverified_per_prefix"


def test_number_needs_capacity_in_each_window_it_has_left(redis: Redis) -> None:
    driver = prefixed(redis, "1/10m", "2/24h")
    dials_for(driver, ASHA)
    driver.advance_time(601)
    dials_for(driver, NEIGHBOUR)
    assert refusing(driver.try_create(ASHA, client="bank")) == "unverified_per_prefix 1/10m"
    driver.advance_time(601)
    dials_for(driver, ASHA, client="bank")
    driver.advance_time(601)
    assert refusing(driver.try_create("+919876543212")) == "unverified_per_prefix 2/24h"


# Addresses ----------------------------------------------------------------------------------------


def by_address(redis: Redis, count: int) -> StoreDriver:
    """Return a driver with these quotas of an address."""
    return driver_with_limits(redis, gaps=NO_GAP, calls_per_ip=parse_quotas(f"{count}/1h"))


def test_address_counts_calls_to_all_numbers(redis: Redis) -> None:
    driver = by_address(redis, 3)
    driver.cancel(dials_for(driver, ASHA, ip=ADDRESS))
    dials_for(driver, ASHA, ip=ADDRESS)
    dials_for(driver, RAVI, ip=ADDRESS)
    assert refusing(driver.try_create(STRANGER, ip=ADDRESS)) == "calls_per_ip"
    assert driver.try_create(STRANGER, ip="198.51.100.7").outcome == "created"
    assert driver.try_create(NEIGHBOUR).outcome == "created"


def test_further_calls_count_for_the_address_of_create(redis: Redis) -> None:
    driver = by_address(redis, 2)
    begun = dials_for(driver, ASHA, ip=ADDRESS)
    assert driver.try_create(ip="198.51.100.7").outcome == "existing"
    driver.dial_busy()
    assert refusing(driver.request_call(begun)) == "calls_per_ip"


def test_approval_releases_its_own_calls_of_the_address(redis: Redis) -> None:
    driver = by_address(redis, 3)
    begun = dials_for(driver, ASHA, ip=ADDRESS)
    driver.request_call(begun)
    driver.dial_busy()
    dials_for(driver, RAVI, ip=ADDRESS)
    driver.approve(begun)
    for n in range(2):
        driver.create(far_numbers(n), ip=ADDRESS)
    assert refusing(driver.try_create(far_numbers(2), ip=ADDRESS)) == "calls_per_ip"


# Clients and days ---------------------------------------------------------------------------------


def test_clients_have_separate_limits(redis: Redis) -> None:
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


def test_daily_limit_of_the_service_applies_to_every_client(redis: Redis) -> None:
    driver = driver_with_limits(
        redis, gaps=NO_GAP, calls_per_day=2, clients={"login": ClientLimits(calls_per_day=9)}
    )
    dials_for(driver, ASHA)
    dials_for(driver, RAVI, client="bank")
    for client in ("login", "bank", "stranger"):
        assert refusing(driver.try_create(STRANGER, client=client)) == "calls_per_day"


def test_postponed_call_keeps_its_capacity(redis: Redis) -> None:
    """It counts where it is sent."""
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


def test_delayed_calls_use_no_earlier_capacity(redis: Redis) -> None:
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


def test_call_brought_forward_counts_at_its_new_time(redis: Redis) -> None:
    """If refused, it comes as planned."""
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


# Clients that report nothing ----------------------------------------------------------------------


def silent(redis: Redis, **limits: Any) -> StoreDriver:
    """Return a driver with a deliver-only client ``app``."""
    return driver_with_limits(redis, gaps=NO_GAP, clients=APP, **limits)


@pytest.mark.parametrize("setting", ["calls_per_number", "unverified_per_prefix", "calls_per_ip"])
def test_deliver_only_calls_count_in_no_limit_of_approvals(redis: Redis, setting: str) -> None:
    """And other clients' calls do not limit them there."""
    driver = silent(redis, **{setting: parse_quotas("1/1h")})
    for n in range(3):
        dials_for(driver, f"{ASHA[:-1]}{n}", client="app", ip=ADDRESS)
    dials_for(driver, ASHA, client="login", ip=ADDRESS)
    other = ASHA if setting == "calls_per_number" else NEIGHBOUR
    assert refusing(driver.try_create(other, client="bank", ip=ADDRESS)) == setting
    dials_for(driver, ASHA, client="app", reference="again", ip=ADDRESS)


def test_deliver_only_calls_count_in_all_other_limits(redis: Redis) -> None:
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


def test_gap_applies_to_deliver_only_clients(redis: Redis) -> None:
    driver = driver_with_limits(redis, gaps=GAPS, clients=APP)
    dials_for(driver, ASHA, client="app")
    begun = driver.create(client="login")
    assert begun.gap_until > begun.now
    assert driver.last_call(begun).due_at == begun.gap_until


def test_refused_deliver_only_create_changes_nothing(redis: Redis) -> None:
    driver = silent(redis, all_calls_per_number=parse_quotas("1/24h"))
    dials_for(driver, ASHA, client="app")
    before = stored(redis)
    assert refusing(driver.try_create(client="app", reference="2")) == "all_calls_per_number"
    assert stored(redis) == before


def test_deliver_only_answered_call_allows_another(redis: Redis) -> None:
    driver = silent(redis, calls_per_number=parse_quotas("1/1h"))
    begun = driver.create(client="app")
    placed = driver.dial()
    driver.apply_callback(CallStatus.ANSWERED, call_id=placed.call_id)
    driver.advance_time(301)
    assert driver.get(begun).ended_at
    dials_for(driver, ASHA)
