"""``otpvoice api``, ``dialer`` and ``serve``: run the service's processes."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final

import click

from otpvoice.app import create_dialer
from otpvoice.cli.gunicorn import GRACE_S, Gunicorn
from otpvoice.cli.operator import load_settings
from otpvoice.cli.subprocesses import StopSignals, SupervisedProcess, terminate

DIALER_GRACE_S: Final = 20.0
"""A request that was sent has ended by then, and its outcome is recorded."""


@click.command()
def api() -> None:
    """Serve the HTTP API."""
    Gunicorn(load_settings()).run()


@click.command()
def dialer() -> None:
    """Place calls. Any number of dialers can run, on any machine that reaches the store."""
    instance = create_dialer(load_settings())
    ended: SimpleQueue[object] = SimpleQueue()
    # A signal handler may interrupt this thread anywhere, so it must not take a lock that this
    # thread could hold. Putting into a SimpleQueue is safe there.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.put(None))
    with ThreadPoolExecutor(1, thread_name_prefix="dialer") as pool:
        running = pool.submit(instance.run)
        running.add_done_callback(ended.put)
        ended.get()
        instance.stop()
        running.result()


@click.command()
def serve() -> None:
    """Run the API and a dialer on one machine.

    A process that ends is restarted after 1 second, then 2, up to 60, and the log records its exit
    status. If a process exits within 30 seconds of its first start, for example because its port
    is taken, both processes end with status 1. SIGTERM and Ctrl-C end both with status 0.
    """
    load_settings()  # so that invalid settings are reported once
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
