"""Running the sandbox: in this process for tests, under gunicorn for everything else."""

import threading
from types import FrameType, TracebackType
from typing import Any, Final, Self

import flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.serving import WSGIRequestHandler, make_server

from otpvoice.sandbox.app import create_app, get_sandbox
from otpvoice.sandbox.company import Sandbox
from otpvoice.sandbox.config import SandboxConfig

_THREADS: Final = 256
"""Behaviours that hang hold one each."""
_GRACE_S: Final = 5
"""Seconds to end in; it hardly takes one."""


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The ledger tells more than an access log."""


class RunningSandbox:
    """A sandbox on a port of this machine, as a context manager; threads of this process.

    ``url`` is where it listens, ``api_url`` the vendor's base URL, ``company`` what it holds:
    tests read the ledger there and wait with ``company.wait_until``.
    """

    def __init__(self, config: SandboxConfig, port: int = 0) -> None:
        app = create_app(config)
        self.state: Sandbox = get_sandbox(app)
        self._server = make_server(
            "127.0.0.1", port, app, threaded=True, request_handler=_QuietHandler
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self.state.close()
        self._server.server_close()
        self._thread.join()


class _Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Ends at once: requests that hang by order would use up the whole grace."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM."""
        app: flask.Flask | None = self.app.callable
        if app is not None:
            get_sandbox(app).stop()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT, SIGQUIT: the same.

        Gunicorn's own handler shuts the thread pool down, whose lock this very thread holds when
        the signal comes while it hands over a request; then both wait for ever.
        """
        self.handle_exit(sig, frame)


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # as above
    def __init__(self, config: SandboxConfig, options: dict[str, Any]) -> None:
        self._config = config
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> flask.Flask:
        return create_app(self._config)


def serve(config: SandboxConfig, host: str, port: int, logger_class: type | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then raises SystemExit.

    One process, because the company lives in its memory. ``logger_class``: for gunicorn, which
    writes to stderr itself if there is none.
    """
    options = {
        "bind": f"{host}:{port}",
        "workers": 1,
        "worker_class": _Worker,
        "threads": _THREADS,
        "graceful_timeout": _GRACE_S,
        "loglevel": "warning",
        "control_socket_disable": True,
        **({"logger_class": logger_class} if logger_class else {}),
    }
    _Gunicorn(config, options).run()
