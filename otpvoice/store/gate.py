"""What a process does while its store is away: say so at once, and look for it."""

import threading
from types import TracebackType
from typing import Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Connections

PROBE_EVERY: Final = 0.25
"""Seconds between two looks for a store that is away."""
_AWAY: Final = (RedisConnectionError, RedisTimeoutError)


class Gate:
    """Closed from the first time-out until the store answers again.

    Around each command: ``with gate: ...``. Without it every thread would wait its own half second
    for a store that is known to be gone.
    """

    def __init__(self, store: Connections) -> None:
        self._store = store
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Passes if the store was there last time.

        Raises:
            StoreUnavailable: it was not; nothing was done.
        """
        if self._closed.is_set():
            raise StoreUnavailable("The store does not answer; nothing was done.")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, StoreUnavailable) and isinstance(error.__cause__, _AWAY):
            self._close()

    def _close(self) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._closed.set()
                threading.Thread(target=self._probe, name="store probe", daemon=True).start()

    def _probe(self) -> None:
        pause = threading.Event()
        while not pause.wait(PROBE_EVERY):
            try:
                self._store.ask("PING")
            except RedisError:
                continue
            self._closed.clear()
            return
