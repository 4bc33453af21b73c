"""The provider simulator, for development and tests.

It simulates the vendors of mobtexting.md and docs/providers/ on localhost, with phones that have
configurable behaviours and a log of every request. It shares no module with otpvoice, so
the two implementations of the vendors' protocols are independent.
"""

import signal
import threading
from typing import Final, Self

import flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.serving import WSGIRequestHandler, make_server

from otpvoice_sandbox import control_api, page, plivo_api, twiml_accounts, twiml_api, vendor_api
from otpvoice_sandbox.config import CallbackTemplate, ReplyStyle, SandboxConfig, Webhook
from otpvoice_sandbox.network import EXTENSION, Sandbox

__all__ = [
    "CallbackTemplate",
    "ReplyStyle",
    "RunningSandbox",
    "SandboxConfig",
    "Webhook",
    "serve",
]

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class RunningSandbox:
    """A sandbox on a port, as a context manager with threads of this process.

    ``url`` is its address and ``api_url`` the vendor's base URL. Tests read the request log in
    ``state`` and wait with ``state.wait_until``.
    """

    def __init__(self, config: SandboxConfig, port: int = 0, host: str = "127.0.0.1") -> None:
        self.state = Sandbox(config)
        self._server = make_server(
            host, port, _create_app(self.state), threaded=True, request_handler=_QuietHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="sandbox-server",
            daemon=True,
        )
        self.url = f"http://{host}:{self._server.server_port}"
        self.api_url = f"{self.url}/api/v2/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self.state.close()
        self._server.server_close()
        self._thread.join()


def serve(config: SandboxConfig, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. It changes the signal mask of the process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)  # before threads, which inherit it
    with RunningSandbox(config, port, host):
        signal.sigwait(_STOP_SIGNALS)


class _CompactJson(DefaultJSONProvider):
    """JSON without spaces, with members in the order of the vendor's documents."""

    sort_keys = False
    compact = True


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing, because the request log contains more than an access log."""


def _create_app(sandbox: Sandbox) -> flask.Flask:
    """Create the vendor's API, the control API and the page of a sandbox.

    The sandbox holds the state, so only one process may serve it.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.json = _CompactJson(app)
    app.extensions[EXTENSION] = sandbox
    for module in (vendor_api, twiml_api, twiml_accounts, plivo_api, control_api, page):
        app.register_blueprint(module.blueprint)
    return app
