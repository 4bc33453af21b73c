"""The ``Provider`` of the TwiML family: Twilio, Telnyx, SignalWire and Somleng."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final

from otpvoice.core.speech import DEFAULT_FLOW
from otpvoice.core.verification import CallStatus
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.base import (
    CallAddresses,
    Callback,
    CallbackAuthError,
    CallQuery,
    CallReport,
    HttpRequestSpec,
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
    Speech,
    UnspeakableError,
)
from otpvoice.providers.languages import default_language
from otpvoice.providers.twiml.account import Account, is_call_id
from otpvoice.providers.twiml.callback import parse_callback, signed_message
from otpvoice.providers.twiml.document import (
    EMPTY_DOCUMENT,
    Voice,
    render_document,
)
from otpvoice.providers.twiml.placement import CallOptions, build_request, send_request
from otpvoice.providers.twiml.queries import fetch_report
from otpvoice.providers.twiml.signature import SignatureVerifier

_HIDDEN: Final = "..."
"""Instead of a path token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twiml:
    """A ``Provider`` that speaks the flows' texts."""

    account: Account
    verifier: SignatureVerifier = field(repr=False)
    http: HttpClient = field(default_factory=HttpClient, repr=False)
    options: CallOptions = field(default_factory=CallOptions)
    voices: Mapping[str, Voice] = field(default_factory=dict)
    """By the key of the flow; ``default`` reads the texts of all others."""

    def place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Send the one request for this call; see ``Provider.place``.

        A call whose text cannot be spoken is not sent.
        """
        try:
            self._render(Speech(call.locale, call.text, call.name, call.code))
        except UnspeakableError as error:
            return PlacementResult(PlacementOutcome.MISCONFIGURED, f"not sent: {error}")
        request = build_request(self.account, self.options, call, self._speech_members(call))
        return send_request(self.account, request, call, self.http, deadlines)

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Return the request without the path token; see ``Provider.preview_request``.

        A text that cannot be spoken leads to an empty document.
        """
        is_secret = bool(self.account.path_tokens)
        account = replace(self.account, path_tokens=(_HIDDEN,) if is_secret else ())
        return build_request(account, self.options, call, self._speech_members(call))

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Query how a call ended; see ``Provider.fetch_status``."""

        def get(url: str) -> HttpResponse | RequestFailed:
            return self.http.get(url, self.account.headers(), deadlines)

        return fetch_report(query, self.account, get)

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...]:
        """Parse a callback; see ``Provider.parse_callback``. There are no challenges."""
        report = parse_callback(callback, self.account, self.verifier)
        has_ended = report.status is not CallStatus.UNKNOWN or not report.is_known_status
        return (report,) if has_ended else ()

    def fetched_from(self, addresses: CallAddresses) -> "FetchedTwiml":
        """Return the adapter of the same account for a vendor that fetches documents."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return FetchedTwiml(**own, addresses=addresses)

    def _speech_members(self, call: OutboundCall) -> dict[str, str]:
        """Return the members of a request that say what the call speaks."""
        try:
            document = self._render(Speech(call.locale, call.text, call.name, call.code))
        except UnspeakableError:
            document = EMPTY_DOCUMENT
        return {self.account.vendor.document_member: document}

    def _render(self, speech: Speech) -> str:
        chosen = self.voices.get(speech.locale) or self.voices.get(DEFAULT_FLOW, Voice())
        voice = Voice(chosen.name, chosen.language or default_language(speech.locale))
        return render_document(speech.text, speech.name, speech.code, voice)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedTwiml(Twiml):
    """An ``AnsweringProvider`` for a vendor that fetches the document of an answered call."""

    addresses: CallAddresses

    def _speech_members(self, call: OutboundCall) -> dict[str, str]:
        """Return the address of the document. The code is not in it."""
        return {"Url": self.addresses.answer(call.call_id), "Method": "POST"}

    def parse_answer(self, callback: Callback) -> str:
        """Return the id of the call that was answered; see ``AnsweringProvider.parse_answer``."""
        call_id = callback.query.get("call", "")
        is_own = is_call_id(call_id) and self.addresses.is_answer(call_id, callback.path_token)
        if not is_own:
            raise CallbackAuthError
        # After a new key was added, the address that the vendor got has an older token.
        urls = (self.addresses.answer(call_id), callback.url)
        if not self.verifier.is_signed(signed_message(callback, urls)):
            raise CallbackAuthError
        return call_id

    def build_document(self, speech: Speech | None) -> bytes:
        """Return the document of an answered call; see ``AnsweringProvider.build_document``."""
        return (EMPTY_DOCUMENT if speech is None else self._render(speech)).encode()
