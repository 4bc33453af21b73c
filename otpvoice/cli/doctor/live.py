"""``otpvoice doctor --live``: places one real call, and reports what it showed of the provider."""

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import click

from otpvoice.app import create_provider, create_service
from otpvoice.cli.doctor.live_call import LiveCall, LiveCallResult
from otpvoice.cli.doctor.store import open_store
from otpvoice.cli.operator import report_store_errors
from otpvoice.cli.terminal import Terminal
from otpvoice.core.code import generate_code
from otpvoice.core.errors import OtpvoiceError
from otpvoice.core.keys import KeyRing
from otpvoice.core.phone import mask_number
from otpvoice.core.requests import CreateRequest
from otpvoice.core.verification import Call, CallStatus, Route
from otpvoice.providers.base import CallQuery, CallReport, Deadlines, Provider
from otpvoice.providers.exchange_capture import CapturedResponse, capture_exchanges
from otpvoice.providers.mobtexting.conformance import check_conformance
from otpvoice.providers.mobtexting.evidence import (
    CapturedEvidence,
    CheckResult,
    CheckStatus,
    parse_reply_id,
)
from otpvoice.providers.status_words import StatusWords
from otpvoice.settings import Settings

_ANSWER_TIMEOUT_S: Final = 120.0
"""Seconds that somebody may think before answering a question."""
_QUERY_TIMEOUT_S: Final = 10.0
"""Seconds."""
_QUERY_RETRY_S: Final = 2.0
"""Seconds until the provider's own records may have a call that has just ended."""
_COLORS: Final = {
    CheckStatus.CONFIRMED: "green",
    CheckStatus.DIFFERENT: "yellow",
    CheckStatus.NOT_OBSERVED: None,
}
_QUESTIONS: Final = (
    ("phone.rings", "rings once", "Did the phone ring exactly once?"),
    ("phone.digits", "the code is read digit by digit", "Was the code read digit by digit?"),
    ("phone.keys", "nothing has to be pressed", "Was it read without a key to press before?"),
)


@dataclass(frozen=True, slots=True)
class LiveCallOptions:
    """What call is to be placed."""

    number: str
    """E.164."""
    route: Route | None
    client: str | None
    """None: the first that there is."""
    locale: str | None


def run_live_call(settings: Settings, options: LiveCallOptions, terminal: Terminal) -> bool:
    """Places the call and reports; whether it was answered, and the code right if one was typed.

    Raises:
        click.ClickException: it can not be placed, or nothing is known of it any more.
    """
    client = options.client or _default_client(settings)
    ring = KeyRing([named.key for named in settings.secrets.keys])
    with open_store(settings) as store:
        live_call = LiveCall(create_service(settings, store), store, ring, terminal, client)
        try:
            with report_store_errors(store.redis):
                result = live_call.place(_request(settings, options, client))
        except OtpvoiceError as error:
            raise click.ClickException(str(error)) from error
    checks = [
        *_conformance_checks(settings, options.number, result),
        *_user_answers(result, terminal),
    ]
    _print_report(result, checks)
    return result.call.status is CallStatus.ANSWERED and result.code_correct is not False


def cost_warning(settings: Settings, options: LiveCallOptions) -> str:
    """What is about to happen, for whoever pays for it."""
    client = options.client or _default_client(settings)
    route = options.route or settings.provider.routes[0]
    return (
        f"One real call to {mask_number(options.number)} by {route}, for the client {client}. "
        "It costs what a call costs and counts in the limits."
    )


def _default_client(settings: Settings) -> str:
    for name in settings.clients:
        return name
    raise click.ClickException("there is no client to call for: otpvoice keys new CLIENT")


def _request(settings: Settings, options: LiveCallOptions, client: str) -> CreateRequest:
    own_code = settings.clients[client].deliver_only
    return CreateRequest(
        to=options.number,
        route=options.route,
        locale=options.locale,
        code=generate_code(settings.verification.code_length) if own_code else None,
        reference=f"otpvoice doctor {secrets.token_hex(4)}",
    )


def _conformance_checks(
    settings: Settings, number: str, result: LiveCallResult
) -> Iterator[CheckResult]:
    """What the call showed by itself."""
    call, callback = result.call, result.callback
    responses: list[CapturedResponse] = []
    report = None
    if call.sent_at is not None:
        responses, report = _fetch_status(create_provider(settings), _status_query(number, result))
    yield from check_conformance(
        CapturedEvidence(
            route=Route(call.route),
            call_id=call.id,
            number=number,
            sent_at_ms=_sent_at(call),
            timezone=ZoneInfo(settings.provider.timezone),
            status_words=StatusWords(settings.provider.status_words),
            status=call.status,
            reply=result.reply,
            callback=callback[1] if callback else None,
            callback_at_ms=callback[0] if callback else None,
            query_responses=responses,
            query_report=report,
        )
    )


def _status_query(number: str, result: LiveCallResult) -> CallQuery:
    call = result.call
    return CallQuery(
        call_id=call.id,
        route=Route(call.route),
        number=number,
        bridge=call.bridge,
        provider_id=parse_reply_id(result.reply) if result.reply else None,
        sent_at_ms=_sent_at(call),
    )


def _sent_at(call: Call) -> int:
    """Of a call that is known not to have rung, it is not kept."""
    return call.sent_at or call.due_at


def _fetch_status(
    provider: Provider, query: CallQuery
) -> tuple[list[CapturedResponse], CallReport | None]:
    """As a dialer asks that missed the callback: it rings nothing and costs nothing."""
    for pause in (0.0, _QUERY_RETRY_S):
        time.sleep(pause)
        finish_by = time.monotonic() + _QUERY_TIMEOUT_S
        with capture_exchanges() as responses:
            report = provider.fetch_status(query, Deadlines(finish_by, finish_by))
        if report:
            break
    return responses, report


def _user_answers(result: LiveCallResult, terminal: Terminal) -> Iterator[CheckResult]:
    """What only somebody with the phone at the ear can tell."""
    code_results: Mapping[bool | None, tuple[CheckStatus, str]] = {
        True: (CheckStatus.CONFIRMED, "it was approved by it"),
        False: (CheckStatus.DIFFERENT, "what was typed is not the code"),
        None: (CheckStatus.NOT_OBSERVED, "nobody typed one"),
    }
    yield CheckResult("phone.code", "what is heard is the code", *code_results[result.code_correct])
    asks = result.user_present and result.call.status is CallStatus.ANSWERED
    for name, assumed, question in _QUESTIONS:
        said = _ask_user(terminal, question) if asks else None
        verdict = {
            True: CheckStatus.CONFIRMED,
            False: CheckStatus.DIFFERENT,
            None: CheckStatus.NOT_OBSERVED,
        }[said]
        seen = {True: "yes", False: "no", None: "nobody told"}[said]
        yield CheckResult(name, assumed, verdict, seen)


def _ask_user(terminal: Terminal, question: str) -> bool | None:
    terminal.print(f"{question} y, n, or Enter if you do not know.")
    try:
        answer = terminal.read_line(_ANSWER_TIMEOUT_S)
    except EOFError:
        return None
    return {"y": True, "yes": True, "n": False, "no": False}.get((answer or "").lower())


def _print_report(result: LiveCallResult, checks: Iterable[CheckResult]) -> None:
    call = result.call
    summary = ", ".join(filter(None, (call.status, call.reason, call.raw)))
    click.echo(f"\nThe call: {summary}.\nWhat it showed of docs/provider.md, section 4:")
    for each in checks:
        line = f"{each.status:10}  {each.name:18}  {each.expectation}: {each.observation}"
        click.secho(line, fg=_COLORS[each.status])
