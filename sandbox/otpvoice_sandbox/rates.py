"""The rates at which vendors accept requests and start calls."""

import threading
import time
from collections import deque
from typing import Final

_WINDOW_S: Final = 60.0


class RateLimit:
    """At most so many requests within a minute."""

    def __init__(self, per_minute: int) -> None:
        self._times: deque[float] = deque(maxlen=per_minute)
        self._lock = threading.Lock()

    def admit(self) -> bool:
        """Count a request; return whether the limit allows it."""
        now, times = time.monotonic(), self._times
        with self._lock:
            if len(times) == times.maxlen and now - times[0] < _WINDOW_S:
                return False
            times.append(now)
            return True


class StartQueue:
    """The queue of a vendor that starts one call in each interval."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next_start = 0.0

    def take_place(self) -> float:
        """Return the seconds until the call that was added starts; 0 if it starts now."""
        now = time.monotonic()
        starts_at = max(now, self._next_start)
        self._next_start = starts_at + self._interval_s
        return starts_at - now
