"""``otpvoice doctor --live``: place one real call, and report what it showed of the provider."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import click

from otpvoice.cli.admin import report_store_errors
from otpvoice.cli.doctor.accounts import account_checks
from otpvoice.cli.doctor.store import open_store
from otpvoice.cli.verify import CALL_STATES, Terminal
from otpvoice.container import Container
from otpvoice.core.errors import OtpvoiceError
from otpvoice.core.requests import CheckRequest, CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.speech import generate_code
from otpvoice.core.verification import (
    CALL_TRANSITIONS,
    Call,
    CallStatus,
    Status,
    Verification,
)
from otpvoice.http_client import CapturedResponse, Deadlines, capture_exchanges
from otpvoice.providers.base import CallQuery
from otpvoice.providers.checks import Checks
from otpvoice.providers.conformance import CapturedEvidence, CheckResult, CheckStatus
from otpvoice.providers.exchange_capture import (
    CapturedAnswer,
    CapturedCallback,
    CapturedExchange,
    ExchangeCapture,
)
from otpvoice.providers.message_body import describe_values
from otpvoice.providers.routes import Route
from otpvoice.settings import Settings

_POLL_INTERVAL_S: Final = 0.25
_CALLBACK_GRACE_MS: Final = 1_000
"""From the end of a call until its callback is captured."""
_REPLY_GRACE_MS: Final = 15_000
"""From the request until its reply is captured; a callback may arrive before it."""
_ANSWER_TIMEOUT_S: Final = 120.0
_QUERY_TIMEOUT_S: Final = 10.0
_QUERY_RETRY_S: Final = 2.0
"""Until the provider's records may have a call that has just ended."""
_COLORS: Final = {
    CheckStatus.CONFIRMED: "green",
    CheckStatus.DIFFERENT: "yellow",
    CheckStatus.NOT_OBSERVED: None,
}
_CODE_CHECKS: Final = {
    True: (CheckStatus.CONFIRMED, "the typed code was approved"),
    False: (CheckStatus.DIFFERENT, "the typed code is wrong"),
    None: (CheckStatus.NOT_OBSERVED, "no code was typed"),
}
_QUESTIONS: Final = (
    ("phone.rings", "rings once", "Did the phone ring exactly once?"),
    ("phone.digits", "the code is read digit by digit", "Was the code read digit by digit?"),
)
_KEY_QUESTIONS: Final = {
    False: ("phone.keys", "no key has to be pressed", "Was it read without a key press before?"),
    True: ("phone.keys", "a key has to be pressed", "Was it read only after a key press?"),
}
"""By whether the flow has a key gate."""
_YES: Final = (CheckStatus.CONFIRMED, "yes")
_NO: Final = (CheckStatus.DIFFERENT, "no")
_ANSWERS: Final = {"y": _YES, "yes": _YES, "n": _NO, "no": _NO}


def run_live_call(
    settings: Settings,
    terminal: Terminal,
    client: str,
    number: str,
    route: str | None,
    locale: str | None,
) -> bool:
    """Place the call and report; return whether it was answered and no wrong code was typed.

    Raises:
        click.ClickException: the call is refused, or the store cannot be reached.
    """
    own_code = settings.clients[client].deliver_only
    request = CreateRequest(
        to=number,
        route=route,
        locale=locale,
        code=generate_code(settings.verification.code_length) if own_code else None,
        reference=f"otpvoice doctor {secrets.token_hex(4)}",
    )
    with open_store(settings) as store:
        container = Container(settings, store)
        capture = ExchangeCapture(store, container.key_ring)
        live_call = LiveCall(container.service, capture, terminal, client)
        try:
            with report_store_errors(store.redis):
                call = live_call.place(request)
        except OtpvoiceError as error:
            raise click.ClickException(str(error)) from error
    used = container.routes[call.route]
    (account,) = (each for each in account_checks(settings) if each.name == used.provider_name)
    _, flow = used.flows.choose(client, call.locale)
    evidence = replace(
        _collect_evidence(account, used, number, call, live_call.exchanges), is_gated=flow.gate
    )
    answers = _user_answers(call, live_call, terminal, is_gated=flow.gate)
    checks = [*account.check_call(evidence), *answers]
    summary = ", ".join(filter(None, (call.status, call.reason, call.raw)))
    page = f" of {account.conformance_page}" if account.conformance_page else ""
    click.echo(f"\nThe call: {summary}.\nWhat it showed{page}:")
    for each in checks:
        line = f"{each.status:12}  {each.name:18}  {each.expectation}: {each.observation}"
        click.secho(line, fg=_COLORS[each.status])
    return call.status is CallStatus.ANSWERED and live_call.code_correct is not False


class LiveCall:
    """Places one live test call for a client, and follows it until it has ended."""

    def __init__(
        self, service: Verifications, capture: ExchangeCapture, terminal: Terminal, client: str
    ) -> None:
        self.exchanges: list[tuple[int, CapturedExchange]] = []
        """What the provider sent, with the time of each (ms)."""
        self.code_correct: bool | None = None
        """None: no code was typed."""
        self.user_present = True
        """Whether the user can answer questions."""
        self._service = service
        self._capture = capture
        self._terminal = terminal
        self._client = client
        self._accepts_code = True
        """Until a code is right or was not heard, or input ends."""

    def place(self, request: CreateRequest) -> Call:
        """Place the call, and return it when it and its verification have ended.

        Raises:
            OtpvoiceError: the call is refused, or the store cannot be reached.
        """
        verification = self._service.create_live_test(self._client, request)
        self._terminal.print("Type the code that you hear, then Enter. Enter alone: no code heard.")
        try:
            while not self._is_over(verification):
                self._read_input(verification)
                verification = self._service.get(self._client, verification.id).verification
                self._print_progress(verification.calls[0])
        finally:
            with suppress(OtpvoiceError):  # it is approved, or expires by itself
                self._service.cancel(self._client, verification.id)
        return verification.calls[0]

    def _is_over(self, verification: Verification) -> bool:
        call, now = verification.calls[0], verification.now
        if CALL_TRANSITIONS[call.status]:
            return call.status is CallStatus.UNKNOWN and not call.is_live(now)
        kinds = {type(exchange) for _, exchange in self.exchanges}
        has_callback = CapturedCallback in kinds or now > (call.ended_at or 0) + _CALLBACK_GRACE_MS
        has_reply = CapturedResponse in kinds or now > (call.sent_at or 0) + _REPLY_GRACE_MS
        answered = call.status is CallStatus.ANSWERED
        awaits_code = answered and self._accepts_code and verification.status is Status.PENDING
        return has_callback and has_reply and not awaits_code

    def _read_input(self, verification: Verification) -> None:
        if not self._accepts_code:  # input from here on answers the questions that come later
            time.sleep(_POLL_INTERVAL_S)
            return
        try:
            typed = self._terminal.read_line(_POLL_INTERVAL_S)
        except EOFError:
            self.user_present = self._accepts_code = False
            return
        if typed:
            self._check(verification, typed)
        elif typed is not None:
            self._accepts_code = False

    def _check(self, verification: Verification, code: str) -> None:
        try:
            checked = self._service.check(self._client, verification.id, CheckRequest(code))
        except OtpvoiceError as refusal:
            self._terminal.print(str(refusal))
            return
        self.code_correct = checked.outcome == "right"
        self._accepts_code = not self.code_correct
        self._terminal.print(f"The code is {checked.outcome}.")

    def _print_progress(self, call: Call) -> None:
        for at, exchange in self._capture.load(call.id)[len(self.exchanges) :]:
            self.exchanges.append((at, exchange))
            self._terminal.print(_headline(exchange))
            for line in describe_values(exchange.body):
                self._terminal.print(f"    {line}")
        self._terminal.show_state(CALL_STATES.get(call.status, call.status))


def _headline(exchange: CapturedExchange) -> str:
    if isinstance(exchange, CapturedCallback):
        content_type = exchange.content_type or "no type"
        return f"A callback arrived: {exchange.method}, {content_type}, {exchange.outcome}"
    if isinstance(exchange, CapturedAnswer):
        event = "reported a key" if exchange.is_key else "fetched what the call speaks"
        return f"The provider {event}: {exchange.method}, {exchange.outcome}"
    duration = f"{exchange.duration_s:.1f} s"
    if exchange.error:
        return f"The provider sent no complete reply within {duration} ({exchange.error})"
    return f"The provider replied after {duration}: HTTP {exchange.status}"


def _collect_evidence(
    account: Checks,
    route: Route,
    number: str,
    call: Call,
    exchanges: Sequence[tuple[int, CapturedExchange]],
) -> CapturedEvidence:
    """Return what the provider sent, and query the call's status as a dialer does."""
    replies = [each for _, each in exchanges if isinstance(each, CapturedResponse)]
    callbacks = [(at, each) for at, each in exchanges if isinstance(each, CapturedCallback)]
    reply = replies[-1] if replies else None
    callback_at_ms, callback = callbacks[0] if callbacks else (None, None)
    query = CallQuery(
        call_id=call.id,
        mode=route.mode,
        number=number,
        bridge=call.bridge,
        provider_id=account.parse_reply_id(reply.body) if reply else None,
        sent_at_ms=call.sent_at or call.due_at,  # without a time, the call certainly did not ring
    )
    responses: list[CapturedResponse] = []
    report = None
    # A query rings no phone. A call that is not found is queried once more.
    for pause_s in (0.0, _QUERY_RETRY_S) if call.sent_at is not None else ():
        time.sleep(pause_s)
        with capture_exchanges() as captured:
            report = route.provider.fetch_status(query, Deadlines.within(_QUERY_TIMEOUT_S))
        responses = captured
        if report:
            break
    return CapturedEvidence(
        query=query,
        status=call.status,
        reply=reply,
        callback=callback,
        callback_at_ms=callback_at_ms,
        answers=[each for _, each in exchanges if isinstance(each, CapturedAnswer)],
        query_responses=responses,
        query_report=report,
    )


def _user_answers(
    call: Call, live_call: LiveCall, terminal: Terminal, *, is_gated: bool
) -> Iterator[CheckResult]:
    """Check what only the user with the phone can observe."""
    code_check = _CODE_CHECKS[live_call.code_correct]
    yield CheckResult("phone.code", "the spoken code is the code", *code_check)
    can_ask = live_call.user_present and call.status is CallStatus.ANSWERED
    for name, expectation, question in (*_QUESTIONS, _KEY_QUESTIONS[is_gated]):
        text = f"{question} y, n, or Enter if you do not know."
        word = terminal.ask(text, _ANSWER_TIMEOUT_S) if can_ask else ""
        answer = _ANSWERS.get(word, (CheckStatus.NOT_OBSERVED, "no answer"))
        yield CheckResult(name, expectation, *answer)
