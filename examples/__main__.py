"""``python examples demo``, ``… login``, ``… sms``: an example with a demo stack of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from launcher import LOGIN, SMS, Example, open_in_browser, start_pages
from otpvoice.cli.serve import StopSignals
from otpvoice_demo.command import (
    API_PORT,
    SANDBOX_PORT,
    choose_port,
    demo_options,
    running_stack,
)
from otpvoice_demo.command import demo as scenario_only
from otpvoice_demo.printer import Printer
from otpvoice_demo.scenario import print_next_steps, run_scenario
from otpvoice_demo.settings import StackOptions
from otpvoice_demo.stack import Stack, StopRequested, free_port, is_free
from sms_fallback import scenario as sms_scenario

_PAGE_PORT: Final = 8080
_LOGIN_PORT: Final = 8010


@click.group()
def main() -> None:
    """Run an example with a demo stack of its own."""


@main.command()
@click.option("--once", is_flag=True, help="Exit after the verification, without the page.")
@click.option("--no-browser", is_flag=True, help="Print the address of the page only.")
@demo_options
@click.pass_context
def demo(
    context: click.Context, /, *, once: bool, no_browser: bool, port: int | None, **values: Any
) -> None:
    """Run one verification, then open a page with a login and its phone.

    The verification is that of ``otpvoice demo``. With --once there is nothing else.
    """
    if once:
        context.invoke(scenario_only, once=True, port=port, **values)
        return
    options = StackOptions(**values)
    reserved = (port or API_PORT, options.sandbox_port or SANDBOX_PORT)
    login, page = (
        f"http://127.0.0.1:{choose_port(preferred, others=reserved)}"
        for preferred in (_LOGIN_PORT, _PAGE_PORT)
    )
    with running_stack(port, options, app_origin=login, frame_ancestor=page) as (stack, printer):
        start_pages(stack, login, page)
        run_scenario(stack, printer)
        print_next_steps(stack, printer)
        address = click.style(f"{page}/", bold=True, underline=True)
        click.echo(f"\n   Log in, and answer the phone, on one page:  {address}\n")
        if not no_browser:
            open_in_browser(page)
        stack.wait_for_stop()


@main.command()
@click.option("--port", default=8010, show_default=True, help="Port of the page on 127.0.0.1.")
def login(port: int) -> None:
    """Run the login page: request a call, type the code, log in."""
    with _running_example(LOGIN, port, call_seconds=3, has_page=True) as (stack, origin):
        phones = f"{stack.sandbox_url}/phones"
        click.echo(
            f"\n  Log in:            {origin}/\n"
            "                     as 98765 43210, or any other mobile number of India\n"
            f"  Read the code:     {phones}/919876543210/calls\n"
            "  Make it busy:      "
            f"curl -X PUT {phones}/919876543210 -H 'Content-Type: application/json'"
            """ -d '{"behaviour": "busy"}'\n"""
        )
        _wait_for_stop(stack)


@main.command()
@click.option("--port", default=8020, show_default=True, help="Port of the API on 127.0.0.1.")
@click.option("--once", is_flag=True, help="Exit after the scenario.")
def sms(port: int, *, once: bool) -> None:
    """Run an SMS system that falls back to a call, step by step."""
    with _running_example(SMS, port, call_seconds=0.5) as (stack, origin):
        printer = Printer()
        sms_scenario.run_scenario(stack, origin, printer)
        if not once:
            sms_scenario.print_next_steps(stack, origin, printer)
            _wait_for_stop(stack)


@contextmanager
def _running_example(
    example: Example, port: int, call_seconds: float, *, has_page: bool = False
) -> Iterator[tuple[Stack, str]]:
    """Run an example with a stack; ``has_page``: its page uses the API, and it gets events."""
    stop = StopSignals()
    origin = f"http://127.0.0.1:{port if is_free(port) else free_port()}"
    click.echo("Starting the service, the provider simulator and the example ...")
    options: dict[str, Any] = {
        "app_origin": origin if has_page else "",
        "call_seconds": call_seconds,
    }
    try:
        with Stack(free_port(), lambda: stop.received, **options) as stack:
            example.launch(stack, origin)
            yield stack, origin
    except StopRequested as error:
        raise click.Abort from error


def _wait_for_stop(stack: Stack) -> None:
    click.echo(f"  Logs:              {stack.folder}/*.log\n\nEverything runs until Ctrl-C.")
    stack.wait_for_stop()


if __name__ == "__main__":
    main()
