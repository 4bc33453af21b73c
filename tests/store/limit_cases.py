"""Every limit of calls, with requests that it counts together, for parametrized tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import StoreDriver
from support.service import ASHA

from otpvoice.core.limits import ClientLimits, LimitStatus
from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import Verification

HOUR, DAY = 3_600, 86_400
NO_GAP = (0,)
ADDRESS = "203.0.113.9"


@dataclass(frozen=True)
class Case:
    """One limit."""

    setting: str
    limits: Callable[[int], Mapping[str, Any]]
    """Return the settings that allow this many."""
    request: Callable[[int], dict[str, Any]]
    """Return the n-th request that it counts; it shares nothing else with the others."""
    window: int = HOUR
    bucket: int = 0
    """Seconds by which capacity may return later than after the window."""
    approved_counts: bool = False
    """An approval does not release it."""

    def allows(self, redis: Redis, count: int = 1, **rules: Any) -> StoreDriver:
        """Return a driver with this one limit and no gaps."""
        return driver_with_limits(redis, gaps=NO_GAP, policy=rules, **self.limits(count))

    def create(self, driver: StoreDriver, n: int = 0, **members: Any) -> Verification:
        """Create the n-th verification and expect success."""
        return driver.create(**self.request(n) | members)

    def refuses(self, driver: StoreDriver, n: int = 999, **members: Any) -> float:
        """Expect a refusal of the n-th request; return the seconds until its retry time."""
        answer = driver.try_create(**self.request(n) | members)
        assert answer.outcome == f"rate_limited {self.setting}"
        return answer.retry_after_ms / 1000

    def is_full(self, driver: StoreDriver, n: int = 999) -> bool:
        """Return whether it refuses the n-th request; cancel an accepted one."""
        answer = driver.try_create(**self.request(n))
        if answer.outcome == "created" and answer.verification:
            driver.cancel(answer.verification)
            return False
        assert answer.outcome == f"rate_limited {self.setting}"
        return True


def far_numbers(n: int) -> str:
    """Return a number that shares neither prefix nor area with the others."""
    return f"+91{9_000_000_000 + 1_000_003 * n}"


def _quotas(setting: str) -> Callable[[int], Mapping[str, Any]]:
    return lambda count: {setting: parse_quotas(f"{count}/1h")}


def _of_client(**limits: Callable[[int], Any]) -> Callable[[int], Mapping[str, Any]]:
    def login(count: int) -> Mapping[str, Any]:
        own = {setting: give(count) for setting, give in limits.items()}
        return {"clients": {"login": ClientLimits(**own)}}

    return login


PER_NUMBER = Case(
    "calls_per_number", _quotas("calls_per_number"), lambda n: {"client": f"client {n}"}
)
ALL_PER_NUMBER = Case(
    "all_calls_per_number",
    _quotas("all_calls_per_number"),
    lambda n: {"client": f"client {n}"},
    approved_counts=True,
)
PER_PREFIX = Case(
    "unverified_per_prefix",
    _quotas("unverified_per_prefix"),
    lambda n: {"to": f"{ASHA[:-4]}{n:04}", "client": f"client {n}"},
)
PER_IP = Case(
    "calls_per_ip",
    _quotas("calls_per_ip"),
    lambda n: {"to": far_numbers(n), "client": f"client {n}", "ip": ADDRESS},
)
PER_CLIENT = Case(
    "calls_per_client",
    _of_client(calls=lambda count: parse_quotas(f"{count}/1h")),
    lambda n: {"to": far_numbers(n)},
    bucket=HOUR // 60,
    approved_counts=True,
)
PER_CLIENT_AND_DAY = Case(
    "calls_per_day",
    _of_client(calls_per_day=lambda count: count),
    lambda n: {"to": far_numbers(n)},
    window=DAY,
    bucket=DAY // 60,
    approved_counts=True,
)
PER_DAY = Case(
    "calls_per_day",
    lambda count: {"calls_per_day": count},
    lambda n: {"to": far_numbers(n), "client": f"client {n}"},
    window=DAY,
    bucket=DAY // 60,
    approved_counts=True,
)
CASES = {
    "number": PER_NUMBER,
    "every call": ALL_PER_NUMBER,
    "prefix": PER_PREFIX,
    "address": PER_IP,
    "client": PER_CLIENT,
    "client's day": PER_CLIENT_AND_DAY,
    "day": PER_DAY,
}

GENEROUS: Final[dict[str, Any]] = {
    "calls_per_number": parse_quotas("90/10m", "95/24h"),
    "all_calls_per_number": parse_quotas("99/24h"),
    "wrong_codes_per_number": parse_quotas("99/24h"),
    "unverified_per_prefix": parse_quotas("90/10m", "95/24h"),
    "calls_per_ip": parse_quotas("90/1h", "95/24h"),
    "calls_per_day": 99,
    "creates_per_ip": parse_quotas("999/1h"),
    "creates_per_client": parse_quotas("999/1h"),
    "pending_per_number": 5,
    "attempts_per_verification": 6,
    "clients": {"login": ClientLimits(parse_quotas("99/1m"), 99)},
}
"""Every limit, with ample capacity."""


def limit_usage(driver: StoreDriver, to: str = ASHA) -> list[LimitStatus]:
    """Return the usage of each limit of a number, a client or the service."""
    return sorted(driver.explain(to).limits, key=lambda use: (use.client or "", use.limit))


def stored(redis: Redis) -> dict[bytes, Any]:
    """Return the whole content of the store, except refusals and their counters."""
    readers: Mapping[Any, Callable[[bytes], Any]] = {
        b"hash": redis.hgetall,
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"string": redis.get,
    }
    return {
        key: readers[redis.type(key)](key)
        for key in redis.scan_iter()
        if b":refusals:" not in key and b":counter:refused " not in key
    }


def refusing(answer: StoreResult) -> str:
    """Return the limit that refused."""
    outcome, _, limit = answer.outcome.partition(" ")
    assert outcome == "rate_limited", answer.outcome
    assert answer.retry_after_ms > 0
    return limit
