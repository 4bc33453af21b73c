"""``otpvoice demo``: the main job with real parts, narrated step by step."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from otpvoice.cli.demo_folder import load_keys, write_shell_exports
from otpvoice.cli.narrator import Printer, ScenarioError
from otpvoice.cli.stack import Stack, StackError, StopRequested, free_port, is_free
from otpvoice.cli.stack_settings import StackOptions
from otpvoice.cli.story import print_next_steps, run_scenario
from otpvoice.cli.subprocesses import StopSignals
from otpvoice.settings.parsers import parse_event_url, parse_origin

_PORT: Final = 8000
_SANDBOX_PORT: Final = 8100
_SHORT_CALL_S, _CALL_S = 0.1, 0.5
"""Seconds that the phone rings and the conversation takes: where nobody stays, and otherwise."""
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What is chosen by ``demo_options``."""

    port: int | None = None
    sandbox_port: int | None = None
    cors_origin: tuple[str, ...] = ()
    event_url: str = ""
    console: bool = False

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of API and sandbox, unless they are taken."""
        return self.port or _PORT, self.sandbox_port or _SANDBOX_PORT


def _validator(read: Callable[[str], str]) -> Callable[..., Any]:
    """Return a callback of click that has ``read`` check one value, or each of several."""

    def check(_context: click.Context, _option: click.Parameter, given: Any) -> Any:
        try:
            return tuple(map(read, given)) if isinstance(given, tuple) else read(given)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return check


def _port(name: str, what: str, usual: int) -> Callable[[_Command], _Command]:
    return click.option(
        f"--{name}",
        type=click.IntRange(1, 65535),
        envvar=f"DEMO_{name.upper().replace('-', '_')}",
        show_envvar=True,
        help=f"Port of the {what} on 127.0.0.1.  [default: {usual}, or a free one]",
    )


_OPTIONS: Final = (
    _port("port", "API", _PORT),
    _port("sandbox-port", "sandbox", _SANDBOX_PORT),
    click.option(
        "--cors-origin",
        multiple=True,
        callback=_validator(parse_origin),
        envvar="DEMO_CORS_ORIGIN",
        show_envvar=True,
        help="Origin of your web page, which may then use the API; may be repeated.",
    ),
    click.option(
        "--event-url",
        default="",
        callback=_validator(parse_event_url),
        envvar="DEMO_EVENT_URL",
        show_envvar=True,
        help="Where your backend takes signed events.",
    ),
    click.option(
        "--console",
        is_flag=True,
        envvar="DEMO_CONSOLE",
        show_envvar=True,
        help="Open the operators' console, and print its key.",
    ),
)


def demo_options(command: _Command) -> _Command:
    """Give a command the options that every demo has: the members of ``DemoSettings``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.option("--once", is_flag=True, help="End after the narrated verification.")
@demo_options
def demo(*, once: bool, **chosen: Any) -> None:
    """See one verification from the request to the callback.

    Real parts on this machine: an embedded Valkey, the API, a dialer. Only the telephone company
    is simulated. Ends with status 0 if the code was approved and the callback recorded.

    The folder .demo keeps the keys for the next start, and lines for a shell:  . .demo/env
    """
    settings = DemoOptions(**chosen)
    with running_stack(settings, seconds=_SHORT_CALL_S if once else _CALL_S) as (stack, narrator):
        narrate_scenario(stack, narrator)
        if not once:
            print_next_steps(stack, narrator)
            wait_for_stop(stack)


@contextmanager
def running_stack(
    settings: DemoOptions, *, app: str = "", framed_by: str = "", seconds: float = _CALL_S
) -> Iterator[tuple[Stack, Printer]]:
    """Run a stack for a story, and give its narrator; see ``Stack`` for the other arguments.

    Raises:
        click.Abort: a stop was asked for.
        click.ClickException: a port is taken, or something did not start or last.
    """
    stop = StopSignals()
    narrator = Printer()
    port = choose_port(_PORT, settings.port, "--port")
    options = StackOptions(
        sandbox_port=choose_port(
            _SANDBOX_PORT, settings.sandbox_port, "--sandbox-port", others=(port,)
        ),
        cors_origins=settings.cors_origin,
        event_url=settings.event_url,
        console=settings.console,
        keys=load_keys(),
    )
    click.echo("Starting Valkey, the API, a dialer, and a simulated telephone company ...")
    try:
        page = {"app_origin": app, "frame_ancestor": framed_by}
        with Stack(
            port, lambda: stop.received, call_seconds=seconds, options=options, **page
        ) as stack:
            click.echo(f"All of them run, after {narrator.elapsed}. Logs: {stack.folder}/*.log")
            write_shell_exports(stack)
            yield stack, narrator
    except StopRequested as error:
        raise click.Abort from error


def choose_port(
    default: int, requested: int | None = None, option: str = "", *, others: Collection[int] = ()
) -> int:
    """Return the port that was wanted, or the usual one, or a free one if that is taken.

    Args:
        default: the port if none was requested.
        requested: the port that ``option`` gave.
        option: named in the message about a port that is taken.
        others: ports of the same demo, which count as taken.

    Raises:
        click.ClickException: the port that was wanted is taken.
    """
    port = requested or default
    if port not in others and is_free(port):
        return port
    if requested:
        raise click.ClickException(f"port {port} of 127.0.0.1 is taken; choose another {option}")
    chosen = free_port()
    click.echo(f"Port {port} is taken, so this one is used: {chosen}")
    return chosen


def narrate_scenario(stack: Stack, narrator: Printer) -> None:
    """Tells the one verification.

    Raises:
        StackError: it did not go as it is told; with the end of every log.
        Stopped: a stop was asked for.
    """
    try:
        run_scenario(stack, narrator)
    except ScenarioError as error:
        stack.check_health()  # a process that has ended explains it better
        raise StackError(f"{error.message}\n{stack.log_tails()}") from error


def wait_for_stop(stack: Stack) -> None:
    """Waits until a stop is asked for.

    Raises:
        StackError: a process ended before.
    """
    with suppress(StopRequested):
        while True:
            stack.check_health()
            time.sleep(0.1)
    click.echo("\nStopping ...")
