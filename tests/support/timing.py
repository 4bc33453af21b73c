"""How long something takes, less what a busy machine kept everybody waiting."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_NAP = 0.005
"""Seconds."""


class DelayMonitor(threading.Thread):
    """Has nothing to do but wake, again and again: where it is late, so is everybody."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.late = 0.0
        """Seconds, all in all."""
        self._over = threading.Event()

    def run(self) -> None:
        """See :class:`threading.Thread`."""
        woke = time.monotonic()
        while not self._over.wait(_NAP):
            slept, woke = time.monotonic() - woke, time.monotonic()
            self.late += max(0.0, slept - 2 * _NAP)

    def stop(self) -> None:
        """Ends it."""
        self._over.set()
        self.join()


@contextmanager
def finishes_within(seconds: float) -> Iterator[None]:
    """The block is over in so many seconds, and as many more as the machine took for others.

    Not more than twice as many, so that a wait that is far too long fails on any machine.
    """
    witness = DelayMonitor()
    witness.start()
    began = time.monotonic()
    try:
        yield
    finally:
        took = time.monotonic() - began
        witness.stop()
    allowed = seconds + min(witness.late, 2 * seconds)
    assert took < allowed, f"took {took:.2f} s of {allowed:.2f} s"
