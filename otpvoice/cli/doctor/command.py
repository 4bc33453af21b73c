"""The command ``otpvoice doctor``, and the list of its checks."""

import os
import ssl
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import click

from otpvoice.cli.doctor import COLORS, run_check
from otpvoice.cli.doctor.accounts import account_checks
from otpvoice.cli.doctor.caller_numbers import caller_number_findings
from otpvoice.cli.doctor.live_call import run_live_call
from otpvoice.cli.doctor.network import event_findings, provider_findings, webhook_findings
from otpvoice.cli.doctor.settings import (
    file_findings,
    flow_findings,
    machine_findings,
    number_findings,
    secret_findings,
    service_findings,
)
from otpvoice.cli.doctor.store import store_findings
from otpvoice.cli.operator import (
    json_option,
    load_settings,
    print_result,
    report_invalid_number,
    yes_option,
)
from otpvoice.cli.verify import Terminal
from otpvoice.core.keys import mask_number
from otpvoice.core.phone import parse_written_number, single_region
from otpvoice.diagnostics import Finding, Level, failure, ok, warning
from otpvoice.http_client import InvalidCaBundleError, create_tls_context
from otpvoice.settings import Settings, SettingsError, load
from otpvoice.settings.routing import route_order
from otpvoice.settings.validation import setting_warnings

_CONFIRM_TIMEOUT_S: Final = 600.0


@click.command()
@json_option
@click.option("--live", metavar="NUMBER", help="Place one real call instead.")
@click.option("--route", help="Route of the call.")
@click.option("--client", help="Client of the call.  [default: the first client]")
@click.option("--locale", help="Language of the call, such as hi-IN.")
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

    Each finding is one line: ok, advice, warn or FAIL, its subject, the observation and the remedy.
    The exit status is 1 if anything is FAIL. The command places no call, changes nothing and prints
    no secret.

    With --live it calls a real phone once, through the running dialer and API, and reports which
    behaviours on the provider's page the call confirmed (docs/providers). The call costs money, so
    the command asks for confirmation. The exit status is 0 if the call was answered, and the code
    right if one was typed.
    """
    if live is None:
        if route or client or locale or yes:
            raise click.UsageError("--route, --client, --locale and --yes require --live")
        context.exit(int(_report_findings(as_json=as_json)))
    if as_json:
        raise click.UsageError("--live is interactive and cannot be combined with --json")
    settings = load_settings()
    with report_invalid_number("--live"):
        number = parse_written_number(live, single_region(settings.limits.regions)).e164
    if number in settings.test_numbers:
        raise click.UsageError("this is a test number, so no call would be placed")
    routes = route_order(settings)
    if route is not None and route not in routes:
        raise click.UsageError(f"there is no such route; known: {', '.join(routes)}")
    client = _client_of_call(settings, client)
    terminal = Terminal()
    warning_text = (
        f"One real call to {mask_number(number)} by {route or routes[0]}, "
        f"for the client {client}. It costs what a call costs and counts in the limits."
    )
    question = f"{warning_text} Place it? [y/N]"
    if not yes and terminal.ask(question, _CONFIRM_TIMEOUT_S) not in {"y", "yes"}:
        raise click.Abort
    context.exit(int(not run_live_call(settings, terminal, client, number, route, locale)))


def run_checks(
    environ: Mapping[str, str], trusted: ssl.SSLContext | None = None
) -> Iterator[Finding]:
    """Yield every finding as soon as it is known; invalid settings end the run.

    Args:
        environ: environment variables.
        trusted: certificate authorities; by default those that the service trusts.
    """
    try:
        loaded = load(environ)
        trusted = trusted or create_tls_context(environ)
    except SettingsError as error:
        for wrong in error.invalid:
            yield failure(wrong.name, wrong.detail, f"correct it ({wrong.source})")
        return
    except InvalidCaBundleError as error:
        yield failure(error.variable, error.detail, "correct or unset the variable")
        return
    settings = loaded.settings
    yield ok("settings", "every field is valid")
    for text in loaded.warnings:
        if text not in {*setting_warnings(settings)}:  # the checks below report these
            yield warning("settings", text, "correct or remove it")
    accounts = [*account_checks(settings)]
    for subject, check in (
        ("settings", partial(service_findings, settings, accounts)),
        ("files", partial(file_findings, environ, settings)),
        ("machine", partial(machine_findings, settings.redis.url)),
        ("secrets", partial(secret_findings, settings, accounts)),
        ("numbers", partial(number_findings, settings)),
        ("caller numbers", partial(caller_number_findings, settings)),
        ("flows", partial(flow_findings, settings, accounts)),
        ("redis", partial(store_findings, settings)),
        ("webhook", partial(webhook_findings, settings, accounts, trusted)),
        ("events", partial(event_findings, settings, trusted)),
        *((each.table, partial(provider_findings, [each], trusted)) for each in accounts),
    ):
        yield from run_check(subject, check)


def _report_findings(*, as_json: bool) -> bool:
    """Run all checks, print the findings, and return whether any is a failure."""
    findings = []
    for finding in run_checks(os.environ):
        findings.append(finding)
        if not as_json:
            click.secho(str(finding), fg=COLORS[finding.level])
    failed = any(each.level is Level.FAILURE for each in findings)
    if as_json:
        document = {"failed": failed, "findings": [each.as_dict() for each in findings]}
        print_result(document, (), as_json=True)
    return failed


def _client_of_call(settings: Settings, client: str | None) -> str:
    if not settings.clients:
        raise click.ClickException("there is no client to call for: otpvoice keys new CLIENT")
    if client is not None and client not in settings.clients:
        known = ", ".join(settings.clients)
        raise click.UsageError(f"there is no client of this name; known: {known}")
    return client or next(iter(settings.clients))
