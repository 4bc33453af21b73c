"""Commands that start a process and keep it."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final

import click

from otpvoice.app import create_dialer
from otpvoice.cli.configured import load_settings
from otpvoice.cli.gunicorn import GRACE_S, Gunicorn
from otpvoice.cli.subprocesses import StopSignals, SupervisedProcess, terminate

DIALER_GRACE_S: Final = 20.0
"""Seconds: a request that was sent is over by then, and what became of it is written down."""


@click.command()
def api() -> None:
    """Serve the HTTP API."""
    Gunicorn(load_settings()).run()


@click.command()
def dialer() -> None:
    """Place the calls. Start as many as you like, on any machine that reaches the store."""
    placing = create_dialer(load_settings())
    ended: SimpleQueue[object] = SimpleQueue()
    # A signal handler may interrupt this thread anywhere, so the handler takes no lock of a kind
    # that this thread could hold: putting into this queue is safe there.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.put(None))
    with ThreadPoolExecutor(1, thread_name_prefix="dialer") as pool:
        running = pool.submit(placing.run)
        running.add_done_callback(ended.put)
        ended.get()
        placing.stop()
        running.result()


@click.command()
def serve() -> None:
    """Run the API and a dialer together, for one machine.

    A process that ends is restarted after 1 second, then 2, up to 60, and the log says so with its
    exit status. One that exits by itself within 30 seconds of its first start cannot be started,
    for example because its port is taken: then both end, with status 1. SIGTERM and Ctrl-C end
    both, with status 0.
    """
    load_settings()  # once here, so that wrong settings are reported once
    stop = StopSignals()
    children = [SupervisedProcess(name) for name in ("api", "dialer")]
    failed: dict[str, int] = {}
    while not stop.received and not failed:
        time.sleep(0.2)
        statuses = {child.name: child.check() for child in children if not stop.received}
        failed = {name: status for name, status in statuses.items() if status is not None}
    running = [child for child in children if child.is_running]
    codes = terminate([child.process for child in running], DIALER_GRACE_S + GRACE_S)
    for name, status in failed.items():
        raise click.ClickException(f"the {name} could not be started: it ended with {status}")
    if not {*codes} <= {0, -signal.SIGTERM}:  # the latter while it was starting
        ended = zip((child.name for child in running), codes, strict=True)
        raise click.ClickException(
            ", ".join(f"the {name} ended with {code}" for name, code in ended)
        )
