"""Commands that start a process and keep it."""

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import click
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from otpvoice.app import create_app, create_dialer
from otpvoice.cli.children import StopSignals, command_line, end
from otpvoice.cli.configured import load_settings
from otpvoice.cli.worker import Worker
from otpvoice.metrics.sharing import share
from otpvoice.sandbox import SandboxConfig, Webhook
from otpvoice.sandbox import serve as serve_sandbox
from otpvoice.settings import Settings

_GRACE: Final = 15
"""Seconds for what is in flight when a stop is asked for."""
_DIALER_GRACE: Final = 20.0
"""Seconds: a request that was sent is over by then, and what became of it is written down."""


class _GunicornLog(Logger):  # type: ignore[misc] # gunicorn ships no types
    """Says what gunicorn has to say in our log, not in one of its own."""

    def setup(self, _cfg: object) -> None:
        """Leave level and handlers as our log set them."""
        self.error_log.propagate = True


class _Gunicorn(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """The API under gunicorn, without a file of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts: Path | None = None
        super().__init__()

    def load_config(self) -> None:
        server = self._settings.server
        options: dict[str, Any] = {
            "bind": server.bind,
            "workers": server.workers,
            "worker_class": Worker,
            "threads": server.threads,
            "graceful_timeout": _GRACE,
            "keepalive": 5,
            "logger_class": _GunicornLog,
            "proc_name": "otpvoice-api",
            "control_socket_disable": True,
            "when_ready": self._count_together,
            "post_worker_init": _take_interrupts_gently,
            "on_exit": self._forget_counts,
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
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)

    def _count_together(self, _arbiter: Any) -> None:
        """Before there is a worker: what workers count is in a folder that they share."""
        self._counts = share()

    def _forget_counts(self, _arbiter: Any) -> None:
        """When all workers are gone. Only the arbiter comes here."""
        if self._counts:
            shutil.rmtree(self._counts, ignore_errors=True)


def _take_interrupts_gently(worker: Any) -> None:
    """Makes Ctrl-C end a worker as SIGTERM does.

    Gunicorn's own handler shuts the thread pool down, whose lock the same thread may hold.
    """
    signal.signal(signal.SIGINT, worker.handle_exit)


@click.command()
def api() -> None:
    """Serve the HTTP API."""
    _Gunicorn(load_settings()).run()


@click.command()
def dialer() -> None:
    """Place the calls. Start as many as you like, on any machine that reaches the store."""
    running = create_dialer(load_settings())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop())
    running.run()


@click.command()
def serve() -> None:
    """Run the API and a dialer together, for one machine. Ends when either ends."""
    load_settings()  # once here, so that a wrong one is told once
    stop = StopSignals()
    children = [subprocess.Popen(command_line(name)) for name in ("api", "dialer")]
    while not stop.came and all(child.poll() is None for child in children):
        time.sleep(0.2)
    asked = stop.came
    codes = end(children, _DIALER_GRACE + _GRACE)
    if not asked or not {*codes} <= {0, -signal.SIGTERM}:  # the latter while it was starting
        raise click.ClickException(f"the api ended with {codes[0]}, the dialer with {codes[1]}")


@click.command()
@click.option("--port", default=8100, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--token",
    default="sandbox-token",
    envvar="SANDBOX_TOKEN",
    show_default=True,
    show_envvar=True,
    help="The API token it takes.",
)
@click.option("--webhook", default="", help="Where callbacks go: the service's webhook address.")
@click.option(
    "--secret",
    default="",
    envvar="SANDBOX_SECRET",
    show_envvar=True,
    help="The webhook's secret, sent as a Bearer credential.",
)
@click.option("--ring", default=3.0, show_default=True, help="Seconds that a phone rings.")
@click.option("--talk", default=6.0, show_default=True, help="Seconds of a conversation.")
def sandbox(port: int, token: str, webhook: str, secret: str, ring: float, talk: float) -> None:
    """Pretend to be the telephone company: no account, no money, no phone needed."""
    hooks = {"1": Webhook(uri=webhook, secret=secret)} if webhook else {}
    config = SandboxConfig(
        token=token,
        webhooks=hooks,
        subscription="1" if hooks else None,
        ring_seconds=ring,
        talk_seconds=talk,
    )
    serve_sandbox(config, "127.0.0.1", port)
