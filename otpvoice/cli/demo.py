"""``otpvoice demo``: the main job with real parts, told step by step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import click

from otpvoice.cli.children import StopSignals
from otpvoice.cli.narrator import Narrator, StoryError
from otpvoice.cli.stack import Stack, StackError, Stopped, free_port, is_free
from otpvoice.cli.story import invite, tell

_PORT: Final = 8000
_SHORT, _USUAL = 0.25, 0.5
"""Seconds that the phone rings and the conversation takes: where nobody stays, and else."""


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
    with running(port, seconds=_SHORT if once else _USUAL) as (stack, narrator):
        narrate(stack, narrator)
        if not once:
            invite(stack, narrator)
            stay(stack)


@contextmanager
def running(
    port: int | None, *, app: str = "", framed_by: str = "", seconds: float = _USUAL
) -> Iterator[tuple[Stack, Narrator]]:
    """A stack for a story, and its narrator; the other arguments are those of ``Stack``.

    Raises:
        click.Abort: a stop was asked for.
        click.ClickException: the port is taken, or something did not start or last.
    """
    stop = StopSignals()
    narrator = Narrator()
    chosen = _choose_port(port)
    click.echo("Starting Valkey, the API, a dialer, and a pretend telephone company ...")
    try:
        options = {"app": app, "framed_by": framed_by}
        with Stack(chosen, lambda: stop.came, seconds=seconds, **options) as stack:
            click.echo(f"All of them run, after {narrator.elapsed}. Logs: {stack.folder}/*.log")
            yield stack, narrator
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


def narrate(stack: Stack, narrator: Narrator) -> None:
    """Tells the one verification.

    Raises:
        StackError: it did not go as it is told; with the end of every log.
        Stopped: a stop was asked for.
    """
    try:
        tell(stack, narrator)
    except StoryError as error:
        stack.check_health()  # a process that has ended explains it better
        raise StackError(f"{error.message}\n{stack.tails()}") from error


def stay(stack: Stack) -> None:
    """Waits until a stop is asked for.

    Raises:
        StackError: a process ended before.
    """
    with suppress(Stopped):
        while True:
            stack.check_health()
            time.sleep(0.1)
    click.echo("\nStopping ...")
