"""``python examples demo``, ``… login``, ``… sms``: an example, and a demo stack to go with it.

The stack is a whole service with a pretend telephone company; it is gone when the example ends.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from demo import demo
from launcher import LOGIN, SMS, Example
from otpvoice.cli.narrator import Printer
from otpvoice.cli.stack import Stack, StopRequested, free_port, is_free
from otpvoice.cli.subprocesses import StopSignals
from sms_fallback import scenario


@click.group()
def main() -> None:
    """Examples that run, each with a demo stack of its own."""


main.add_command(demo)


@main.command()
@click.option("--port", default=8010, show_default=True, help="Of the page, on 127.0.0.1.")
def login(port: int) -> None:
    """A login page: be called, type the code, be let in."""
    with _running_example(LOGIN, port, call_seconds=3) as (stack, origin):
        phones = f"{stack.sandbox_url}/phones"
        click.echo(
            f"\n  Log in:            {origin}/\n"
            "                     as 98765 43210, or any other mobile number of India\n"
            f"  Hear the code:     {phones}/919876543210/calls\n"
            "  Or have it busy:   "
            f"curl -X PUT {phones}/919876543210 -H 'Content-Type: application/json'"
            """ -d '{"behaviour": "busy"}'\n"""
        )
        _wait_for_stop(stack)


@main.command()
@click.option("--port", default=8020, show_default=True, help="Of the SMS system, on 127.0.0.1.")
@click.option("--once", is_flag=True, help="End after the narrated story.")
def sms(port: int, *, once: bool) -> None:
    """An SMS system that falls back to a call, told step by step."""
    with _running_example(SMS, port, call_seconds=0.5) as (stack, origin):
        narrator = Printer()
        scenario.run_scenario(stack, origin, narrator)
        if not once:
            scenario.print_next_steps(stack, origin, narrator)
            _wait_for_stop(stack)


@contextmanager
def _running_example(
    example: Example, port: int, call_seconds: float
) -> Iterator[tuple[Stack, str]]:
    """``seconds``: how long a phone rings, and how long somebody listens."""
    stop = StopSignals()
    origin = f"http://127.0.0.1:{port if is_free(port) else free_port()}"
    click.echo("Starting the service, a pretend telephone company, and the example ...")
    try:
        app = origin if example.has_page else ""
        with Stack(
            free_port(), lambda: stop.received, app_origin=app, call_seconds=call_seconds
        ) as stack:
            example.launch(stack, origin)
            yield stack, origin
    except StopRequested as error:
        raise click.Abort from error


def _wait_for_stop(stack: Stack) -> None:
    click.echo(f"  Logs:              {stack.folder}/*.log\n\nAll of it runs until Ctrl-C.")
    with suppress(StopRequested):
        while True:
            stack.check_health()
            time.sleep(0.1)
    click.echo("\nStopping ...")


if __name__ == "__main__":
    main()
