"""The circuit breaker between a process and its store: fail at once while the store is away."""

import threading
from collections.abc import Callable
from typing import Any, Final

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Connections
from otpvoice.store.outages import OutageLog
from otpvoice.store.replies import FunctionError

PROBE_EVERY: Final = 0.25
"""Seconds between two probes of a store that is away."""
_NOT_SENT: Final = "The store cannot serve the request at the moment. Nothing was done: repeat it."


class CircuitBreaker:
    """Closed from the first lost connection until a probe gets a reply.

    Without it every thread would wait its own half second for a store that is known to be gone.
    An error reply does not close it: the server replies at once, and may serve other functions.

    Args:
        connections: to the store.
        probe: runs a function that changes nothing, to learn whether functions are served.
        outages: logs them; None where the caller reports them, as commands do.
    """

    def __init__(
        self,
        connections: Connections,
        probe: Callable[[Connections], object],
        outages: OutageLog | None,
    ) -> None:
        self._connections = connections
        self._probe = probe
        self.outages = outages
        self._lock = threading.Lock()
        self._closed_by: StoreUnavailable | None = None

    def run(self, function: str, command: Callable[[Connections], Any]) -> Any:
        """Return the reply of ``command``, unless the store is known to be away.

        ``function``: its name in the log.

        Raises:
            StoreUnavailable: the store cannot serve.
            FunctionError: the function failed; the store is well.
        """
        closed_by = self._closed_by
        if closed_by is not None:
            refusal = StoreUnavailable(_NOT_SENT, reason=closed_by.reason, is_lost=True)
            self._failed(function, refusal)
            raise refusal
        try:
            reply = command(self._connections)
        except StoreUnavailable as error:
            self._failed(function, error)
            if error.is_lost:
                self._close(error)
            raise
        except FunctionError:
            self._served(function)
            raise
        self._served(function)
        return reply

    def _close(self, error: StoreUnavailable) -> None:
        with self._lock:
            if self._closed_by is None:
                self._closed_by = error
                threading.Thread(target=self._open_again, name="store probe", daemon=True).start()

    def _open_again(self) -> None:
        """Probe until the store replies, at once and then every :data:`PROBE_EVERY`."""
        pause = threading.Event()
        while self._is_lost():
            pause.wait(PROBE_EVERY)
        self._closed_by = None

    def _is_lost(self) -> bool:
        try:
            self._probe(self._connections)
        except StoreUnavailable as error:
            self._failed("probe", error)
            return error.is_lost
        except Exception:  # noqa: BLE001 - a fault of ours must not keep the gate closed
            return False
        self._served("probe")
        return False

    def _failed(self, function: str, error: StoreUnavailable) -> None:
        if self.outages is not None:
            self.outages.failed(function, error)

    def _served(self, function: str) -> None:
        if self.outages is not None:
            self.outages.served(function)
