"""Adapter for Plivo: requests for calls, the document that a call speaks, and callbacks.

docs/providers/plivo.md lists what the provider documents and what is inferred.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from otpvoice.core.verification import CallReason
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallbackParseError,
    CallQuery,
    CallReport,
    HttpRequestSpec,
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
    Speech,
    SpeechPlan,
    UnspeakableError,
)
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.message_body import parse_form
from otpvoice.providers.placement import send_request
from otpvoice.providers.plivo.account import Account
from otpvoice.providers.plivo.callback import parse_callback, parse_key, parse_own_id
from otpvoice.providers.plivo.document import (
    DEFAULT_VOICES,
    EMPTY_DOCUMENT,
    Voice,
    build_document,
    build_prompt,
    choose_voice,
    plan_speech,
)
from otpvoice.providers.plivo.queries import Send, cancel_request, fetch_report
from otpvoice.providers.plivo.reply import parse_placement
from otpvoice.providers.plivo.signature import is_signed

_LOG = structlog.get_logger(__name__)

_NO_CALL_NAMED: Final = (
    "it names no call: neither its address nor RequestUUID, CallUUID or To is there"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plivo:
    """A ``Provider`` that places calls through Plivo's API.

    It answers them with a document, and can cancel them until they are answered.
    """

    auth_id: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    """The first one authenticates requests; any of them authenticates callbacks."""
    addresses: CallAddresses
    base_url: str = "https://api.plivo.com/v1/"
    http: HttpClient = field(default_factory=HttpClient, repr=False)
    ring_timeout_s: int = 45
    time_limit_s: int = 60
    """Of conversation."""
    voices: Mapping[str, Voice] = field(default_factory=lambda: DEFAULT_VOICES)
    """By the key of a flow, with ``default``."""

    def place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Send the one request for this call; see ``Provider.place``.

        A call whose text cannot be spoken is not sent.
        """
        speech = call.speech
        try:
            self.build_document(speech)
            if speech.prompt:
                self.build_prompt(call.call_id, speech)
        except UnspeakableError as error:
            return PlacementResult(PlacementOutcome.MISCONFIGURED, f"not sent: {error}")
        headers = self._account.headers() | {"Content-Type": "application/json"}
        request = self.preview_request(call)

        def parse(reply: HttpResponse) -> PlacementResult:
            return parse_placement(reply, (*self.auth_tokens, self.auth_id, *call.personal_texts))

        return send_request(self.http, request, headers, call, deadlines, parse)

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Return the JSON request (docs/providers/plivo.md, section 2). The code is not in it."""
        members = {
            "from": call.bridge,
            "to": call.number.removeprefix("+"),
            "answer_url": self.addresses.answer(call.call_id),
            "answer_method": "POST",
            "hangup_url": self.addresses.callback(call.call_id),
            "hangup_method": "POST",
            "ring_timeout": self.ring_timeout_s,
            "time_limit": self.time_limit_s,
        }
        return HttpRequestSpec(self._account.url("Call/"), json.dumps(members).encode())

    def plan_speech(self, speech: Speech) -> SpeechPlan:
        """Return how the text is spoken; see ``Provider.plan_speech``."""
        if speech.prompt:
            self.build_prompt("", speech)
        return plan_speech(speech, choose_voice(speech.locale, self.voices))

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Query how a call ended; see ``Provider.fetch_status``."""
        report = fetch_report(query, self._get_within(deadlines))
        if report:
            _log_misconfiguration(report)
        return report

    def cancel(self, query: CallQuery, deadlines: Deadlines) -> bool:
        """Cancel a call that is queued or rings; see ``CancelingProvider.cancel``."""
        account = self._account
        return cancel_request(
            query, lambda path: self.http.delete(account.url(path), account.headers(), deadlines)
        )

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...]:
        """Parse a callback; see ``Provider.parse_callback``."""
        form = self._authentic_form(callback)
        report = parse_callback(form, parse_own_id(callback.query.get("call", "")))
        if not report.ids and not report.number:
            raise CallbackParseError(_NO_CALL_NAMED)
        _log_misconfiguration(report)
        return (report,)

    def parse_answer(self, callback: Callback) -> str:
        """Return the id of the call that was answered; see ``AnsweringProvider.parse_answer``."""
        self._authentic_form(callback)
        call_id = parse_own_id(callback.query.get("call", ""))
        if not self.addresses.is_answer(call_id, callback.path_token):
            raise CallbackAuthError
        return call_id

    def parse_key(self, callback: Callback) -> tuple[str, str]:
        """Return the id of a call and the pressed key; see ``GatingProvider.parse_key``."""
        form = self._authentic_form(callback)
        call_id = parse_own_id(callback.query.get("call", ""))
        if not self.addresses.is_key(call_id, callback.path_token):
            raise CallbackAuthError
        return call_id, parse_key(form)

    def build_document(self, speech: Speech | None) -> bytes:
        """Return the XML that speaks the code; see ``GatingProvider.build_document``."""
        if speech is None:
            return EMPTY_DOCUMENT
        return build_document(speech, choose_voice(speech.locale, self.voices))

    def build_prompt(self, call_id: str, speech: Speech) -> bytes:
        """Return the XML that asks for a key; see ``AnsweringProvider.build_prompt``."""
        voice = choose_voice(speech.locale, self.voices)
        return build_prompt(speech, voice, self.addresses.key(call_id))

    def _authentic_form(self, callback: Callback) -> dict[str, str]:
        """Return the members of a signed form.

        Raises:
            CallbackAuthError: it is no form, or it is not signed with a token of the account.
        """
        try:
            pairs = parse_form(callback.body)
        except ValueError:  # too many members, or not UTF-8
            raise CallbackAuthError from None
        is_authentic = is_signed(callback.url, pairs, callback.headers, self.auth_tokens)
        if callback.method != "POST" or not is_authentic:
            raise CallbackAuthError
        return dict(pairs)

    def _get_within(self, deadlines: Deadlines) -> Send:
        account = self._account
        return lambda path: self.http.get(account.url(path), account.headers(), deadlines)

    @property
    def _account(self) -> Account:
        return Account(auth_id=self.auth_id, auth_token=self.auth_tokens[0], base_url=self.base_url)


def _log_misconfiguration(report: CallReport) -> None:
    """Log that a call ended for a reason that concerns every call."""
    if report.reason is CallReason.ROUTE_DOWN:
        _LOG.error("provider.misconfigured", provider_status=report.raw)
