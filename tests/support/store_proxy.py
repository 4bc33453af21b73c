"""A TCP proxy between the service and its store that can reply in place of the store."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

import hiredis

HALF: Final = b"half of the store's own reply, then the end of the connection"
CLOSE: Final = b"nothing, and the end of the connection"

Decide = Callable[[list[bytes]], bytes | None]
"""A command → the bytes to reply, :data:`HALF`, :data:`CLOSE`, or None to pass it on."""


class StoreProxy:
    """Passes commands on one at a time. Set :attr:`decide` to interfere.

    Args:
        port: of the store, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.decide: Decide = lambda _: None
        self.commands: list[bytes] = []
        """The first word of each command that was replied to without the store."""
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in [*self._open]:
            each.close()

    def reply_always(self, reply: bytes, *commands: bytes) -> None:
        """Reply so to all of these commands, or to every command if none is named."""
        self.decide = lambda command: (
            reply if not commands or command[0].upper() in commands else None
        )

    @contextmanager
    def holding(self, function: str) -> Iterator["Held"]:
        """Meanwhile hold the next command that runs this function until it is let go."""
        held = Held()

        def decide(command: list[bytes]) -> None:
            if command[0] == b"FCALL" and command[1].endswith(f"_{function}".encode()):
                held.came.set()
                held.let_go.wait(10)

        self.decide = decide
        try:
            yield held
        finally:
            held.let_go.set()
            self.pass_on()

    def pass_on(self) -> None:
        """Interfere no longer."""
        self.decide = lambda _: None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._upstream, 5) as store:
            store.settimeout(None)
            self._open |= {client, store}
            try:
                self._pass_commands(client, store)
            finally:
                self._open -= {client, store}

    def _pass_commands(self, client: socket.socket, store: socket.socket) -> None:
        commands, replies = _Messages(client), _Messages(store)
        while message := commands.next():
            raw, command = message
            interference = self.decide(command)
            if interference is not None:
                self.commands.append(command[0].upper())
            if interference is None or interference == HALF:
                store.sendall(raw)
                reply = replies.next()
                if reply is None:
                    return
                if interference == HALF:
                    client.sendall(reply[0][: len(reply[0]) // 2])
                    return
                client.sendall(reply[0])
            elif interference == CLOSE:
                return
            else:
                client.sendall(interference)


class Held:
    """A command that waits in the proxy."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.let_go = threading.Event()


class _Messages:
    """Whole messages from a socket, as bytes and parsed."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._reader = hiredis.Reader(replyError=Exception, notEnoughData=self)

    def next(self) -> tuple[bytes, Any] | None:
        raw = b""
        while (message := self._reader.gets()) is self:
            data = self._source.recv(65536)
            if not data:
                return None
            raw += data
            self._reader.feed(data)
        return raw, message
