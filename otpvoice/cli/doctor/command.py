"""The command itself."""

import os
from collections.abc import Iterable, Iterator
from typing import Final

import click

from otpvoice.cli.doctor.checks import run_checks
from otpvoice.cli.doctor.findings import COLORS, Finding, Level
from otpvoice.cli.doctor.live import LiveCallOptions, cost_warning, run_live_call
from otpvoice.cli.operator import (
    json_option,
    load_settings,
    print_json,
    report_invalid_number,
    yes_option,
)
from otpvoice.cli.terminal import Terminal
from otpvoice.core.phone import parse_written_number, single_region
from otpvoice.core.verification import Route
from otpvoice.settings import Settings

_CONFIRM_TIMEOUT_S: Final = 600.0
"""Seconds to decide on a call."""


@click.command()
@json_option
@click.option("--live", metavar="NUMBER", help="Place one real call instead.")
@click.option(
    "--route", type=click.Choice([route.value for route in Route]), help="How to place it."
)
@click.option("--client", help="For whom.  [default: the first client]")
@click.option("--locale", help="The language to speak, such as hi-IN.")
@yes_option
@click.pass_context
def doctor(
    context: click.Context,
    *,
    as_json: bool,
    live: str | None,
    route: str | None,
    client: str | None,
    locale: str | None,
    yes: bool,
) -> None:
    """Check settings, secrets, store, dialers, webhook and provider.

    Each finding is one line: ok, advice, warn or FAIL, its subject, what was found, and what to
    do. The status is 1 if anything is FAIL. No call is placed, nothing is changed, no secret is
    printed.

    --live calls a real phone once, by the dialer and the API that run, and reports what it showed
    of all that is uncertain about the provider. It costs what a call costs, and asks first. The
    status is 0 if the call was answered, and the code right if one was typed.
    """
    if live is None:
        if route or client or locale or yes:
            raise click.UsageError("--route, --client, --locale and --yes belong to --live")
        context.exit(int(_report_checks(as_json=as_json)))
    if as_json:
        raise click.UsageError("--live talks with you: it has no --json")
    settings = load_settings()
    with report_invalid_number("--live"):
        number = parse_written_number(live, single_region(settings.limits.regions))
    options = LiveCallOptions(number.e164, Route(route) if route else None, client, locale)
    _validate_options(settings, options)
    terminal = Terminal()
    if not yes and not _confirms(terminal, cost_warning(settings, options)):
        raise click.Abort
    context.exit(int(not run_live_call(settings, options, terminal)))


def _report_checks(*, as_json: bool) -> bool:
    """Whether anything failed."""
    findings = run_checks(os.environ)
    results = [*findings] if as_json else [*_print_findings(findings)]
    failed = any(each.level is Level.FAILURE for each in results)
    if as_json:
        print_json({"failed": failed, "findings": [each.as_dict() for each in results]})
    return failed


def _print_findings(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Each as soon as it is found."""
    for finding in findings:
        click.secho(str(finding), fg=COLORS[finding.level])
        yield finding


def _validate_options(settings: Settings, options: LiveCallOptions) -> None:
    if options.number in settings.test_numbers:
        raise click.UsageError("this is a test number: nobody would be called")
    if options.client is not None and options.client not in settings.clients:
        raise click.UsageError(
            f"there is no client of this name; known: {', '.join(settings.clients)}"
        )
    if options.route is not None and options.route not in settings.provider.routes:
        raise click.UsageError("provider.routes does not have this route")


def _confirms(terminal: Terminal, warning: str) -> bool:
    terminal.print(f"{warning} Place it? [y/N]")
    try:
        return (terminal.read_line(_CONFIRM_TIMEOUT_S) or "").lower() in {"y", "yes"}
    except EOFError:
        return False
