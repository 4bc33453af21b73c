"""Drivers of processes with certain settings, and the runner of the models."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from msgspec import structs
from redis import Redis
from store.driver import GAPS, StoreDriver

from otpvoice.core.limits import NO_LIMITS, ClientLimits, Quota, parse_quota
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


def process(redis: Redis, *clients: str, **members: Any) -> StoreDriver:
    """Return a process whose settings have these clients."""
    names = ("routes", "max_redials", "callback_timeout_ms", "clients_with_events")
    policy = {name: members.pop(name) for name in names if name in members}
    own = {name: ClientLimits() for name in clients}
    return driver_with_limits(redis, gaps=(0,), policy=policy, **{"clients": own, **members})


def run_machine(machine: type[RuleBasedStateMachine], examples: int) -> None:
    """Run random sequences of steps; ``OTPVOICE_TEST_EXAMPLES`` sets another number of them."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("OTPVOICE_TEST_EXAMPLES", examples)),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[*HealthCheck],
        ),
    )
