"""Timestamps, delayed actions, and the lock that counts changes."""

import sched
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from typing import Final
from zoneinfo import ZoneInfo

VENDOR_ZONE: Final = ZoneInfo("Asia/Kolkata")
_MAX_WORKERS: Final = 16
_STOP_S: Final = 1.5
"""Time in which actions that run may finish after ``close``."""


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
    """Delayed actions: one thread runs them all, workers run those that block. Thread-safe.

    Hundreds of simultaneous calls therefore need no thread each.
    """

    def __init__(self) -> None:
        self._queue = sched.scheduler(time.monotonic)
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._blocking_actions: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._workers: list[threading.Thread] = []
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
        self.run_later(delay_s, self._hand_over, partial(action, *arguments))

    def sleep(self, seconds: float) -> bool:
        """Sleep until the time is over or ``close`` is called; return whether it is over."""
        return not self._stopping.wait(seconds)

    def close(self) -> int:
        """Discard queued actions and wake sleeping threads; return how many actions still run.

        Actions have 1.5 seconds to finish. Those that still run end with the process at the latest.
        """
        self._stopping.set()
        self._changed.set()
        self._thread.join()
        for _ in self._workers:
            self._blocking_actions.put(None)
        deadline = time.monotonic() + _STOP_S
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        return sum(worker.is_alive() for worker in self._workers)

    def _hand_over(self, action: Callable[[], object]) -> None:
        self._blocking_actions.put(action)
        if len(self._workers) < _MAX_WORKERS:
            # Daemon threads, because the end of the process would wait for others.
            worker = threading.Thread(target=self._work, name="sandbox-callback", daemon=True)
            self._workers.append(worker)
            worker.start()

    def _work(self) -> None:
        while (action := self._blocking_actions.get()) is not None:
            if not self._stopping.is_set():
                action()

    def _run(self) -> None:
        while not self._stopping.is_set():
            seconds_to_next = self._queue.run(blocking=False)
            self._changed.wait(seconds_to_next)
            self._changed.clear()
