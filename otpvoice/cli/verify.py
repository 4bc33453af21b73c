"""``otpvoice verify``: prove a number at a terminal, as a login page would."""

import os
from contextlib import suppress
from typing import Final

import click

from otpvoice.cli.telephone import report_invalid_number
from otpvoice.cli.terminal import Terminal
from otpvoice.cli.typed import normalize_code
from otpvoice.client import (
    ApiError,
    Client,
    ConnectionFailed,
    OtpvoiceError,
    Unavailable,
    Verification,
)
from otpvoice.core.phone import parse_written_number, single_region
from otpvoice.settings import SettingsError, load

CALL_STATES: Final = {
    "queued": "The phone will be called",
    "dialing": "The phone is being called",
    "placed": "The phone should ring",
    "answered": "The call was answered",
    "busy": "The phone was busy",
    "no_answer": "The phone was not answered",
    "failed": "The phone could not be called",
    "unknown": "The phone may have rung",
    "canceled": "The call was canceled",
    "expired": "There was no time for the call",
}
"""The state of the newest call, in words; a word that we do not know is shown as it is."""
_POLL_INTERVAL_S: Final = 2.0
"""Seconds between two looks, when the service does not say."""


@click.command()
@click.argument("number", metavar="NUMBER")
@click.option("--name", help="Spoken at the beginning of the call.")
@click.option("--locale", help="The language to speak, such as hi-IN.")
@click.option("--route", type=click.Choice(["obd", "c2c"]), help="How to place the call first.")
@click.pass_context
def verify(
    context: click.Context, number: str, name: str | None, locale: str | None, route: str | None
) -> None:
    """Call a phone, and check the code that is read out.

    OTPVOICE_URL and OTPVOICE_API_KEY say which service, and who asks. The number needs its + unless
    the settings of the service are at hand and name one region. Ends with status 0 if the code was
    right, 1 if not; Ctrl-C cancels the verification.
    """
    with report_invalid_number("NUMBER"):
        number = parse_written_number(number, _default_region()).e164
    terminal = Terminal()
    with _client() as client:
        try:
            begun = client.create(number, name=name, locale=locale, route=route)
            status = _run_verification(client, terminal, begun)
        except OtpvoiceError as error:
            raise click.ClickException(str(error)) from error
    terminal.print(f"{number} is proven." if status == "approved" else f"Not proven: {status}.")
    context.exit(0 if status == "approved" else 1)


def _default_region() -> str | None:
    """Return the region of numbers without +; None without settings, as on another machine."""
    try:
        return single_region(load(os.environ).settings.limits.regions)
    except SettingsError:
        return None


def _client() -> Client:
    url = _required_variable("OTPVOICE_URL", "the address of the service")
    api_key = _required_variable("OTPVOICE_API_KEY", "the API key of a client")
    try:
        return Client(url, api_key)
    except ValueError as error:
        raise click.UsageError(f"OTPVOICE_URL and OTPVOICE_API_KEY: {error}") from error


def _required_variable(name: str, meaning: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise click.UsageError(f"set {name}: {meaning}")
    return value


def _run_verification(client: Client, terminal: Terminal, verification: Verification) -> str:
    """The status it ended with."""
    terminal.print("Type the code that you hear, then Enter. Ctrl-C gives up.")
    try:
        return _check_until_ended(client, terminal, verification).status
    except (KeyboardInterrupt, EOFError):
        with suppress(OtpvoiceError):  # ended meanwhile, or ends by itself
            client.cancel(verification.id)
        return "canceled"


def _check_until_ended(
    client: Client, terminal: Terminal, verification: Verification
) -> Verification:
    while not verification.has_ended:
        terminal.show_state(_render_call_state(verification))
        code = normalize_code(terminal.read_line(verification.poll_after or _POLL_INTERVAL_S) or "")
        if code:
            verification = _check(client, terminal, verification, code)
        else:
            with suppress(ConnectionFailed, Unavailable):  # the next look may succeed
                verification = client.get(verification.id)
    return verification


def _check(
    client: Client, terminal: Terminal, verification: Verification, code: str
) -> Verification:
    try:
        checked = client.check(verification.id, code)
    except ConnectionFailed as error:
        terminal.print(f"{error}; try again.")
        return verification
    except ApiError as refusal:
        terminal.print(str(refusal))
        return refusal.verification or verification
    if not checked:
        terminal.print(f"Wrong code, checks left: {checked.verification.checks_left}.")
    return checked.verification


def _render_call_state(verification: Verification) -> str:
    status = verification.calls[-1].status if verification.calls else "queued"
    return CALL_STATES.get(status, status)
