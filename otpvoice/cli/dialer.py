"""``otpvoice dialer``: place calls."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue

import click

from otpvoice.cli.operator import load_settings
from otpvoice.container import create_dialer


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
        while True:  # a signal that another thread receives does not interrupt the wait
            with suppress(Empty):
                ended.get(timeout=1)
                break
        instance.stop()
        running.result()
