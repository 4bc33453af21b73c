"""Refusals of a number, kept for operators: the newest twenty, for a day."""

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import RAVI, StoreDriver, number_identity
from store.limit_cases import DAY, NO_GAP
from store.new_verifications import NUMBERS
from support.service import ASHA

from otpvoice.core.verification import CallStatus
from otpvoice.store.admin import Refusal


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with one call a week for a number, and three wrong codes."""
    return driver_with_limits(
        redis,
        gaps=NO_GAP,
        policy={"max_redials": 1},
        calls_per_number=parse_quotas("1/7d"),
        wrong_codes_per_number=parse_quotas("3/7d"),
    )


def refusals(driver: StoreDriver, to: str = ASHA) -> tuple[Refusal, ...]:
    """Return the refusals that operators see."""
    return driver.explain(to).refusals


def test_refused_create_is_kept(driver: StoreDriver) -> None:
    """With time, client, reference hash and limit."""
    driver.create()
    assert driver.try_create(client="bank", reference="login-81").outcome.startswith("rate_limited")
    [kept] = refusals(driver)
    assert kept == Refusal(
        at=kept.at,
        client="bank",
        limit="calls_per_number",
        reference=NUMBERS.hash_attribute("reference", "login-81"),
    )
    assert abs(kept.at - driver.explain().now_ms) < 5_000
    operations = driver.admin
    assert len(operations.find_by_number(number_identity(ASHA), "root")) == 1
    assert not operations.find_by_reference(kept.reference, "root")


def test_refused_call_and_check_are_kept(driver: StoreDriver) -> None:
    """With their verification; a redial that is not allowed is not a refusal."""
    begun = driver.create()
    driver.dial_busy()
    assert not refusals(driver)
    driver.request_call(begun)
    for code in ("999991", "999992", "999993", "999994"):
        driver.check(begun, code)
    check, call = refusals(driver)
    assert (call.verification, call.client, call.limit) == (begun.id, "login", "calls_per_number")
    assert (check.verification, check.limit) == (begun.id, "wrong_codes_per_number")
    assert len(driver.get(begun).calls) == 1


def test_refusal_by_gap_is_kept(redis: Redis) -> None:
    driver = driver_with_limits(redis, gaps=(300,))
    begun = driver.create()
    driver.dial_busy()
    driver.cancel(begun)
    assert driver.try_create().outcome == "call_gap"
    assert [each.limit for each in refusals(driver)] == ["call_gap"]


def test_refusal_by_block_is_kept(driver: StoreDriver) -> None:
    driver.admin.block(number_identity(ASHA), 3_600, "root")
    driver.try_create()
    assert [each.limit for each in refusals(driver)] == ["block"]


def test_other_errors_are_not_kept(redis: Redis) -> None:
    """No dialer, an ended verification, a wrong code."""
    driver = driver_with_limits(redis)
    begun = driver.create()
    driver.check(begun, "999999")
    driver.cancel(begun)
    driver.request_call(begun)
    driver.advance_time(40, dialer=None)
    assert driver.try_create().outcome == "calls_unavailable"
    assert not refusals(driver)


def test_refusals_belong_to_one_number(driver: StoreDriver) -> None:
    """The newest first."""
    driver.create()
    for client in ("bank", "shop"):
        driver.try_create(client=client)
    driver.create(RAVI)
    assert [each.client for each in refusals(driver)] == ["shop", "bank"]
    assert not refusals(driver, RAVI)


def test_the_newest_twenty_are_kept(driver: StoreDriver, redis: Redis) -> None:
    driver.create()
    for n in range(30):
        driver.try_create(client=f"client {n}")
    assert [each.client for each in refusals(driver)] == [f"client {n}" for n in range(29, 9, -1)]
    assert sum(redis.llen(key) for key in redis.scan_iter("*:refusals:*")) == 20


def test_refusal_is_kept_for_a_day(driver: StoreDriver) -> None:
    """A newer one does not extend it."""
    driver.create()
    driver.dial_busy()
    driver.try_create(client="old")
    driver.advance_time(DAY - 60)
    driver.try_create(client="new")
    assert [each.client for each in refusals(driver)] == ["new", "old"]
    driver.advance_time(61)
    assert [each.client for each in refusals(driver)] == ["new"]
    driver.advance_time(DAY)
    assert not refusals(driver)


def test_the_overview_counts_the_last_hour(driver: StoreDriver) -> None:
    """By setting, over all numbers."""
    for to in (ASHA, RAVI):
        driver.create(to)
        driver.try_create(to, client="bank")
    driver.admin.block(number_identity(RAVI), 3_600, "root")
    driver.try_create(RAVI, client="shop")
    refused = driver.admin.overview().refused
    assert {name: count for name, count in refused.items() if count} == {
        "calls_per_number": 2, "block": 1
    }  # fmt: skip
    driver.advance_time(3_661)
    assert not any(driver.admin.overview().refused.values())


def test_busy_call_is_not_a_refusal(redis: Redis) -> None:
    driver = driver_with_limits(redis)
    driver.create()
    driver.dial_busy()
    assert not refusals(driver)
    assert driver.get(driver.create(RAVI)).calls[0].status is CallStatus.QUEUED
