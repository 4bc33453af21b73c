"""Connections to the store: a command is sent once, and on one that is known to be there."""

from collections import deque
from collections.abc import Callable
from typing import Any

from redis import ConnectionPool

from otpvoice.store.replies import (
    is_connection_usable,
    is_redirect,
    malformed_reply,
    translate_error,
)

Argument = str | int | bytes
ReplyCheck = Callable[[Any], bool]


class Connections:
    """As many as there are commands at once, kept for the next ones.

    They are redis-py's own, asked directly: its client would add what nobody reads here, a pool's
    bookkeeping, telemetry and a loop for repetitions, and take about twice as long for it. Not to
    be taken through a fork.

    Args:
        pool: makes connections, and knows whether one still leads to the primary.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool: Any = pool  # the library gives its connections no types
        self._idle: deque[Any] = deque()

    def execute(self, *command: Argument, is_valid: ReplyCheck | None = None) -> Any:
        """The reply to one command, in bytes.

        It is sent once, for it may have run even where no reply came. Only what a node of a cluster
        says to be elsewhere is sent once more, to the primary as it is found then. ASK and TRYAGAIN
        are not followed: they say that a slot's keys are being moved one by one, and a rule needs
        all of its keys in one place.

        ``accept``: returns whether a reply can belong to the command. Otherwise the connection is
        closed, because its next reply may belong to another command.

        Raises:
            StoreUnavailable: the server cannot serve, or did not reply.
            FunctionError: a fault inside a function.
            FunctionMissing: the server does not know the function.
        """
        try:
            try:
                return self._execute_once(command, is_valid)
            except Exception as error:
                if not is_redirect(error):
                    raise
                return self._execute_once(command, is_valid)
        except Exception as error:
            raise translate_error(error) from error

    def _execute_once(self, command: tuple[Argument, ...], is_valid: ReplyCheck | None) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            self._ensure_connected(connection)
            connection.send_command(*command)
            return _read_reply(connection, is_valid)
        except BaseException as error:
            # An error reply is read to its end. After anything else a late reply may yet come,
            # which must not be taken for the reply to the next command.
            if not is_connection_usable(error):
                connection.disconnect()
            raise
        finally:
            self._idle.append(connection)

    def _ensure_connected(self, connection: Any) -> None:
        """Connects, if need be anew: what is sent to a server that hung up is lost."""
        if connection.is_connected and not self._is_usable(connection):
            connection.disconnect()
        if not connection.is_connected:
            connection.connect()

    def _is_usable(self, connection: Any) -> bool:
        try:
            return bool(self._pool.owns_connection(connection)) and not connection.can_read()
        except Exception:  # noqa: BLE001 - whatever it is, a new connection answers the question
            return False


def _read_reply(connection: Any, is_valid: ReplyCheck | None) -> Any:
    reply = connection.read_response(disconnect_on_error=False)
    if is_valid is not None and not is_valid(reply):
        raise malformed_reply()
    return reply
