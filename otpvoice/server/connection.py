"""A client's connection to the epoll worker."""

import socket
import struct
from typing import Any

from gunicorn.workers.gthread import TConn


class Connection(TConn):  # type: ignore[misc] # gunicorn ships no types
    """A client's connection."""

    environ: dict[str, Any]
    """The WSGI environment of its requests, without their own variables."""
    received = b""
    """Of the next request."""
    deadline = 0.0
    """Seconds of the monotonic clock."""
    is_registered = False
    unsent = b""
    """Of the response."""
    keeps = True
    """It stays open after the response."""
    is_lingering = False
    """The last response is sent and the connection is closed for writing."""
    drained = 0
    """Bytes that came after that."""

    def limit_sends(self, seconds: float) -> None:
        """Let no later send of gunicorn's own code wait longer for the client."""
        timeval = struct.pack("ll", int(seconds), 0)  # seconds and microseconds
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)


def has_data(sock: socket.socket) -> bool:
    """Return whether bytes have arrived that are not read yet."""
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def addresses_of(client: Any, server: Any) -> dict[str, str]:
    """Return the peers of a connection as in the WSGI environment. A Unix socket has no ports."""
    addresses = {"REMOTE_ADDR": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    if isinstance(server, tuple):
        addresses |= {"SERVER_NAME": server[0], "SERVER_PORT": str(server[1])}
    if isinstance(client, tuple):
        addresses |= {"REMOTE_ADDR": client[0], "REMOTE_PORT": str(client[1])}
    return addresses
