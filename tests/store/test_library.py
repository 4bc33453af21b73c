"""The rules as a library of the server: beside others, forgotten, and of one run only."""

import pytest
from msgspec import structs
from redis import Redis
from store.driver import CODE, RAVI, StoreDriver

from otpvoice.core.limits import NO_LIMITS, parse_quota
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

MOST = 16


def with_limit(redis: Redis, calls: int) -> StoreDriver:
    """A desk whose settings allow so many calls to one number."""
    limits = structs.replace(NO_LIMITS, calls_per_number=(parse_quota(f"{calls}/10m"),))
    return StoreDriver(RedisStore(redis, policy=StorePolicy(limits=limits)))


def libraries(redis: Redis) -> int:
    """How many the server holds."""
    return len(redis.function_list("otpvoice_*"))


def test_two_settings_side_by_side(redis: Redis) -> None:
    """During a deployment each process lives by its own settings, whoever asked last."""
    strict, loose = with_limit(redis, 1), with_limit(redis, 3)
    begun = strict.create(reference="1")
    strict.dial()
    for _ in range(3):
        assert strict.try_create(reference="2").outcome == "rate_limited calls_per_number"
        assert loose.get(begun).checks_left == 5
    assert loose.try_create(reference="2").outcome == "created"


def test_nothing_of_one_run_is_known_in_the_next(redis: Redis) -> None:
    """What was read of a number is read anew: somebody else may have changed it."""
    desk = with_limit(redis, 1)
    assert desk.try_create().outcome == "created"
    redis.flushdb()
    desk.sweep()
    assert desk.try_create().outcome == "created"


def test_libraries_do_not_pile_up(redis: Redis) -> None:
    """However many settings and releases there were; the first one still serves."""
    first = with_limit(redis, 1_000)
    begun = first.create_answered()
    for calls in range(1_001, 1_001 + 2 * MOST):
        assert with_limit(redis, calls).get(begun).checks_left == 5
        assert libraries(redis) <= MOST
    assert first.check(begun, CODE).outcome == "right"


def test_a_fault_is_not_taken_for_a_missing_library(redis: Redis) -> None:
    """A rule that fails is not run again, and nothing is loaded for it."""
    desk = with_limit(redis, 1)
    redis.config_resetstat()
    with pytest.raises(Exception, match="ERR in the store's function"):
        desk.store.due_status_queries("many")  # type: ignore[arg-type]
    stats = redis.info("commandstats")
    assert stats["cmdstat_fcall"]["calls"] == 1
    assert not [name for name in stats if name.startswith("cmdstat_function")]


def test_memory_of_a_library(redis: Redis) -> None:
    """Under 256 KiB: a few beside each other are no matter."""
    with_limit(redis, 2).try_create(RAVI)
    stats = redis.memory_stats()
    used = stats.get("functions.caches", 0)
    print(f"{used} bytes of {libraries(redis)} libraries")
    assert used <= libraries(redis) * 256 * 1024
