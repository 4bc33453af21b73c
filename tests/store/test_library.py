"""The library of functions: it coexists with others, is reloaded, and keeps nothing of a run."""

import pytest
from msgspec import structs
from redis import Redis
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.limits import NO_LIMITS, parse_quota
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

MOST = 16


def with_limit(redis: Redis, calls: int) -> StoreDriver:
    """Return a driver whose settings allow this many calls to one number."""
    limits = structs.replace(NO_LIMITS, calls_per_number=(parse_quota(f"{calls}/10m"),))
    return StoreDriver(RedisStore(redis, policy=StorePolicy(limits=limits)))


def libraries(redis: Redis) -> int:
    """Return how many libraries the server has."""
    return len(redis.function_list("otpvoice_*"))


def test_libraries_of_two_settings_coexist(redis: Redis) -> None:
    """Each process uses its own settings."""
    strict, loose = with_limit(redis, 1), with_limit(redis, 3)
    begun = strict.create(reference="1")
    strict.dial()
    for _ in range(3):
        assert strict.try_create(reference="2").outcome == "rate_limited calls_per_number"
        assert loose.get(begun).checks_left == 5
    assert loose.try_create(reference="2").outcome == "created"


def test_run_reads_records_again(redis: Redis) -> None:
    """Another process may have changed them."""
    driver = with_limit(redis, 1)
    assert driver.try_create().outcome == "created"
    redis.flushdb()
    driver.sweep()
    assert driver.try_create().outcome == "created"


def test_old_libraries_are_deleted(redis: Redis) -> None:
    """The first process still works."""
    first = with_limit(redis, 1_000)
    begun = first.create_answered()
    for calls in range(1_001, 1_001 + 2 * MOST):
        assert with_limit(redis, calls).get(begun).checks_left == 5
        assert libraries(redis) <= MOST
    assert first.check(begun, CODE).outcome == "right"


def test_failed_function_does_not_reload_the_library(redis: Redis) -> None:
    """It runs once."""
    driver = with_limit(redis, 1)
    redis.config_resetstat()
    with pytest.raises(Exception, match="ERR in the store's function"):
        driver.store.due_status_queries("many")  # type: ignore[arg-type]
    stats = redis.info("commandstats")
    assert stats["cmdstat_fcall"]["calls"] == 1
    assert not [name for name in stats if name.startswith("cmdstat_function")]


def test_memory_of_a_library_is_under_256_kib(redis: Redis) -> None:
    with_limit(redis, 2).try_create(RAVI)
    stats = redis.memory_stats()
    used = stats.get("functions.caches", 0)
    print(f"{used} bytes of {libraries(redis)} libraries")
    assert used <= libraries(redis) * 256 * 1024
