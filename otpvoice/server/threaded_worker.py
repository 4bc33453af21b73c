"""Gunicorn's threaded worker with the service's own refusals and stop."""

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

from otpvoice.api.errors import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INTERNAL_ERROR_DETAIL,
    ProblemType,
    build_problem,
)
from otpvoice.api.security_headers import SECURITY_HEADERS
from otpvoice.logs.context import start_request

_LOG = structlog.get_logger(__name__)


class RequestTimeout(ParseException):  # type: ignore[misc] # gunicorn ships no types
    """The client did not send a whole request in time."""


_DETAIL: Final = "The request is not valid HTTP."
_TIMEOUT_DETAIL: Final = "The request did not arrive in time."
_STATUS: Final = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,  # RFC 9112, section 3: a must
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,  # RFC 6585, section 5
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,  # RFC 9112, section 6.1
    RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,  # RFC 9110, section 15.5.9
}
"""Other parse errors are 400."""
_SETTLE_S: Final = 0.5
"""All workers have closed their listening sockets within this time."""


class ThreadedWorker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """Threaded worker that refuses an unreadable request with one problem document.

    Gunicorn's own error page quotes the request. If the application responds before it reads the
    body, and the body is broken, gunicorn also sends that page as a second response. A proxy that
    shares the connection might deliver it to another client (RFC 9112, section 11.1).
    """

    sockets: list[Any]
    _is_stopping = False

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop in two steps: refuse new connections, then close the open ones one by one.

        Gunicorn sends ``Connection: close`` at once, but keeps the listening sockets until the
        worker ends. The kernel then completes connections that no worker accepts, and resets them
        later, so each client that reconnects as requested loses a request. For this reason all
        workers close their listening sockets first, and send ``Connection: close`` after that.
        """
        if self.alive and not self._is_stopping:
            self._is_stopping = True
            self.method_queue.defer(self._close_listeners, partial(super().handle_exit, sig, frame))

    def _close_listeners(self, leave: Callable[[], None]) -> None:
        """Accept what waits in the listen queues, close them, and then call ``leave``."""
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

    def accept(self, listener: Any) -> None:
        """Accept one connection.

        One wait can return the stop and the event of a listening socket after it, which the stop
        has closed. Gunicorn would end the worker with all its connections.
        """
        if listener in self.sockets:
            super().accept(listener)

    def _accept_all(self, listener: Any) -> None:
        """Accept connections until the listen queue is empty.

        Other threads may run during ``accept``, and a connection may arrive meanwhile. They do not
        run while the length of the queue is read, so the caller closes an empty queue.
        """
        while self.nr_conns < self.worker_connections:
            before = self.nr_conns
            self.accept(listener)
            if self.nr_conns == before and listener.get_backlog() <= 0:
                return

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve one request, or refuse a body with a transfer coding other than ``chunked``.

        Gunicorn removes the chunks and passes on the coded bytes, which no view expects.
        RFC 9112, section 6.1, requires 501.
        """
        codings = [value for name, value in req.headers if name == "TRANSFER-ENCODING"]
        if codings and [coding.lower() for coding in codings] != ["chunked"]:
            self.handle_error(None, conn.sock, conn.client, UnsupportedTransferCoding(codings[0]))
            return False
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn calls it so
        """Refuse a request that did not reach the application. Gunicorn closes the connection."""
        start_request()  # the lines below name the request themselves
        request_id, kind = uuid.uuid4().hex, type(exc).__name__
        if not isinstance(exc, ParseException):
            _LOG.error("request.failed", error=kind, request_id=request_id)
            self._send_problem(client, INTERNAL_ERROR, INTERNAL_ERROR_DETAIL, request_id)
        elif req is None:
            status = _STATUS.get(type(exc), HTTPStatus.BAD_REQUEST)
            _LOG.warning("request.malformed", error=kind, http_status=status, request_id=request_id)
            detail = _TIMEOUT_DETAIL if isinstance(exc, RequestTimeout) else _DETAIL
            problem = replace(BAD_REQUEST, status=status)
            self._send_problem(client, problem, detail, request_id)

    def _send_problem(
        self, client: Any, problem: ProblemType, detail: str, request_id: str
    ) -> None:
        document = build_problem(problem, detail, request_id, self.wsgi.public_url)
        body = msgspec.json.encode(document)
        headers = {
            "Connection": "close",
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(body)),
            "Request-Id": request_id,
            **SECURITY_HEADERS,
        }
        lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with contextlib.suppress(OSError):  # the client has disconnected
            write_nonblock(client, "\r\n".join([*lines, "", ""]).encode() + body)
