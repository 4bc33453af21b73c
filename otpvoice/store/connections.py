"""Connections to the store, and the circuit breaker over them."""

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from hiredis import pack_command
from redis import ConnectionPool

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.outage_log import OutageLog
from otpvoice.store.replies import (
    NOT_SENT,
    REDIRECTS,
    FunctionError,
    is_connection_usable,
    malformed_reply,
    translate_error,
)

Argument = str | int | bytes
_Validator = Callable[[Any], bool]

PROBE_INTERVAL_S: Final = 0.25
"""Time between two probes of a store that is away."""


class Connections:
    """As many connections as there are commands at the same time, kept for the next ones.

    They are redis-py's own, used directly: its client's bookkeeping, telemetry and retries would
    take as long again, its packing of each command 3 µs. Do not use them after a fork.

    Args:
        pool: makes connections, and knows whether one still leads to the primary.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool: Any = pool  # the library gives its connections no types
        self._idle: deque[Any] = deque()

    def execute(self, *command: Argument, is_valid: _Validator | None = None) -> Any:
        """Return the reply to one command, in bytes.

        The command is sent once, because it may have run even if no reply came. Only a command
        that a cluster node redirects is sent once more, to the primary as it is found then. While
        a slot's keys are moved (ASK, TRYAGAIN), a function has not all of its keys on one node.

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

    def _execute_once(self, command: tuple[Argument, ...], is_valid: _Validator | None) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            self._ensure_connected(connection)
            packed = pack_command(command)  # type: ignore[arg-type] # its stub takes one argument
            connection.send_packed_command([packed])
            reply = connection.read_response(disconnect_on_error=False)
            if is_valid is not None and not is_valid(reply):
                raise malformed_reply()  # noqa: TRY301 - handled like an error of the connection
        except BaseException as error:
            # An error reply is read to its end. After anything else a late reply may still come,
            # and must not be taken for the reply to the next command.
            if not is_connection_usable(error):
                connection.disconnect()
            raise
        else:
            return reply
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


class CircuitBreaker:
    """Fails at once while the store is away: from the first lost connection until a probe succeeds.

    Otherwise every thread would wait its own half second for a store that is known to be away. An
    error reply does not open it: the server replies at once, and may serve other functions.

    ``probe`` calls a function that changes nothing, to learn whether functions are served.
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
        self._lost_because: str | None = None
        """The reason, while it is open. Not the error, whose traceback would keep the store."""

    def run(self, function: str, command: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``command(connections, *arguments)``, unless the store is known to be away.

        ``function``: its name in the log.

        Raises:
            StoreUnavailable: the store cannot serve.
            FunctionError: the function failed; the store serves others.
        """
        reason = self._lost_because
        if reason is not None:
            refusal = StoreUnavailable(NOT_SENT, reason=reason, is_lost=True)
            self.outage_log.record_failure(function, refusal)
            raise refusal
        try:
            reply = command(self._connections, *arguments)
        except StoreUnavailable as error:
            self.outage_log.record_failure(function, error)
            if error.is_lost:
                self._open(error.reason)
            raise
        except FunctionError:
            self.outage_log.record_success(function)
            raise
        if self.outage_log.failing:
            self.outage_log.record_success(function)
        return reply

    def _open(self, reason: str) -> None:
        with self._lock:
            if self._lost_because is None:
                self._lost_because = reason
                probe = partial(_repeat, weakref.WeakMethod(self._close_if_served))
                threading.Thread(target=probe, name="store probe", daemon=True).start()

    def _close_if_served(self) -> bool:
        """Probe the store. Return whether it is still lost."""
        is_lost = self._is_lost()
        if not is_lost:
            self._lost_because = None
        return is_lost

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


def _repeat(step: "weakref.WeakMethod[Callable[[], bool]]") -> None:
    """Run a step at once and then every :data:`PROBE_INTERVAL_S`, while it returns true.

    The circuit breaker of a store that nobody uses any more ends it.
    """
    while (run := step()) and run():
        del run
        time.sleep(PROBE_INTERVAL_S)
