"""The sandbox as a Flask app, and its servers: in this process for tests, gunicorn otherwise."""

import threading
from types import FrameType
from typing import Any, Final, Self

import flask
from flask.json.provider import DefaultJSONProvider
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.serving import WSGIRequestHandler, make_server

from otpvoice.sandbox.config import SandboxConfig
from otpvoice.sandbox.control_api import control_api
from otpvoice.sandbox.network import EXTENSION, Sandbox
from otpvoice.sandbox.page import create_page
from otpvoice.sandbox.vendor_api import vendor_api

_THREADS: Final = 256
"""A behaviour that delays its reply holds one thread for each request."""
_GRACE_S: Final = 5
_KEEPALIVE_S: Final = 30
"""Longer than clients reuse an idle connection, so that it is not closed under a request."""


class _CompactJson(DefaultJSONProvider):
    """JSON without spaces, with members in the order of the vendor's documents."""

    sort_keys = False
    compact = True


def create_app(sandbox: Sandbox) -> flask.Flask:
    """Create the vendor's API, the control API and the page of a sandbox.

    The sandbox holds the state, so only one process may serve it.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.json = _CompactJson(app)
    app.extensions[EXTENSION] = sandbox
    for blueprint in (vendor_api, control_api, create_page()):
        app.register_blueprint(blueprint)
    return app


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing, because the request log contains more than an access log."""


class RunningSandbox:
    """A sandbox on a local port, as a context manager with threads of this process.

    ``url`` is its address and ``api_url`` the vendor's base URL. Tests read the request log in
    ``state`` and wait with ``state.wait_until``.
    """

    def __init__(self, config: SandboxConfig, port: int = 0) -> None:
        self.state = Sandbox(config)
        self._server = make_server(
            "127.0.0.1",
            port,
            create_app(self.state),
            threaded=True,
            request_handler=_QuietHandler,
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.005},
            name="sandbox-server",
            daemon=True,
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.api_url = f"{self.url}/api/v2/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self.state.close()
        self._server.server_close()
        self._thread.join()


class _Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """A worker that stops at once, because delayed replies would use up the grace period."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM: release delayed replies, then exit as usual."""
        if self.app.sandbox is not None:
            self.app.sandbox.stop()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGINT and SIGQUIT like SIGTERM.

        Gunicorn's own handler shuts the thread pool down. That deadlocks if the signal arrives
        while this thread holds the pool's lock to hand over a request.
        """
        self.handle_exit(sig, frame)


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # as above
    def __init__(self, config: SandboxConfig, options: dict[str, Any]) -> None:
        self.sandbox: Sandbox | None = None
        self._config = config
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> flask.Flask:
        self.sandbox = Sandbox(self._config)
        return create_app(self.sandbox)


def serve(config: SandboxConfig, host: str, port: int, logger_class: type | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then raise SystemExit.

    One process serves, because it holds the state in memory. ``logger_class`` is gunicorn's;
    without it gunicorn writes to stderr.
    """
    options = {
        "bind": f"{host}:{port}",
        "workers": 1,
        "worker_class": _Worker,
        "threads": _THREADS,
        "graceful_timeout": _GRACE_S,
        "keepalive": _KEEPALIVE_S,
        "loglevel": "warning",
        "control_socket_disable": True,
        **({"logger_class": logger_class} if logger_class else {}),
    }
    _Gunicorn(config, options).run()
