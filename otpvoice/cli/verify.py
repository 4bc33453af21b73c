"""``otpvoice verify``: prove a number at a terminal, as a login page would."""

import os
from contextlib import suppress
from typing import Final

import click

from otpvoice.cli.backend import Backend, Refusal, Unreachable, Verification
from otpvoice.cli.terminal import Terminal

_PHONE: Final = {
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
_LOOK_AFTER: Final = 2.0
"""Seconds between two looks, when the service does not say."""


@click.command()
@click.argument("number", metavar="+91…")
@click.option("--name", help="Spoken at the beginning of the call.")
@click.option("--locale", help="The language to speak, such as hi-IN.")
@click.option("--route", type=click.Choice(["obd", "c2c"]), help="How to place the call first.")
@click.pass_context
def verify(context: click.Context, /, number: str, **wishes: str | None) -> None:
    """Call a phone, and check the code that is read out.

    OTPVOICE_URL and OTPVOICE_API_KEY say which service, and who asks. Ends with status 0 if the
    code was right, 1 if not; Ctrl-C cancels the verification.
    """
    backend = Backend(_url(), _variable("OTPVOICE_API_KEY", "the API key of a client"))
    given = {wish: said for wish, said in wishes.items() if said is not None}
    verification = backend.create({"to": number, **given})
    terminal = Terminal()
    terminal.say("Type the code that you hear, then Enter. Ctrl-C gives up.")
    try:
        status = _until_ended(backend, terminal, verification)["status"]
    except (KeyboardInterrupt, EOFError):
        with suppress(Refusal, Unreachable):  # ended meanwhile, or ends by itself
            backend.cancel(verification)
        status = "canceled"
    terminal.say(f"{number} is proven." if status == "approved" else f"Not proven: {status}.")
    context.exit(0 if status == "approved" else 1)


def _url() -> str:
    url = _variable("OTPVOICE_URL", "the address of the service")
    if not url.startswith(("http://", "https://")):
        raise click.UsageError("OTPVOICE_URL must begin with http:// or https://")
    return url


def _variable(name: str, meaning: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise click.UsageError(f"set {name}: {meaning}")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise click.UsageError(f"{name} must be visible ASCII characters without spaces")
    return value


def _until_ended(backend: Backend, terminal: Terminal, verification: Verification) -> Verification:
    while verification["status"] == "pending":
        terminal.show(_phone(verification))
        code = terminal.line(verification.get("poll_after") or _LOOK_AFTER)
        if code:
            verification = _check(backend, terminal, verification, code)
        else:
            with suppress(Unreachable):  # the next look may succeed
                verification = backend.get(verification)
    return verification


def _check(
    backend: Backend, terminal: Terminal, verification: Verification, code: str
) -> Verification:
    try:
        checked = backend.check(verification, code)
    except Unreachable as error:
        terminal.say(f"{error.message}; try again.")
        return verification
    except Refusal as refusal:
        terminal.say(refusal.message)
        return refusal.verification or verification
    if not checked["valid"]:
        terminal.say(f"Wrong code, checks left: {checked['checks_left']}.")
    return checked


def _phone(verification: Verification) -> str:
    calls = verification["calls"]
    status = calls[-1]["status"] if calls else "queued"
    return _PHONE.get(status, status)
