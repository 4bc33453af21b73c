"""The API under gunicorn: set once, for ``otpvoice api`` and for ``config/gunicorn.conf.py``."""

import shutil
import signal
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication

from otpvoice.app import STORE, create_app
from otpvoice.cli.gunicorn_log import GunicornLogger
from otpvoice.cli.worker import Worker
from otpvoice.logs.attempts import ErrorBoundary
from otpvoice.metrics.multiprocess import directory, enable
from otpvoice.settings import Settings
from otpvoice.settings.schema import Server

GRACE_S: Final = 15
"""Seconds for what is in flight when a stop is asked for."""


class Gunicorn(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """The API, without a file for gunicorn."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """As :func:`options` has it; gunicorn calls this."""
        for name, value in options(self._settings.server).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, in each worker anew."""
        return create_app(self._settings)


def options(server: Server) -> Mapping[str, Any]:
    """Gunicorn's settings by their names."""
    return {
        "bind": server.bind,
        "workers": server.workers,
        "worker_class": Worker,
        "threads": server.threads,
        "graceful_timeout": GRACE_S,
        "keepalive": server.keepalive,
        "logger_class": GunicornLogger,
        "proc_name": "otpvoice-api",
        "control_socket_disable": True,
        "when_ready": _enable_multiprocess_metrics,
        "post_worker_init": _start_worker,
        "on_exit": _remove_metrics_folder,
        # A stuck worker is replaced; a slow client is not one, and Redis has its own timeout.
        "timeout": 30,
        # Some seconds' work may wait; of more the kernel tells the clients at once.
        "backlog": 1024,
        # The longest address is a callback composed into a query: under 1 KiB of members.
        "limit_request_line": 4094,
        # A client sends ten, each proxy adds some: no more memory than 64 × 8 KiB for each.
        "limit_request_fields": 64,
        # What nginx takes, so that both refuse the same; a browser's cookies fit.
        "limit_request_field_size": 8190,
        # X_Y and X-Y are one name to an application: the first is dropped, as nginx does.
        "header_map": "drop",
        # No header is believed to come from a proxy: we need none of what they tell, and one
        # that passes on its clients' headers would let them choose the path (SCRIPT_NAME).
        "forwarder_headers": "",
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
    }


def _enable_multiprocess_metrics(_arbiter: Any) -> None:
    """Before there is a worker: what workers count is in a folder that they share."""
    enable()


def _remove_metrics_folder(_arbiter: Any) -> None:
    """When all workers are gone. Only the arbiter comes here."""
    if folder := directory():
        shutil.rmtree(folder, ignore_errors=True)


def _start_worker(worker: Any) -> None:
    """In each worker, when its application is loaded."""
    _handle_sigint_as_sigterm(worker)
    # Whether the store serves is logged now, not with the first request. A thread of its own keeps
    # a store that hangs from delaying the worker.
    store = worker.wsgi.extensions[STORE]
    check = partial(ErrorBoundary("store.check_failed").run, store.health, None)
    threading.Thread(target=check, name="store check", daemon=True).start()


def _handle_sigint_as_sigterm(worker: Any) -> None:
    """Makes Ctrl-C end a worker as SIGTERM does.

    Gunicorn's own handler shuts the thread pool down, whose lock the same thread may hold.
    """
    signal.signal(signal.SIGINT, worker.handle_exit)
