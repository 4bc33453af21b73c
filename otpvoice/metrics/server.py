"""``/metrics`` of a process that speaks no HTTP otherwise."""

import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from otpvoice.metrics.exposition import CONTENT_TYPE, Exposition

_REQUEST_TIMEOUT: Final = 5.0
"""Seconds that a scrape may take to send its request."""


class MetricsServer:
    """Answers scrapes until it is told to stop.

    Args:
        bind: ``host:port``.
        page: what it shows.
    """

    def __init__(self, bind: str, exposition: Exposition) -> None:
        self._bind = bind
        self._exposition = exposition

    def run(self, stopping: threading.Event) -> None:
        """Serves until ``stopping`` is set.

        Raises:
            OSError: the address can not be listened on.
        """
        host, _, port = self._bind.rpartition(":")
        with _Server(host.strip("[]"), int(port)) as server:
            server.set_app(self._answer)
            serving = threading.Thread(target=server.serve_forever, name="metrics")
            serving.start()
            stopping.wait()
            server.shutdown()
            serving.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Metrics are at /metrics.\n"]
        start("200 OK", [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")])
        return [self._exposition.render()]


class _Handler(WSGIRequestHandler):
    timeout = _REQUEST_TIMEOUT

    def log_message(self, *_: object) -> None:
        """Nothing: scrapes are many, and tell nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def handle_error(self, *_: object) -> None:
        """Nothing: whoever asked is gone."""
