"""Upper bounds for durations that hold on a loaded machine."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SLEEP_S = 0.005
_SLOWDOWN = 4
"""A loaded machine takes so many times as long. A bound is chosen so that a hang takes longer."""


class DelayMonitor(threading.Thread):
    """A thread that only wakes again and again, and sums up how late it wakes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.late = 0.0
        """Seconds in total."""
        self._over = threading.Event()

    def run(self) -> None:
        """See :class:`threading.Thread`."""
        woke = time.monotonic()
        while not self._over.wait(_SLEEP_S):
            slept, woke = time.monotonic() - woke, time.monotonic()
            self.late += max(0.0, slept - 2 * _SLEEP_S)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()


@contextmanager
def finishes_within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer than this on an idle machine, or four times on a loaded one.

    The time for which the machine did not schedule this process is added.
    """
    monitor = DelayMonitor()
    monitor.start()
    began = time.monotonic()
    try:
        yield
    finally:
        took = time.monotonic() - began
        monitor.stop()
    allowed = _SLOWDOWN * seconds + monitor.late
    assert took < allowed, f"took {took:.2f} s of {allowed:.2f} s"
