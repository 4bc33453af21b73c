"""Drivers of processes with certain settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs
from redis import Redis
from store.driver import GAPS, StoreDriver

from otpvoice.core.limits import NO_LIMITS, Quota, parse_quota
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore


def driver_with_quotas(
    redis: Redis, *quotas: str, gaps: Sequence[float] = GAPS, **policy: Any
) -> StoreDriver:
    """Return a driver with these ``calls_per_number`` and this policy."""
    return driver_with_limits(
        redis, calls_per_number=parse_quotas(*quotas), gaps=gaps, policy=policy
    )


def driver_with_limits(
    redis: Redis,
    *,
    gaps: Sequence[float] = GAPS,
    policy: Mapping[str, Any] | None = None,
    **limits: Any,
) -> StoreDriver:
    """Return a driver with these limits and this policy."""
    queue_rules = StorePolicy(limits=structs.replace(NO_LIMITS, **limits), **(policy or {}))
    return StoreDriver(RedisStore(redis, policy=queue_rules), gaps=gaps)


def parse_quotas(*texts: str) -> tuple[Quota, ...]:
    """Parse quotas."""
    return tuple(parse_quota(text) for text in texts)
