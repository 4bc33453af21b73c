"""``otpvoice demo``: the main job with real parts, told step by step."""

import time
from contextlib import suppress
from typing import Final

import click

from otpvoice.cli.children import StopSignals
from otpvoice.cli.narrator import Narrator, StoryError
from otpvoice.cli.stack import Stack, StackError, Stopped, free_port, is_free
from otpvoice.cli.story import invite, tell

_PORT: Final = 8000


@click.command()
@click.option("--once", is_flag=True, help="End after the narrated verification.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help=f"Port of the API on 127.0.0.1.  [default: {_PORT}, or a free one]",
)
def demo(*, once: bool, port: int | None) -> None:
    """See one verification from the request to the callback.

    Real parts on this machine: an embedded Valkey, the API, a dialer. Only the telephone company
    is pretended. Ends with status 0 if the code was approved and the callback recorded.
    """
    stop = StopSignals()
    narrator = Narrator()
    chosen = _choose_port(port)
    click.echo("Starting Valkey, the API, a dialer, and a pretend telephone company ...")
    try:
        with Stack(chosen, lambda: stop.came) as stack:
            click.echo(f"All of them run, after {narrator.elapsed}. Logs: {stack.folder}/*.log")
            _tell(stack, narrator)
            if not once:
                invite(stack, narrator)
                _stay(stack)
    except Stopped as error:
        raise click.Abort from error


def _choose_port(wanted: int | None) -> int:
    port = wanted or _PORT
    if is_free(port):
        return port
    if wanted:
        raise click.ClickException(f"port {port} of 127.0.0.1 is taken; choose another --port")
    chosen = free_port()
    click.echo(f"Port {port} is taken, so this one is used: {chosen}")
    return chosen


def _tell(stack: Stack, narrator: Narrator) -> None:
    try:
        tell(stack, narrator)
    except StoryError as error:
        stack.check_health()  # a process that has ended explains it better
        raise StackError(f"{error.message}\n{stack.tails()}") from error


def _stay(stack: Stack) -> None:
    with suppress(Stopped):
        while True:
            stack.check_health()
            time.sleep(0.1)
    click.echo("\nStopping ...")
