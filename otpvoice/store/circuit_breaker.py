"""The circuit breaker between a process and its store: fail at once while the store is away."""

import threading
from collections.abc import Callable
from typing import Any, Final

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Connections
from otpvoice.store.outages import OutageLog
from otpvoice.store.replies import FunctionError

PROBE_INTERVAL_S: Final = 0.25
"""Seconds between two probes of a store that is away."""
_NOT_SENT_DETAIL: Final = (
    "The store cannot serve the request at the moment. Nothing was done: repeat it."
)


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
        outage_log: OutageLog | None,
    ) -> None:
        self._connections = connections
        self._probe = probe
        self.outage_log = outage_log
        self._lock = threading.Lock()
        self._opened_by: StoreUnavailable | None = None

    def run(self, function: str, command: Callable[[Connections], Any]) -> Any:
        """Return the reply of ``command``, unless the store is known to be away.

        ``function``: its name in the log.

        Raises:
            StoreUnavailable: the store cannot serve.
            FunctionError: the function failed; the store is well.
        """
        opened_by = self._opened_by
        if opened_by is not None:
            refusal = StoreUnavailable(_NOT_SENT_DETAIL, reason=opened_by.reason, is_lost=True)
            self._record_failure(function, refusal)
            raise refusal
        try:
            reply = command(self._connections)
        except StoreUnavailable as error:
            self._record_failure(function, error)
            if error.is_lost:
                self._open(error)
            raise
        except FunctionError:
            self._record_success(function)
            raise
        self._record_success(function)
        return reply

    def _open(self, error: StoreUnavailable) -> None:
        with self._lock:
            if self._opened_by is None:
                self._opened_by = error
                threading.Thread(
                    target=self._close_when_available, name="store probe", daemon=True
                ).start()

    def _close_when_available(self) -> None:
        """Probe until the store replies, at once and then every :data:`PROBE_EVERY`."""
        pause = threading.Event()
        while self._is_lost():
            pause.wait(PROBE_INTERVAL_S)
        self._opened_by = None

    def _is_lost(self) -> bool:
        try:
            self._probe(self._connections)
        except StoreUnavailable as error:
            self._record_failure("probe", error)
            return error.is_lost
        except Exception:  # noqa: BLE001 - a fault of ours must not keep the gate closed
            return False
        self._record_success("probe")
        return False

    def _record_failure(self, function: str, error: StoreUnavailable) -> None:
        if self.outage_log is not None:
            self.outage_log.record_failure(function, error)

    def _record_success(self, function: str) -> None:
        if self.outage_log is not None:
            self.outage_log.record_success(function)
