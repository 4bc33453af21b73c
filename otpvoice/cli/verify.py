"""``otpvoice verify``: verify a number at a terminal, as a login page would."""

import os
import select
import sys
import unicodedata
from contextlib import suppress
from typing import Final

import click

from otpvoice.cli.operator import report_invalid_number
from otpvoice.core.phone import parse_written_number, single_region
from otpvoice.settings import SettingsError, load
from otpvoice_client import (
    ApiError,
    Client,
    ConnectionFailed,
    OtpvoiceError,
    Transaction,
    Unavailable,
    Verification,
)

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
"""Status of the newest call as text. An unknown status is shown as it is."""
_POLL_INTERVAL_S: Final = 2.0
"""Used if the service names no interval."""

_CLEAR_LINE: Final = "\r\x1b[K"
_SEPARATORS: Final = ("Z", "P", "Cf")
"""Unicode categories that may stand between digits: spaces, punctuation, direction marks."""
_MINUS: Final = "\u2212"


class Terminal:
    """Stdout with one live line if it is a terminal, and stdin read with a timeout."""

    def __init__(self) -> None:
        self._is_live = sys.stdout.isatty()
        self._state = ""
        self._typed = b""

    def show_state(self, state: str) -> None:
        """Show a state: on a terminal in place of the last one, elsewhere on a line of its own."""
        if state != self._state:
            self._state = state
            text = f"{_CLEAR_LINE}{state}. Code: " if self._is_live else state
            click.echo(text, nl=not self._is_live)

    def print(self, text: str) -> None:
        """Print a line that stays."""
        self._state = ""
        click.echo(f"{_CLEAR_LINE}{text}" if self._is_live else text)

    def ask(self, question: str, timeout_s: float) -> str:
        """Ask a question. Return the answer in small letters; it is empty if there is none."""
        self.print(question)
        try:
            return (self.read_line(timeout_s) or "").lower()
        except EOFError:
            return ""

    def read_line(self, timeout_s: float) -> str | None:
        """Return the typed line, or None after the timeout.

        Raises:
            EOFError: stdin is closed.
        """
        while b"\n" not in self._typed:
            ready, _, _ = select.select([sys.stdin], [], [], timeout_s)
            if not ready:
                return None
            some = os.read(sys.stdin.fileno(), 1024)
            if not some and not self._typed:
                raise EOFError
            self._typed += some or b"\n"
        line, _, self._typed = self._typed.partition(b"\n")
        self._state = ""  # the cursor has left the live line
        return line.decode(errors="replace").strip()


def normalize_code(text: str) -> str:
    """Return the digits of any script as ASCII digits, without separators.

    Letters and other signs stay, so that the API refuses the text without using up a check.
    """
    return "".join(
        str(unicodedata.decimal(character, character))
        for character in unicodedata.normalize("NFKC", text)
        if character != _MINUS and not unicodedata.category(character).startswith(_SEPARATORS)
    )


@click.command()
@click.argument("number", metavar="NUMBER")
@click.option("--name", help="Name that the call speaks.")
@click.option("--locale", help="The language to speak, such as hi-IN.")
@click.option("--route", help="Route of the first call.")
@click.option("--amount", help="Amount of a payment that the code authorises, such as 2500.00.")
@click.option("--currency", help="Currency of the amount (ISO 4217), such as INR.")
@click.option("--payee", help="Payee of the payment.")
@click.pass_context
def verify(
    context: click.Context,
    number: str,
    name: str | None,
    locale: str | None,
    route: str | None,
    amount: str | None,
    currency: str | None,
    payee: str | None,
) -> None:
    """Call a phone, and check the code that it speaks.

    OTPVOICE_URL and OTPVOICE_API_KEY name the service and the client. The number needs its +,
    unless the service's settings are available and name one region. The exit status is 0 if the
    code was correct, else 1. Ctrl-C cancels the verification.
    """
    region = None
    with suppress(SettingsError):  # there are none, as on another machine
        region = single_region(load(os.environ).settings.limits.regions)
    with report_invalid_number("NUMBER"):
        number = parse_written_number(number, region).e164
    terminal = Terminal()
    transaction = _transaction(amount, currency, payee)
    with _client() as client:
        try:
            begun = client.create(
                number, name=name, locale=locale, route=route, transaction=transaction
            )
            status = _run_verification(client, terminal, begun, transaction)
        except OtpvoiceError as error:
            raise click.ClickException(str(error)) from error
    terminal.print(f"{number} is verified." if status == "approved" else f"Not verified: {status}.")
    context.exit(0 if status == "approved" else 1)


def _transaction(amount: str | None, currency: str | None, payee: str | None) -> Transaction | None:
    """Return the transaction that the options name; None if they name none."""
    if amount is None and currency is None and payee is None:
        return None
    if amount is None or currency is None or payee is None:
        raise click.UsageError("a payment needs --amount, --currency and --payee")
    return Transaction(amount=amount, currency=currency, payee=payee)


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


def _run_verification(
    client: Client,
    terminal: Terminal,
    verification: Verification,
    transaction: Transaction | None,
) -> str:
    """Return the status with which the verification ended, or that the person denied the call."""
    terminal.print("Type the code that you hear, then press Enter. Press Ctrl-C to cancel.")
    try:
        while not verification.has_ended:
            status = verification.calls[-1].status if verification.calls else "queued"
            terminal.show_state(CALL_STATES.get(status, status))
            typed = terminal.read_line(verification.poll_after or _POLL_INTERVAL_S)
            if code := normalize_code(typed or ""):
                verification = _check(client, terminal, verification, code, transaction)
            else:
                with suppress(ConnectionFailed, Unavailable):  # the next poll may succeed
                    verification = client.get(verification.id)
    except (KeyboardInterrupt, EOFError):
        with suppress(OtpvoiceError):  # it has ended meanwhile, or it will expire
            client.cancel(verification.id)
        return "canceled"
    return "denied on the phone" if verification.reason == "denied" else verification.status


def _check(
    client: Client,
    terminal: Terminal,
    verification: Verification,
    code: str,
    transaction: Transaction | None,
) -> Verification:
    try:
        checked = client.check(verification.id, code, transaction=transaction)
    except ConnectionFailed as error:
        terminal.print(f"{error}; try again.")
        return verification
    except ApiError as error:
        terminal.print(str(error))
        return error.verification or verification
    if not checked:
        terminal.print(f"Wrong code, checks left: {checked.verification.checks_left}.")
    return checked.verification
