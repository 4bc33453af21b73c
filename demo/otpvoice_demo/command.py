"""The command ``otpvoice demo``, and the parts that the page of ``make demo`` shares with it."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

import click

from otpvoice.cli.serve import StopSignals
from otpvoice.setting_types import parse_origin, parse_web_url
from otpvoice_demo.printer import Printer
from otpvoice_demo.scenario import print_next_steps, run_scenario, write_shell_exports
from otpvoice_demo.settings import StackOptions, load_keys
from otpvoice_demo.stack import Stack, StopRequested, free_port, is_free

API_PORT: Final = 8000
SANDBOX_PORT: Final = 8100
_SHORT_CALL_S: Final = 0.1
_CALL_S: Final = 0.5
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _validator(parse: Callable[[str], str]) -> Callable[..., Any]:
    """Return a click callback that validates one value, or each of several."""

    def validate(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
        try:
            return tuple(map(parse, value)) if isinstance(value, tuple) else value and parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return validate


def _port_option(name: str, service: str, default: int) -> Callable[[_Command], _Command]:
    return click.option(
        f"--{name}",
        type=click.IntRange(1, 65535),
        envvar=f"DEMO_{name.upper().replace('-', '_')}",
        show_envvar=True,
        help=f"Port of the {service} on 127.0.0.1.  [default: {default}, or a free one]",
    )


_OPTIONS: Final = (
    _port_option("port", "API", API_PORT),
    _port_option("sandbox-port", "sandbox", SANDBOX_PORT),
    click.option(
        "--cors-origin",
        "cors_origins",
        multiple=True,
        callback=_validator(parse_origin),
        envvar="DEMO_CORS_ORIGIN",
        show_envvar=True,
        help="Allow pages of this origin to use the API; may be repeated.",
    ),
    click.option(
        "--event-url",
        default="",
        callback=_validator(parse_web_url),
        envvar="DEMO_EVENT_URL",
        show_envvar=True,
        help="Deliver signed events to this URL of your backend.",
    ),
    click.option(
        "--console",
        is_flag=True,
        envvar="DEMO_CONSOLE",
        show_envvar=True,
        help="Enable the operators' console and print its key.",
    ),
)


def demo_options(command: _Command) -> _Command:
    """Add the options of every demo to a command: ``port`` and fields of ``StackOptions``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.option("--once", is_flag=True, help="Exit after the verification.")
@demo_options
def demo(*, once: bool, port: int | None, **values: Any) -> None:
    """Run one verification, from the request to the callback.

    The demo starts an embedded Valkey, the API, a dialer and the provider simulator on this
    machine. It exits with status 0 if the code was approved and the callback recorded.

    The folder .demo keeps the keys for the next start, and variables for a shell:  . .demo/env
    """
    call_seconds = _SHORT_CALL_S if once else _CALL_S
    options = StackOptions(**values)
    with running_stack(port, options, call_seconds=call_seconds) as (stack, printer):
        run_scenario(stack, printer)
        if not once:
            print_next_steps(stack, printer)
            stack.wait_for_stop()


@contextmanager
def running_stack(
    port: int | None,
    options: StackOptions,
    *,
    app_origin: str = "",
    frame_ancestor: str = "",
    call_seconds: float = _CALL_S,
) -> Iterator[tuple[Stack, Printer]]:
    """Run a stack with the stored keys, and write ``.demo/env``. ``Stack`` documents the arguments.

    Raises:
        click.Abort: the user asked to stop.
        click.ClickException: a port is in use, or a process did not start or has ended.
    """
    stop = StopSignals()
    printer = Printer()
    port = choose_port(API_PORT, port, "--port")
    sandbox_port = choose_port(SANDBOX_PORT, options.sandbox_port, "--sandbox-port", others=(port,))
    options = replace(options, sandbox_port=sandbox_port, keys=load_keys())
    click.echo("Starting Valkey, the API, a dialer and the provider simulator ...")
    try:
        with Stack(
            port,
            lambda: stop.received,
            app_origin=app_origin,
            call_seconds=call_seconds,
            frame_ancestor=frame_ancestor,
            options=options,
        ) as stack:
            click.echo(f"Ready after {printer.elapsed}. Logs: {stack.folder}/*.log")
            write_shell_exports(stack)
            yield stack, printer
    except StopRequested as error:
        raise click.Abort from error


def choose_port(
    default: int, requested: int | None = None, option: str = "", *, others: Collection[int] = ()
) -> int:
    """Return the requested or default port. If the default port is in use, return a free one.

    Args:
        default: the port if none is requested.
        requested: the value of ``option``.
        option: named in the error about a port in use.
        others: ports that this demo uses for other services.

    Raises:
        click.ClickException: the requested port is in use.
    """
    port = requested or default
    if port not in others and is_free(port):
        return port
    if requested:
        raise click.ClickException(f"port {port} on 127.0.0.1 is in use; choose another {option}")
    free = free_port()
    click.echo(f"Port {port} is in use; using {free} instead.")
    return free
