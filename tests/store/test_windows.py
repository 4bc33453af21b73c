"""Sliding windows: no period, wherever it starts, holds more than a limit allows."""

import itertools
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import StoreDriver
from store.limit_cases import ADDRESS, NO_GAP, far_numbers
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import Verification

COUNT, WINDOW = 3, 60
SLICE = WINDOW / 60
STEP, TOLERANCE = 0.05, 0.5
"""Seconds that a step takes, and may take on a busy machine."""
QUOTA = parse_quotas(f"{COUNT}/{WINDOW}s")
_names = itertools.count()

pauses = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 3), st.sampled_from([19.9, 20.1, 59.9, 60.1, 61.1])),
    min_size=5,
    max_size=25,
)
"""Seconds between each event and the one before it."""
histories = settings(
    max_examples=int(os.environ.get("OTPVOICE_TEST_EXAMPLES", "8")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
BOUNDARY = [58.5, 0.5, 0.5, 0.6, 0.0, 0.0, 59.0, 0.5, 0.5, 0.5]
"""Three at the end of a minute, as many as can be at the start of the next."""


@dataclass
class History:
    """What was taken, and what was refused, when."""

    taken: list[tuple[float, str]] = field(default_factory=list)
    """Seconds since 1970, and what was accepted."""
    refused: list[float] = field(default_factory=list)

    def inside(self, begin: float, end: float) -> set[str]:
        """Who took a place after ``begin`` and not after ``end``."""
        return {who for at, who in self.taken if begin < at <= end}

    def holds(self, slack: float = 0) -> None:
        """Check that no window holds more than its limit, and that what has room is accepted.

        ``slack``: seconds for which an event may count longer than the window.
        """
        for at, _ in self.taken:
            assert len(self.inside(at - WINDOW, at)) <= COUNT
        for at in self.refused:
            full = self.inside(at - WINDOW - slack - TOLERANCE, at + TOLERANCE)
            assert len(full) >= COUNT, "refused, though there was room"


class Clock:
    """Moves an exchange's clock to whatever moment; each example goes on where the last ended."""

    def __init__(self, driver: StoreDriver) -> None:
        self._driver = driver
        # A boundary of every fixed window, so a limit that counted in fixed ones would fail.
        self._now = (time.time() // WINDOW + 1) * WINDOW

    def passes(self, seconds: float) -> float:
        """Advance the clock, and return it in seconds since 1970.

        It never goes back: on a busy machine, a step may take longer than the pause after it.
        """
        store = self._driver.store
        self._now = max(self._now + seconds, time.time() + store.clock_offset_ms / 1000)
        store.clock_offset_ms = math.ceil((self._now - time.time()) * 1000)
        self._driver.sweep()
        return self._now


Take = Callable[[StoreDriver, int], tuple[float, str] | None]
"""One event; when it was taken and by whom, or None if it was refused."""


def lives_through(redis: Redis, take: Take, seconds: Sequence[float], **limits: Any) -> History:
    """Return the result of one event after each pause."""
    redis.flushdb()
    driver = driver_with_limits(redis, gaps=NO_GAP, **limits)
    clock, history = Clock(driver), History()
    for n, pause in enumerate(seconds):
        now = clock.passes(pause + STEP)
        taken = take(driver, n)
        if taken:
            history.taken.append(taken)
        else:
            history.refused.append(now)
    return history


def sends(driver: StoreDriver, to: str, client: str, ip: str | None = None) -> float | None:
    """Return when a call was sent for a new verification, or None if refused."""
    begun = driver.try_create(to, client=client, ip=ip).verification
    if not begun:
        return None
    claim = driver.dial_busy(to)
    sent_at = driver.last_call(begun).sent_at
    assert sent_at
    assert claim.verification_id == begun.id
    driver.cancel(begun)
    return sent_at / 1000


def to_one_number(driver: StoreDriver, _: int) -> tuple[float, str] | None:
    """Send another call to one number."""
    name = f"{next(_names)}"
    at = sends(driver, ASHA, f"client {name}")
    return (at, name) if at else None


def for_one_address(driver: StoreDriver, _: int) -> tuple[float, str] | None:
    """Send a call to another number."""
    name = next(_names)
    at = sends(driver, far_numbers(name), "login", ADDRESS)
    return (at, f"{name}") if at else None


def into_one_prefix(driver: StoreDriver, n: int) -> tuple[float, str] | None:
    """Send a call to one of five numbers of a prefix."""
    to = f"{ASHA[:-4]}{n * 7 % 5:04}"
    at = sends(driver, to, "login")
    return (at, to) if at else None


def by_one_client(driver: StoreDriver, _: int) -> tuple[float, str] | None:
    """Send a call to another number."""
    name = next(_names)
    at = sends(driver, far_numbers(name), "login")
    return (at, f"{name}") if at else None


def wrong_code(driver: StoreDriver, n: int) -> tuple[float, str] | None:
    """Submit a wrong code for any verification of the number that accepts one."""
    begun = _guessed_at(driver)
    if not begun:
        return None
    at = begun.now / 1000
    answer = driver.check(begun, f"{900_000 + n}")
    assert answer.outcome in {"wrong", "rate_limited wrong_codes_per_number"}
    return (at, f"{n}") if answer.outcome == "wrong" else None


def _guessed_at(driver: StoreDriver) -> Verification | None:
    return driver.try_create(reference="guessed at", own_code=True, code=CODE, ttl=600).verification


@pytest.mark.parametrize(
    ("take", "setting"),
    [
        (to_one_number, "calls_per_number"),
        (to_one_number, "all_calls_per_number"),
        (for_one_address, "calls_per_ip"),
        (into_one_prefix, "unverified_per_prefix"),
    ],
)
def test_exact_window_has_room_when_it_has_passed(redis: Redis, take: Take, setting: str) -> None:
    """Numbers, prefixes and addresses."""

    @histories
    @example(BOUNDARY)
    @given(pauses)
    def whatever_happens(seconds: list[float]) -> None:
        lives_through(redis, take, seconds, **{setting: QUOTA}).holds()

    whatever_happens()


@pytest.mark.parametrize(
    ("take", "limits"),
    [
        (by_one_client, {"clients": {"login": ClientLimits(QUOTA)}}),
        (wrong_code, {"wrong_codes_per_number": QUOTA}),
    ],
)
def test_counter_window_has_room_a_sixtieth_later_at_most(
    redis: Redis, take: Take, limits: dict[str, Any]
) -> None:
    """Clients and wrong codes."""

    @histories
    @example(BOUNDARY)
    @given(pauses)
    def whatever_happens(seconds: list[float]) -> None:
        lives_through(redis, take, seconds, **limits).holds(slack=SLICE)

    whatever_happens()


def test_daily_window_slides(redis: Redis) -> None:
    """Not at midnight."""
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_day=3)
    day = 86_400
    clock = Clock(driver)
    for _ in range(3):
        clock.passes(2 * day / 24)
        assert by_one_client(driver, 0)
    for wait, taken in ((day * 19 / 24, False), (day * 2 / 24, True), (1, False)):
        clock.passes(wait)
        assert bool(by_one_client(driver, 0)) is taken
