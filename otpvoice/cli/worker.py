"""The API's worker: gunicorn's own, except for what it can not read."""

import contextlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker
from structlog.contextvars import clear_contextvars

from otpvoice.api.errors import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INTERNAL_ERROR_DETAIL,
    ProblemType,
    build_problem,
)
from otpvoice.api.responses import SECURITY_HEADERS

_LOG = structlog.get_logger(__name__)
_DETAIL: Final = "This can not be read as an HTTP request."
_STATUS: Final = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,  # RFC 9112, section 3: a must
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,  # RFC 6585, section 5
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,  # RFC 9112, section 6.1
}
"""The rest is 400."""
_SETTLE_S: Final = 0.5
"""Seconds within which all workers have closed their listening sockets."""


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """Refuses in a problem document, and once.

    Gunicorn's own refusal is a page that quotes the request. And where an answer is given before
    the body is read, and the body then turns out broken, it sends that page as a second answer: a
    proxy that shares the connection might give it to somebody else (RFC 9112, section 11.1).
    """

    sockets: list[Any]
    _is_stopping = False

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop in two steps: refuse new connections, then close the open ones one by one.

        Gunicorn says ``Connection: close`` at once but keeps the listening sockets until the
        worker ends. The kernel then completes connections that nobody accepts, and resets them in
        the end: each client that reconnects as requested would lose a request. So all workers first
        close their listening sockets, and only then answer with ``Connection: close``.
        """
        if self.alive and not self._is_stopping:
            self._is_stopping = True
            self.method_queue.defer(self._close_listeners, partial(super().handle_exit, sig, frame))

    def _close_listeners(self, leave: Callable[[], None]) -> None:
        """Accept what waits in the listen queues and close them; then ``leave``."""
        self.set_accept_enabled(False)
        for listener in self.sockets:
            with contextlib.suppress(OSError):  # no descriptors left, for example
                self._accept_all(listener)
            listener.close()
        self.sockets = []
        if self.nr_conns:
            threading.Timer(_SETTLE_S, leave).start()
        else:
            leave()

    def _accept_all(self, listener: Any) -> None:
        """Return when nothing waits to be accepted.

        Other threads may run while ``accept`` looks for a connection, and meanwhile one may come.
        They cannot while the length of the queue is read, so the caller closes it empty.
        """
        while self.nr_conns < self.worker_connections:
            before = self.nr_conns
            self.accept(listener)
            if self.nr_conns == before and listener.get_backlog() <= 0:
                return

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve one request, or refuse a body with a transfer coding other than ``chunked``.

        Gunicorn removes the chunks and passes on the coded bytes, which no view expects.
        RFC 9112, section 6.1: answer 501.
        """
        codings = [value for name, value in req.headers if name == "TRANSFER-ENCODING"]
        if codings and [coding.lower() for coding in codings] != ["chunked"]:
            self.handle_error(None, conn.sock, conn.client, UnsupportedTransferCoding(codings[0]))
            return False
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn calls it so
        """Refuses what did not reach the application; gunicorn then ends the connection."""
        clear_contextvars()  # they are of the request before
        request_id, kind = uuid.uuid4().hex, type(exc).__name__
        if not isinstance(exc, ParseException):
            _LOG.error("request.failed", error=kind, request_id=request_id)
            _send(client, _problem_response(INTERNAL_ERROR, INTERNAL_ERROR_DETAIL, request_id))
        elif req is None:
            status = _STATUS.get(type(exc), HTTPStatus.BAD_REQUEST)
            _LOG.warning("request.malformed", error=kind, http_status=status, request_id=request_id)
            _send(
                client, _problem_response(replace(BAD_REQUEST, status=status), _DETAIL, request_id)
            )


def _problem_response(problem: ProblemType, detail: str, request_id: str) -> bytes:
    body = msgspec.json.encode(build_problem(problem, detail, request_id))
    headers = {
        "Connection": "close",
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Request-Id": request_id,
        **SECURITY_HEADERS,
    }
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _send(client: Any, answer: bytes) -> None:
    with contextlib.suppress(OSError):  # gone already
        write_nonblock(client, answer)
