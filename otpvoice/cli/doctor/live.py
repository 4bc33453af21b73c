"""``otpvoice doctor --live``: places one real call, and reports what it showed of the provider."""

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import click

from otpvoice.app import create_service, provider
from otpvoice.cli.doctor.store import open_store
from otpvoice.cli.doctor.trial import Trial, TrialCall
from otpvoice.cli.operating import report_store_errors
from otpvoice.cli.terminal import Terminal
from otpvoice.core.code import generate_code
from otpvoice.core.errors import OtpvoiceError
from otpvoice.core.keys import KeyRing
from otpvoice.core.phone import mask_number
from otpvoice.core.requests import CreateRequest
from otpvoice.core.verification import Call, CallStatus, Route
from otpvoice.providers.base import CallInquiry, CallReport, Deadlines, Provider
from otpvoice.providers.exchange_capture import OverheardReply, overhearing
from otpvoice.providers.mobtexting.conformance import answers
from otpvoice.providers.mobtexting.evidence import Answer, Evidence, Verdict, reply_id
from otpvoice.providers.status_words import StatusWords
from otpvoice.settings import Settings

_PATIENCE: Final = 120.0
"""Seconds that somebody may think before answering a question."""
_ASK_WITHIN: Final = 10.0
"""Seconds."""
_ASK_AGAIN: Final = 2.0
"""Seconds until the provider's own records may have a call that has just ended."""
_COLORS: Final = {Verdict.ASSUMED: "green", Verdict.DIFFERENT: "yellow", Verdict.UNSEEN: None}
_QUESTIONS: Final = (
    ("phone.rings", "rings once", "Did the phone ring exactly once?"),
    ("phone.digits", "the code is read digit by digit", "Was the code read digit by digit?"),
    ("phone.keys", "nothing has to be pressed", "Was it read without a key to press before?"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What call is to be placed."""

    number: str
    """E.164."""
    route: Route | None
    client: str | None
    """None: the first that there is."""
    locale: str | None


def place_live(settings: Settings, wish: Wish, terminal: Terminal) -> bool:
    """Places the call and reports; whether it was answered, and the code right if one was typed.

    Raises:
        click.ClickException: it can not be placed, or nothing is known of it any more.
    """
    client = wish.client or _any_client(settings)
    ring = KeyRing([named.key for named in settings.secrets.keys])
    with open_store(settings) as store:
        calling = TrialCall(create_service(settings, store), store, ring, terminal, client)
        try:
            with report_store_errors(store.redis):
                trial = calling.place(_request(settings, wish, client))
        except OtpvoiceError as error:
            raise click.ClickException(str(error)) from error
    found = [*_shown(settings, wish.number, trial), *_told_by_person(trial, terminal)]
    _report(trial, found)
    return trial.call.status is CallStatus.ANSWERED and trial.right_code is not False


def warn_of(settings: Settings, wish: Wish) -> str:
    """What is about to happen, for whoever pays for it."""
    client = wish.client or _any_client(settings)
    route = wish.route or settings.provider.routes[0]
    return (
        f"One real call to {mask_number(wish.number)} by {route}, for the client {client}. "
        "It costs what a call costs and counts in the limits."
    )


def _any_client(settings: Settings) -> str:
    for name in settings.clients:
        return name
    raise click.ClickException("there is no client to call for: otpvoice keys new CLIENT")


def _request(settings: Settings, wish: Wish, client: str) -> CreateRequest:
    own_code = settings.clients[client].deliver_only
    return CreateRequest(
        to=wish.number,
        route=wish.route,
        locale=wish.locale,
        code=generate_code(settings.verification.code_length) if own_code else None,
        reference=f"otpvoice doctor {secrets.token_hex(4)}",
    )


def _shown(settings: Settings, number: str, trial: Trial) -> Iterator[Answer]:
    """What the call showed by itself."""
    call, callback = trial.call, trial.callback
    asked: list[OverheardReply] = []
    found = None
    if call.sent_at is not None:
        asked, found = _ask(provider(settings), _inquiry(number, trial))
    yield from answers(
        Evidence(
            route=Route(call.route),
            call_id=call.id,
            number=number,
            sent_at=_sent_at(call),
            zone=ZoneInfo(settings.provider.timezone),
            words=StatusWords(settings.provider.status_words),
            status=call.status,
            reply=trial.reply,
            callback=callback[1] if callback else None,
            callback_at=callback[0] if callback else None,
            asked=asked,
            found=found,
        )
    )


def _inquiry(number: str, trial: Trial) -> CallInquiry:
    call = trial.call
    return CallInquiry(
        call_id=call.id,
        route=Route(call.route),
        number=number,
        bridge=call.bridge,
        provider_id=reply_id(trial.reply) if trial.reply else None,
        sent_at=_sent_at(call),
    )


def _sent_at(call: Call) -> int:
    """Of a call that is known not to have rung, it is not kept."""
    return call.sent_at or call.due_at


def _ask(company: Provider, inquiry: CallInquiry) -> tuple[list[OverheardReply], CallReport | None]:
    """As a dialer asks that missed the callback: it rings nothing and costs nothing."""
    for pause in (0.0, _ASK_AGAIN):
        time.sleep(pause)
        over_by = time.monotonic() + _ASK_WITHIN
        with overhearing() as heard:
            found = company.ask(inquiry, Deadlines(over_by, over_by))
        if found:
            break
    return heard, found


def _told_by_person(trial: Trial, terminal: Terminal) -> Iterator[Answer]:
    """What only somebody with the phone at the ear can tell."""
    heard: Mapping[bool | None, tuple[Verdict, str]] = {
        True: (Verdict.ASSUMED, "it was approved by it"),
        False: (Verdict.DIFFERENT, "what was typed is not the code"),
        None: (Verdict.UNSEEN, "nobody typed one"),
    }
    yield Answer("phone.code", "what is heard is the code", *heard[trial.right_code])
    asks = trial.person_is_there and trial.call.status is CallStatus.ANSWERED
    for name, assumed, question in _QUESTIONS:
        said = _ask_person(terminal, question) if asks else None
        verdict = {True: Verdict.ASSUMED, False: Verdict.DIFFERENT, None: Verdict.UNSEEN}[said]
        seen = {True: "yes", False: "no", None: "nobody told"}[said]
        yield Answer(name, assumed, verdict, seen)


def _ask_person(terminal: Terminal, question: str) -> bool | None:
    terminal.print(f"{question} y, n, or Enter if you do not know.")
    try:
        said = terminal.read_line(_PATIENCE)
    except EOFError:
        return None
    return {"y": True, "yes": True, "n": False, "no": False}.get((said or "").lower())


def _report(trial: Trial, found: Iterable[Answer]) -> None:
    call = trial.call
    told = ", ".join(filter(None, (call.status, call.reason, call.raw)))
    click.echo(f"\nThe call: {told}.\nWhat it showed of docs/provider.md, section 4:")
    for each in found:
        line = f"{each.verdict:10}  {each.name:18}  {each.assumed}: {each.seen}"
        click.secho(line, fg=_COLORS[each.verdict])
