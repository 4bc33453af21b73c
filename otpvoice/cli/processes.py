"""Commands that start a process and keep it."""

import signal
import subprocess
import time
from typing import Final

import click

from otpvoice.app import create_dialer
from otpvoice.cli.children import StopSignals, command_line, end
from otpvoice.cli.configured import load_settings
from otpvoice.cli.gunicorn import GRACE, Gunicorn
from otpvoice.sandbox import SandboxConfig, Webhook
from otpvoice.sandbox import serve as serve_sandbox

DIALER_GRACE: Final = 20.0
"""Seconds: a request that was sent is over by then, and what became of it is written down."""


@click.command()
def api() -> None:
    """Serve the HTTP API."""
    Gunicorn(load_settings()).run()


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
    codes = end(children, DIALER_GRACE + GRACE)
    if not asked or not {*codes} <= {0, -signal.SIGTERM}:  # the latter while it was starting
        raise click.ClickException(f"the api ended with {codes[0]}, the dialer with {codes[1]}")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, help="Port to listen on.")
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
@click.option("--framed-by", default="", help="Origin whose pages may show this one in a frame.")
def sandbox(
    host: str,
    port: int,
    token: str,
    webhook: str,
    secret: str,
    ring: float,
    talk: float,
    framed_by: str,
) -> None:
    """Pretend to be the telephone company: no account, no money, no phone needed.

    Its phones are on a page, for a browser: they ring, are answered and speak.
    """
    hooks = {"1": Webhook(uri=webhook, secret=secret)} if webhook else {}
    config = SandboxConfig(
        token=token,
        webhooks=hooks,
        subscription="1" if hooks else None,
        ring_seconds=ring,
        talk_seconds=talk,
        framed_by=framed_by,
    )
    serve_sandbox(config, host, port)
