"""Limits of creates, and what creates leave in the store."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import RAVI, StoreDriver
from store.limit_cases import ADDRESS, HOUR, NO_GAP, far_numbers, refusing
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import Verification

CREATES = int(os.environ.get("OTPVOICE_TEST_CREATES", "300"))
LIMITS = {"creates_per_ip": "3/1h", "creates_per_client": "3/1m"}
Ending = Callable[[StoreDriver, Verification], object]
ENDINGS: list[Ending] = [
    StoreDriver.cancel,
    StoreDriver.approve,
    lambda driver, begun: driver.check(begun, CODE),
    lambda driver, _: driver.dial(),
]


def counted(redis: Redis, setting: str) -> StoreDriver:
    """Return a driver with one limit of creates and no other."""
    limits: dict[str, Any] = {setting: parse_quotas(LIMITS[setting])}
    return driver_with_limits(redis, gaps=NO_GAP, **limits)


@pytest.mark.parametrize("setting", LIMITS)
@pytest.mark.parametrize("end", ENDINGS, ids=["canceled", "approved", "checked", "called"])
def test_create_that_starts_a_verification_counts(redis: Redis, setting: str, end: Ending) -> None:
    """A refusal names the retry time and does not count."""
    driver = counted(redis, setting)
    for n in range(3):
        end(driver, driver.create(far_numbers(n), ip=ADDRESS, own_code=True))
    for _ in range(3):
        refused = driver.try_create(far_numbers(9), ip=ADDRESS)
        assert refusing(refused) == setting
    driver.advance_time(refused.retry_after_ms / 1000)
    driver.create(far_numbers(9), ip=ADDRESS)


@pytest.mark.parametrize("setting", LIMITS)
def test_create_that_finds_the_pending_verification_does_not_count(
    redis: Redis, setting: str
) -> None:
    """By reference or by idempotency key."""
    driver = counted(redis, setting)
    key = Idempotency("one key", "one body")
    driver.try_create(ip=ADDRESS, idempotency=key)
    for _ in range(9):
        assert driver.try_create(ip=ADDRESS).outcome == "existing"
        assert driver.try_create(ip=ADDRESS, idempotency=key).is_replayed
    driver.create(RAVI, ip=ADDRESS)


@pytest.mark.parametrize(
    ("setting", "others"),
    [("creates_per_ip", {"ip": "203.0.113.10"}), ("creates_per_client", {"client": "bank"})],
)
def test_creates_count_by_address_and_client(
    redis: Redis, setting: str, others: dict[str, str]
) -> None:
    driver = counted(redis, setting)
    members: dict[str, Any] = {"ip": ADDRESS, "client": "login"}
    for n in range(3):
        driver.try_create(far_numbers(n), **members)
    assert refusing(driver.try_create(far_numbers(4), **members)) == setting
    assert driver.try_create(far_numbers(4), **members | others).outcome == "created"


def test_creates_without_an_address_meet_no_limit_of_addresses(redis: Redis) -> None:
    driver = counted(redis, "creates_per_ip")
    for n in range(9):
        driver.create(far_numbers(n))


def test_creates_limit_does_not_lock_out_a_number(redis: Redis) -> None:
    """The owner uses another address."""
    driver = counted(redis, "creates_per_ip")
    for n in range(9):
        begun = driver.try_create(reference=f"{n}", ip=ADDRESS).verification
        if begun:
            driver.cancel(begun)
    assert driver.try_create(reference="owner", ip="203.0.113.10").outcome == "created"


def test_creates_and_cancels_leave_the_numbers_limits(redis: Redis) -> None:
    """Only the address has used capacity."""
    driver = driver_with_limits(
        redis,
        gaps=NO_GAP,
        calls_per_number=parse_quotas("3/10m"),
        all_calls_per_number=parse_quotas("5/24h"),
        calls_per_ip=parse_quotas("6/1h"),
        unverified_per_prefix=parse_quotas("1/10m"),
    )
    for n in range(6):
        driver.cancel(driver.create(reference=f"{n}", ip=ADDRESS))
    assert refusing(driver.try_create(reference="7", ip=ADDRESS)) == "calls_per_ip"
    for n in range(3):
        driver.create(client=f"client {n}", ip="203.0.113.10")


# What they leave ----------------------------------------------------------------------------------


def life_of(redis: Redis, pattern: str) -> int:
    """Return how many seconds the one key of a pattern is still kept."""
    [key] = redis.scan_iter(pattern)
    return redis.ttl(key)


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        (lambda driver, begun: driver.cancel(begun), False),
        (lambda driver, _: driver.advance_time(301), False),
        (lambda driver, _: driver.try_create(reference="r", code="99999", own_code=True), False),
        (lambda driver, begun: driver.approve(begun), True),
        (lambda driver, begun: (driver.dial(), driver.cancel(begun)), True),
    ],
    ids=["canceled", "expired", "superseded", "approved", "called and canceled"],
)
def test_records_of_an_ended_verification_are_kept_for_the_retention_or_an_hour(
    driver: StoreDriver, redis: Redis, end: Ending, kept: bool
) -> None:
    """The retention if a call was sent or it was approved."""
    begun = driver.try_create(reference="r", idempotency=Idempotency("key", "body")).verification
    assert begun
    end(driver, begun)
    patterns = [f"*:verification:{begun.id}", f"*:call:{begun.calls[0].id}", "*:idempotency:*"]
    lives = [life_of(redis, pattern) for pattern in patterns]
    assert min(lives) > 23 * HOUR if kept else max(lives) <= HOUR
    assert (life_of(redis, "*:number:*") > 24 * HOUR) is kept


def test_reference_of_a_canceled_verification_is_kept_for_an_hour(
    driver: StoreDriver, redis: Redis
) -> None:
    """If it names no other verification."""
    driver.cancel(driver.create(reference="r"))
    assert life_of(redis, "*:reference:*") <= HOUR


def test_reference_of_a_called_verification_outlives_a_canceled_one(
    driver: StoreDriver, redis: Redis
) -> None:
    """Operators find the one that was called."""
    called = driver.create_answered(reference="r")
    driver.approve(called)
    driver.cancel(driver.create(reference="r"))
    assert life_of(redis, "*:reference:*") > 24 * HOUR


@pytest.mark.parametrize("numbers", ["one number", "many numbers"])
def test_memory_of_creates_that_were_canceled_is_gone_after_an_hour(
    redis: Redis, numbers: str
) -> None:
    """Except counters, and ids among the newest. Prints the bytes of such a create."""
    driver = driver_with_limits(redis, gaps=NO_GAP, pending_per_number=5)
    before = _used(redis)
    for n in range(CREATES):
        to = ASHA if numbers == "one number" else far_numbers(n)
        key = Idempotency(f"key {n}", "one body")
        begun = driver.try_create(to, reference=f"session {n}", ip=ADDRESS, idempotency=key)
        assert begun.verification
        driver.cancel(begun.verification)
    at_first = (_used(redis) - before) / CREATES
    for each in redis.scan_iter():
        life = redis.pttl(each)
        assert life >= 0 or each.decode().rpartition(":")[2] in {"queue", "expiring", "live"}
        if life <= HOUR * 1000:
            redis.delete(each)
    later = (_used(redis) - before) / CREATES
    print(f"{numbers}: {at_first:.0f} bytes each at first, {later:.0f} after an hour")
    of_lists = 36  # an id among the newest
    assert later < of_lists + (20 if numbers == "one number" else 450)


def _used(redis: Redis) -> int:
    return sum(int(redis.memory_usage(key, samples=0) or 0) for key in redis.scan_iter())


def test_cost_of_a_create_does_not_grow_with_those_that_ended(redis: Redis) -> None:
    """The last create runs as many commands as one after a hundred."""
    driver = driver_with_limits(redis, gaps=NO_GAP, pending_per_number=5)

    def commands() -> int:
        return sum(each["calls"] for each in redis.info("commandstats").values())

    costs = []
    for n in range(400):
        before = commands()
        begun = driver.try_create(reference=f"{n}").verification
        costs.append(commands() - before)
        assert begun
        driver.cancel(begun)
    clock_writes = 1  # once a second, a function also stores the time
    assert max(costs[-100:]) <= max(costs[100:200]) + clock_writes


def test_verification_without_a_call_is_deleted_after_an_hour(
    driver: StoreDriver, redis: Redis
) -> None:
    """Its idempotency key starts another."""
    key = Idempotency("one key", "one body")
    begun = driver.try_create(idempotency=key).verification
    assert begun
    driver.cancel(begun)
    for each in redis.scan_iter():
        if 0 <= redis.ttl(each) <= HOUR and b"dialers" not in each:
            redis.delete(each)
    assert driver.store.get(begun.id, "login").outcome == "not_found"
    assert driver.try_create(idempotency=key).outcome == "created"
