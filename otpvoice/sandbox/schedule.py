"""One thread that does things when their time comes, and a few for those that take long."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

Action = Callable[[], object]


class Scheduler:
    """Hundreds of calls need no thread each: they wait here in one heap. Thread-safe."""

    def __init__(self, slow_threads: int) -> None:
        self._queue: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(slow_threads, thread_name_prefix="sandbox-callback")
        self._thread = threading.Thread(target=self._run, name="sandbox-schedule", daemon=True)
        self._thread.start()

    def run_later(self, seconds: float, action: Action) -> None:
        """Does something brief, in so many seconds; never after ``stop``."""
        due = time.monotonic() + seconds
        with self._changed:
            heapq.heappush(self._queue, (due, next(self._order), action))
            self._changed.notify()

    def submit_later(self, seconds: float, action: Action) -> None:
        """The same for what may block, such as a request to somebody."""
        self.run_later(seconds, partial(self._pool.submit, action))

    def sleep(self, seconds: float) -> bool:
        """Sleeps, but not beyond ``stop``; whether the time was slept to its end."""
        return not self._closing.wait(seconds)

    def stop(self) -> None:
        """Forgets what waits and wakes who sleeps; waits for nothing itself."""
        self._closing.set()
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Stops, and ends the threads after the actions that already run."""
        self.stop()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while (action := self._next_due()) is not None:
            action()

    def _next_due(self) -> Action | None:
        with self._changed:
            while not self._closing.is_set():
                now = time.monotonic()
                if self._queue and self._queue[0][0] <= now:
                    return heapq.heappop(self._queue)[2]
                self._changed.wait(self._queue[0][0] - now if self._queue else None)
        return None
