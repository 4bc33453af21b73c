"""One HTTP/1.1 response, read within bounds of time and of bytes.

``http.client`` skips no interim response but 100 and bounds lines, not what a server sends in all.
A response that is read here ends where it says. Bytes behind its end are reported, because on a
kept connection they would be taken for the response to the next request.
"""

import socket
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse, parse_headers
from io import BufferedReader, RawIOBase
from typing import Any, Final, Protocol

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes before the body: status line and headers, those of interim responses included."""
_MAX_ENCODED_BODY_BYTES: Final = 512 * 1024
"""Bytes after the head as they are sent: of 64 KiB in chunks of one byte, and trailers."""
_SWITCHING_PROTOCOLS: Final = 101


class ResponseTooLargeError(Exception):
    """The response is longer than its bounds."""


class UnexpectedUpgradeError(HTTPException):
    """101 without a request to switch: what follows is not HTTP."""


class Exchange(Protocol):
    """What a response needs to know of the request it belongs to."""

    def seconds_to_end(self) -> float:
        """Return the seconds that are left; raise ``TimeoutError`` when none are."""
        ...

    def report_unread(self) -> None:
        """Note that bytes came behind the end of the response."""
        ...


class _BoundedReader(RawIOBase):
    """Reads a socket until the exchange must be over, and so many bytes at most."""

    def __init__(self, sock: socket.socket, seconds_left: Callable[[], float]) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._seconds_left = seconds_left
        self._bytes_left = MAX_HEAD_BYTES
        self._is_detached = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._is_detached:
            return 0
        if self._bytes_left <= 0:
            raise ResponseTooLargeError
        self._sock.settimeout(self._seconds_left())
        count = self._raw.readinto(memoryview(buffer)[: self._bytes_left])
        self._bytes_left -= count or 0
        return count

    def allow_body(self) -> None:
        """Allow the bytes of a body; until then those of a head are allowed."""
        self._bytes_left += _MAX_ENCODED_BODY_BYTES

    def detach_socket(self) -> None:
        """Read no further byte: what is buffered by then is all."""
        self._is_detached = True

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Stream(BufferedReader):
    """A buffer over the reader that reports what is left in it when the response is over."""

    def __init__(self, reader: _BoundedReader, report_unread: Callable[[], None]) -> None:
        super().__init__(reader)
        self._reader = reader
        self._report_unread = report_unread

    def close(self) -> None:
        if not self.closed:
            self._reader.detach_socket()
            if self.peek(1):
                self._report_unread()
        super().close()


class BoundedResponse(HTTPResponse):
    """A response within the bounds of its exchange; interim responses before it are skipped."""

    def __init__(self, sock: socket.socket, exchange: Exchange, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _BoundedReader(sock, exchange.seconds_to_end)
        self.fp = _Stream(self._reader, exchange.report_unread)

    def begin(self) -> None:
        """Read status line and headers.

        Raises:
            ResponseTooLargeError: they are longer than :data:`MAX_HEAD_BYTES`.
            UnexpectedUpgradeError: the status is 101.
        """
        super().begin()
        self._reader.allow_body()

    def _read_status(self) -> tuple[str, int, str]:
        """Read the final status line (RFC 9110, section 15.2)."""
        while True:
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc] # not in the stubs
            _, status, _ = line
            if status == _SWITCHING_PROTOCOLS:
                raise UnexpectedUpgradeError
            if status >= 200:
                return line
            parse_headers(self.fp)
