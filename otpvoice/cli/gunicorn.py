"""``otpvoice api``: the API under gunicorn, configured alike by ``config/gunicorn.conf.py``."""

import contextlib
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from otpvoice.app import STORE, create_app
from otpvoice.cli.gunicorn_log import GunicornLogger
from otpvoice.cli.operator import load_settings
from otpvoice.cli.serve import GRACE_S
from otpvoice.logs import ErrorBoundary
from otpvoice.metrics.exposition import enable_multiprocess, multiprocess_directory
from otpvoice.server.epoll_worker import EpollWorker
from otpvoice.server.threaded_worker import ThreadedWorker
from otpvoice.settings import Settings
from otpvoice.settings.schema import Server

_WORKERS = {"epoll": EpollWorker, "gthread": ThreadedWorker}


@click.command()
def api() -> None:
    """Serve the HTTP API."""
    Gunicorn(load_settings()).run()


class Gunicorn(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """The API as a gunicorn application that needs no configuration file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Apply :func:`options`. Gunicorn calls this."""
        for name, value in options(self._settings.server).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Create the application. Gunicorn calls this in each worker."""
        return create_app(self._settings)


def options(server: Server) -> Mapping[str, Any]:
    """Return gunicorn's settings by name."""
    return {
        "bind": server.bind,
        "workers": server.workers,
        "worker_class": _WORKERS[server.worker],
        "threads": server.threads,
        "graceful_timeout": GRACE_S,
        "keepalive": server.keepalive,
        "logger_class": GunicornLogger,
        "proc_name": "otpvoice-api",
        "control_socket_disable": True,
        "http_parser": "python",  # the C parser, which others may install, answers differently
        # The workers share a metrics folder, which exists before the first one starts.
        "when_ready": lambda _arbiter: enable_multiprocess(),
        "pre_fork": _choose_processor,
        "post_fork": _keep_to_processor,
        "post_worker_init": _start_worker,
        "on_exit": _remove_metrics_folder,
        # A few seconds of work may wait. The kernel refuses further connections at once.
        "backlog": 1024,
        # A client sends about ten, and each proxy adds some. 64 × 8 KiB bounds the memory.
        "limit_request_fields": 64,
        # X_Y and X-Y are one name to an application. The first is dropped, as nginx does.
        "header_map": "drop",
        # No proxy header is trusted, because none is needed, and a proxy that forwards its
        # clients' headers would let them choose the path (SCRIPT_NAME).
        "forwarder_headers": "",
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
    }


def _remove_metrics_folder(_arbiter: Any) -> None:
    """Remove the shared metrics folder after all workers have ended. Runs in the arbiter only."""
    if folder := multiprocess_directory():
        shutil.rmtree(folder, ignore_errors=True)


def _choose_processor(arbiter: Any, worker: Any) -> None:
    """Choose the least used processor for a worker if there is one for each, else None.

    The threads of a worker take turns, so on one processor they never wait for each other across
    two. With fewer workers, others may need the first processors as much: in a container without a
    processor set, those of all containers of the machine. A reload starts the new workers before
    the old ones end.
    """
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    used = Counter(each.processor for each in arbiter.WORKERS.values())
    worker.processor = None
    if len(processors) == arbiter.num_workers:
        worker.processor = min(processors, key=lambda each: (used[each], each))


def _keep_to_processor(_arbiter: Any, worker: Any) -> None:
    """Keep a new worker, and the threads that it will start, on its processor."""
    if worker.processor is not None:
        # A system call filter, as in config/systemd, may forbid it.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {worker.processor})


def _start_worker(worker: Any) -> None:
    """Prepare a worker after its application is loaded."""
    # Ctrl-C ends a worker as SIGTERM does. Gunicorn's own handler shuts the thread pool down, whose
    # lock the same thread may hold.
    signal.signal(signal.SIGINT, worker.handle_exit)
    # Logs whether the store serves now, not with the first request. The thread keeps a hanging
    # store from delaying the worker.
    store = worker.wsgi.extensions[STORE]
    check = partial(ErrorBoundary("store.check_failed").run, store.health, None)
    threading.Thread(target=check, name="store check", daemon=True).start()
