"""Exposes metrics for a scrape: of all workers of the API together, or of one dialer."""

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Info,
    disable_created_metrics,
    generate_latest,
    make_wsgi_app,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, ThreadingWSGIServer
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private directory is created in it
"""A file system in memory (Linux), so that counting never waits for a disk."""


def enable_multiprocess() -> Path:
    """Count in files of a new private directory, in this process and those that it forks.

    This is the library's multi-process mode
    (https://prometheus.github.io/client_python/multiprocess/). Each worker counts in memory-mapped
    files that outlive it, so a killed worker loses no counts and a scrape of one worker shows all.
    """
    is_in_memory = os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    parent = _SHARED_MEMORY if is_in_memory else None
    directory = tempfile.mkdtemp(prefix="otpvoice-metrics-", dir=parent)
    os.environ[_DIRECTORY_VARIABLE] = directory
    # The library reads the variable on import only, and it has already been imported.
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call] # it has no types
    return Path(directory)


def multiprocess_directory() -> str | None:
    """Return the directory in which this process and others count together, if they do."""
    return os.environ.get(_DIRECTORY_VARIABLE)


def dropped_lines_counter(registry: CollectorRegistry) -> Counter:
    """Create the counter of log lines that could not be written."""
    description = "Log lines that could not be written."
    return Counter("otpvoice_log_lines_dropped", description, registry=registry)


class Exposition(CollectorRegistry):
    """All metrics of a scrape.

    Args:
        counters: the instruments of this process; in multi-process mode, those of all processes
            are exposed instead.
        gauges: values that are looked up for each scrape.
    """

    def __init__(self, counters: CollectorRegistry, gauges: Collector) -> None:
        super().__init__()
        # They triple the size, and the multi-process mode has none.
        disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
        directory = multiprocess_directory()
        Info("otpvoice_build", "The release.", registry=self).info({"version": version("otpvoice")})
        self.register(MultiProcessCollector(None, directory) if directory else counters)  # type: ignore[no-untyped-call] # it has no types
        self.register(gauges)

    def render(self) -> bytes:
        """Return the metrics in Prometheus's text format, version 0.0.4."""
        return generate_latest(self)


class MetricsServer:
    """Serves ``/metrics`` of a process that has no HTTP server otherwise.

    Args:
        bind: ``host:port``.
        exposition: the metrics to serve.
    """

    def __init__(self, bind: str, exposition: Exposition) -> None:
        self._bind = bind
        self._metrics_app = make_wsgi_app(exposition)

    def run(self, stopping: threading.Event) -> None:
        """Serve until ``stopping`` is set.

        Raises:
            OSError: the server cannot listen on the address.
        """
        host, _, port = self._bind.rpartition(":")
        server_class = _Ipv6Server if ":" in host else _Server
        with make_server(host.strip("[]"), int(port), self._app, server_class, _Handler) as server:
            thread = threading.Thread(target=server.serve_forever, name="metrics")
            thread.start()
            stopping.wait()
            server.shutdown()
            thread.join()

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Metrics are at /metrics.\n"]
        response: Iterable[bytes] = self._metrics_app(environ, start_response)
        return response


class _Handler(WSGIRequestHandler):
    timeout = 5.0
    """Seconds that a scrape may take to send its request."""

    def log_message(self, *_: object) -> None:
        """Log nothing, because scrapes are frequent."""


class _Server(ThreadingWSGIServer):
    def handle_error(self, *_: object) -> None:
        """Ignore a lost connection; the library would print it past the log."""


class _Ipv6Server(_Server):
    address_family = socket.AF_INET6
