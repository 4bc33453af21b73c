"""Connections to the store, the circuit breaker in front of them, and the log of outages."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from redis import ConnectionPool

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.replies import (
    REDIRECTS,
    FunctionError,
    is_connection_usable,
    malformed_reply,
    translate_error,
)

Argument = str | int | bytes

PROBE_INTERVAL_S: Final = 0.25
"""Time between two probes of a store that is away."""
REPORT_INTERVAL_S: Final = 60.0
"""Time between two log lines about one outage."""
_MAX_LINES: Final = 5
"""Outages of a minute that are logged at once. The next ones are counted."""
_ALL_FUNCTIONS: Final = ""
"""Stands for all functions in the set of those that fail."""
_NOT_SENT_DETAIL: Final = (
    "The store cannot serve the request at the moment. Nothing was done: repeat it."
)
_LOG = structlog.get_logger(__name__)


class Connections:
    """As many connections as there are commands at the same time, kept for the next ones.

    They are redis-py's own connections, used directly. Its client would add a pool's bookkeeping,
    telemetry and retries that nothing here needs, and take about twice as long. Do not use them
    after a fork.

    Args:
        pool: makes connections, and knows whether one still leads to the primary.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool: Any = pool  # the library gives its connections no types
        self._idle: deque[Any] = deque()

    def execute(self, *command: Argument, is_valid: Callable[[Any], bool] | None = None) -> Any:
        """Return the reply to one command, in bytes.

        The command is sent once, because it may have run even if no reply came. Only a command
        that a cluster node redirects is sent once more, to the primary as it is found then. ASK
        and TRYAGAIN are not followed: they mean that a slot's keys are being moved one by one, and
        a function needs all of its keys on one node.

        ``is_valid``: returns whether a reply can belong to the command. Otherwise the connection
        is closed, because its next reply may belong to another command.

        Raises:
            StoreUnavailable: the server cannot serve, or did not reply.
            FunctionError: an error inside a function.
            FunctionMissing: the server does not know the function.
        """
        try:
            try:
                return self._execute_once(command, is_valid)
            except REDIRECTS:
                return self._execute_once(command, is_valid)
        except Exception as error:
            raise translate_error(error) from error

    def _execute_once(
        self, command: Sequence[Argument], is_valid: Callable[[Any], bool] | None
    ) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            self._ensure_connected(connection)
            connection.send_command(*command)
            return _read_reply(connection, is_valid)
        except BaseException as error:
            # An error reply is read to its end. After anything else a late reply may still come,
            # and must not be taken for the reply to the next command.
            if not is_connection_usable(error):
                connection.disconnect()
            raise
        finally:
            self._idle.append(connection)

    def _ensure_connected(self, connection: Any) -> None:
        """Connect, also if the server has closed the connection: a command sent there is lost."""
        if connection.is_connected:
            with suppress(Exception):  # whatever the error is, a new connection replaces this one
                if self._pool.owns_connection(connection) and not connection.can_read():
                    return
            connection.disconnect()
        connection.connect()


def _read_reply(connection: Any, is_valid: Callable[[Any], bool] | None) -> Any:
    reply = connection.read_response(disconnect_on_error=False)
    if is_valid is not None and not is_valid(reply):
        raise malformed_reply()
    return reply


class OutageLog:
    """Logs an outage at once, then once a minute, and once on recovery.

    An outage starts with a command that is not served. It ends when everything that failed is
    served again: a full server, for example, still serves the functions that only read.

    Args:
        address: host and port of the store, without credentials. None: log nothing.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._lock = threading.Lock()
        self.failing: set[str] = set()
        """Functions that were not served, and not again since."""
        self._reason = ""
        self._began = 0.0
        self._unreported = 0
        self._is_reported = False
        self._lines: deque[float] = deque(maxlen=_MAX_LINES)

    def record_failure(self, function: str, error: StoreUnavailable) -> None:
        """Record a command that was not served, and log it if a line is due."""
        if self._address is None:
            return
        now = time.monotonic()
        with self._lock:
            is_new = not self.failing or error.reason != self._reason
            if not self.failing:
                self._began = now
            self.failing.add(function if error.is_partial else _ALL_FUNCTIONS)
            self._reason = error.reason
            self._unreported += 1
            if not self._is_due(now, is_new=is_new):
                return
            self._lines.append(now)
            self._is_reported = True
            failed_commands, self._unreported = self._unreported, 0
        details = {"reply": error.reply} if error.reply else {}
        _LOG.error(
            "store.unavailable",
            address=self._address,
            reason=error.reason,
            function=function,
            failed_commands=failed_commands,
            **details,
        )

    def record_success(self, function: str) -> None:
        """Record a command that was served, and log the end of an outage that was logged."""
        if not self.failing:
            return
        with self._lock:
            self.failing -= {function, _ALL_FUNCTIONS}
            if self.failing:
                return
            if not self._is_reported:
                return  # failures that were not logged are counted in the next line
            self._is_reported = False
            failed_commands, self._unreported = self._unreported, 0
            seconds = round(time.monotonic() - self._began, 1)
        _LOG.info(
            "store.recovered",
            address=self._address,
            failed_commands=failed_commands,
            seconds=seconds,
        )

    def _is_due(self, now: float, *, is_new: bool) -> bool:
        lines = self._lines
        if not lines or now - lines[-1] >= REPORT_INTERVAL_S:
            return True
        return is_new and (len(lines) < _MAX_LINES or now - lines[0] >= REPORT_INTERVAL_S)


class CircuitBreaker:
    """Fails at once while the store is away: from the first lost connection until a probe succeeds.

    Otherwise every thread would wait its own half second for a store that is known to be away. An
    error reply does not open it: the server replies at once, and may serve other functions.

    Args:
        connections: to the store.
        probe: calls a function that changes nothing, to learn whether functions are served.
        outage_log: logs outages.
    """

    def __init__(
        self,
        connections: Connections,
        probe: Callable[[Connections], object],
        outage_log: OutageLog,
    ) -> None:
        self._connections = connections
        self._probe = probe
        self.outage_log = outage_log
        self._lock = threading.Lock()
        self._opened_by: StoreUnavailable | None = None

    def run(self, function: str, command: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``command(connections, *arguments)``, unless the store is known to be away.

        ``function``: its name in the log.

        Raises:
            StoreUnavailable: the store cannot serve.
            FunctionError: the function failed; the store serves others.
        """
        opened_by = self._opened_by
        if opened_by is not None:
            refusal = StoreUnavailable(_NOT_SENT_DETAIL, reason=opened_by.reason, is_lost=True)
            self.outage_log.record_failure(function, refusal)
            raise refusal
        try:
            reply = command(self._connections, *arguments)
        except StoreUnavailable as error:
            self.outage_log.record_failure(function, error)
            if error.is_lost:
                self._open(error)
            raise
        except FunctionError:
            self.outage_log.record_success(function)
            raise
        if self.outage_log.failing:
            self.outage_log.record_success(function)
        return reply

    def _open(self, error: StoreUnavailable) -> None:
        with self._lock:
            if self._opened_by is None:
                self._opened_by = error
                probing = threading.Thread(target=self._close, name="store probe", daemon=True)
                probing.start()

    def _close(self) -> None:
        """Probe at once and then every :data:`PROBE_INTERVAL_S`, until the store replies."""
        pause = threading.Event()
        while self._is_lost():
            pause.wait(PROBE_INTERVAL_S)
        self._opened_by = None

    def _is_lost(self) -> bool:
        try:
            self._probe(self._connections)
        except StoreUnavailable as error:
            self.outage_log.record_failure("probe", error)
            return error.is_lost
        except Exception:  # noqa: BLE001 - a defect of ours must not keep the breaker open
            return False
        self.outage_log.record_success("probe")
        return False
