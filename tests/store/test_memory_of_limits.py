"""What limits store: bounded, and expired after their windows."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import StoreDriver
from store.limit_cases import ADDRESS, DAY, GENEROUS, NO_GAP, far_numbers
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import ClientLimits, parse_ratio

LOGINS = int(os.environ.get("OTPVOICE_TEST_LOGINS", "300"))
SLICES = 61
"""Sixty of a window and the one it begins in."""


def size_of(redis: Redis, pattern: str) -> int:
    """Return the number of members or fields of the largest of these keys."""
    sizes: dict[Any, Callable[[Any], int]] = {
        b"hash": redis.hlen, b"zset": redis.zcard, b"list": redis.llen
    }  # fmt: skip
    found = [sizes[redis.type(key)](key) for key in redis.scan_iter(pattern)]
    assert found
    return max(found)


def test_counter_has_at_most_its_buckets(redis: Redis) -> None:
    """With two fields, over four minutes of calls, wrong codes and refusals."""
    driver = driver_with_limits(
        redis,
        gaps=NO_GAP,
        calls_per_day=300,
        wrong_codes_per_number=parse_quotas("900/1h"),
        wrong_code_breaker=parse_ratio("60%/10m"),
        clients={"login": ClientLimits(parse_quotas("40/1m", "300/1h"))},
    )
    for n in range(400):
        begun = driver.try_create(far_numbers(n)).verification
        if begun:
            driver.check(begun, "999999")
            driver.dial()
        driver.advance_time(0.6)
        if n % 50 == 49:
            assert size_of(redis, "*:counter:*") <= SLICES + 2


def test_counter_expires_with_its_window(redis: Redis) -> None:
    """At most a bucket later."""
    driver = driver_with_limits(
        redis, clients={"login": ClientLimits(parse_quotas("5/1m", "5/1h"), 5)}
    )
    driver.create()
    lives = {key.rpartition(b":")[2]: redis.pttl(key) for key in redis.scan_iter("*:counter:*")}
    assert lives.keys() == {b"60000", b"3600000", b"86400000"}
    for window, life in lives.items():
        assert int(window) - 5_000 <= life <= int(window) * SLICES // 60 + 1


def test_record_of_a_number_is_bounded(redis: Redis) -> None:
    """Two hundred logins of many clients."""
    driver = driver_with_limits(redis, gaps=NO_GAP, all_calls_per_number=parse_quotas("20/24h"))
    for n in range(200):
        begun = driver.try_create(client=f"client {n % 3}", reference=f"{n}").verification
        if begun and n % 2:
            driver.dial_busy()
        if begun and n % 3 == 0:
            driver.check(begun, CODE)
        assert size_of(redis, "*:number:*") <= 20 + 20 + 3 + 4


def test_record_of_a_number_is_bounded_over_many_creates(redis: Redis) -> None:
    """Five are pending, and the newest ended are listed."""
    driver = driver_with_limits(redis, **GENEROUS)
    outcomes = Counter(
        driver.try_create(reference=f"{n}", ip=ADDRESS).outcome for n in range(LOGINS)
    )
    assert outcomes == {"created": 90, "rate_limited calls_per_ip 90/1h": LOGINS - 90}
    assert size_of(redis, "*:number:*") == 5 + 5 + 16 + len(["scopes", "canceled_call_at"])
    assert size_of(redis, "*:ip:*") == 90
    assert size_of(redis, "*:prefix:*") == 1
    assert size_of(redis, "*:counter:*") <= SLICES + 2


def test_record_of_a_number_drops_old_calls(redis: Redis) -> None:
    """A year of daily calls."""
    driver = driver_with_limits(redis, all_calls_per_number=parse_quotas("20/24h"))
    sizes = set()
    for _ in range(40):
        driver.cancel(driver.create())
        driver.create()
        driver.dial_busy()
        driver.advance_time(DAY + 1)
        [key] = redis.scan_iter("*:number:*")
        fields: dict[Any, Any] = redis.hgetall(key)
        sizes.add(sum(field.startswith(b"call_") for field in fields))
    assert sizes == {1}


def test_prefixes_and_addresses_drop_old_members(redis: Redis) -> None:
    driver = driver_with_limits(
        redis,
        gaps=NO_GAP,
        unverified_per_prefix=parse_quotas("9/10m"),
        calls_per_ip=parse_quotas("9/10m"),
    )
    for n in range(30):
        driver.create(f"{ASHA[:-4]}{n:04}", ip=ADDRESS)
        driver.dial()
        driver.advance_time(200)
        assert size_of(redis, "*:prefix:*") <= 3
        assert size_of(redis, "*:ip:*") <= 3


def test_every_key_of_limits_expires(redis: Redis) -> None:
    """A number a day after its last call."""
    driver = driver_with_limits(redis, **GENEROUS)
    driver.try_create(ip=ADDRESS, keep=600)
    driver.dial()
    for key in redis.scan_iter():
        kind = key.split(b":")[1]
        if kind in {b"number", b"prefix", b"ip", b"counter"}:
            assert 0 < redis.pttl(key) <= DAY * 1000 * SLICES / 60 + 1


def test_without_limits_only_calls_of_a_day_are_stored(redis: Redis) -> None:
    """For the gap and for operators."""
    driver: StoreDriver = driver_with_limits(redis, gaps=NO_GAP)
    for n in range(5):
        driver.cancel(driver.create(client=f"client {n}", ip=ADDRESS))
    for pattern in ("*:counter:*", "*:ip:*", "*:prefix:*", "*:breakers", "*:refusals:*"):
        assert not list(redis.scan_iter(pattern))
