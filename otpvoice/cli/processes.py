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
