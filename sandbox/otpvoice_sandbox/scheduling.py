"""Timestamps, delayed actions, and the lock that counts changes."""

import sched
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

VENDOR_ZONE: Final = ZoneInfo("Asia/Kolkata")
_POOL_THREADS: Final = 16


@dataclass(frozen=True, slots=True)
class Timestamp:
    """One point in time on the monotonic clock and on the wall clock; by default now."""

    monotonic: float = field(default_factory=time.monotonic)
    """Seconds; comparable between processes of one machine."""
    wall: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def local_text(self) -> str:
        """``YYYY-MM-DD HH:MM:SS`` in the vendor's zone, which the vendor does not name."""
        return f"{self.wall.astimezone(VENDOR_ZONE):%Y-%m-%d %H:%M:%S}"

    @property
    def utc_text(self) -> str:
        """ISO 8601 with microseconds and ``Z``."""
        return f"{self.wall:%Y-%m-%dT%H:%M:%S.%f}Z"


class ChangeCondition(threading.Condition):
    """The lock of a sandbox. It counts notifications, so that a poller misses no change."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        """Modified only while the lock is held."""

    def notify_all(self) -> None:
        """Count a change and wake all waiting threads."""
        self.count += 1
        super().notify_all()


class Scheduler:
    """Delayed actions: one thread runs them all, a pool runs those that block. Thread-safe.

    Hundreds of simultaneous calls therefore need no thread each.
    """

    def __init__(self) -> None:
        self._queue = sched.scheduler(time.monotonic)
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_POOL_THREADS, thread_name_prefix="sandbox-callback")
        self._thread = threading.Thread(target=self._run, name="sandbox-schedule", daemon=True)
        self._thread.start()

    def run_later(self, delay_s: float, action: Callable[..., object], *arguments: object) -> None:
        """Run a short action after a delay. After ``close`` it is discarded."""
        self._queue.enter(delay_s, 0, action, arguments)
        self._changed.set()

    def submit_later(
        self, delay_s: float, action: Callable[..., object], *arguments: object
    ) -> None:
        """Run an action that may block, such as an HTTP request, after a delay."""
        self.run_later(delay_s, self._pool.submit, action, *arguments)

    def sleep(self, seconds: float) -> bool:
        """Sleep until the time is over or ``close`` is called; return whether it is over."""
        return not self._stopping.wait(seconds)

    def close(self) -> None:
        """Discard queued actions, wake sleeping threads, and wait for actions that run."""
        self._stopping.set()
        self._changed.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            seconds_to_next = self._queue.run(blocking=False)
            self._changed.wait(seconds_to_next)
            self._changed.clear()
