"""The ``Provider`` of the TwiML family: Twilio, Telnyx, SignalWire and Somleng."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from otpvoice.core.speech import DEFAULT_FLOW
from otpvoice.core.verification import CallStatus
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
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
from otpvoice.providers.context import CallAddresses, is_call_id
from otpvoice.providers.languages import default_language
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.callback import parse_callback, parse_digits, signed_message
from otpvoice.providers.twiml.document import (
    EMPTY_DOCUMENT,
    Voice,
    plan_speech,
    render_document,
    render_prompt,
)
from otpvoice.providers.twiml.placement import CallOptions, build_request, place
from otpvoice.providers.twiml.queries import cancel_call, fetch_report
from otpvoice.providers.twiml.signature import SignatureVerifier, SignedMessage

_HIDDEN: Final = "..."
"""Instead of a path token."""
_ANY_CALL: Final = f"call_{'0' * 32}"
"""As long as every id, because the length of a document is limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twiml:
    """A ``GatingProvider`` that speaks the flows' texts."""

    account: Account
    addresses: CallAddresses
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
            self._first_document(call)
            self._render(call.speech)
        except UnspeakableError as error:
            return PlacementResult(PlacementOutcome.MISCONFIGURED, f"not sent: {error}")
        request = build_request(self.account, self.options, call, self._speech_members(call))
        return place(self.account, request, call, self.http, deadlines)

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Return the request without the path token; see ``Provider.preview_request``.

        A text that cannot be spoken leads to an empty document.
        """
        is_secret = bool(self.account.path_tokens)
        account = replace(self.account, path_tokens=(_HIDDEN,) if is_secret else ())
        return build_request(account, self.options, call, self._speech_members(call))

    def plan_speech(self, speech: Speech) -> SpeechPlan:
        """Return how the text is spoken; see ``Provider.plan_speech``."""
        if speech.prompt:
            self._ask(_ANY_CALL, speech)
        return plan_speech(speech, self._voice(speech.locale))

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

    def parse_key(self, callback: Callback) -> tuple[str, str]:
        """Return the id of a call and the pressed key; see ``GatingProvider.parse_key``."""
        call_id = callback.query.get("call", "")
        is_own = is_call_id(call_id) and self.addresses.is_key(call_id, callback.path_token)
        message = self._signed(callback, self.addresses.key(call_id)) if is_own else None
        if not message:
            raise CallbackAuthError
        return call_id, parse_digits(message)

    def build_document(self, speech: Speech | None) -> bytes:
        """Return the document with the code; see ``GatingProvider.build_document``."""
        return (EMPTY_DOCUMENT if speech is None else self._render(speech)).encode()

    def _signed(self, callback: Callback, url: str) -> SignedMessage | None:
        """Return what is signed of a request to an address of a call; None if nothing is.

        After a new key was added, the address that the vendor got has an older token.
        """
        message = signed_message(callback, (url, callback.url))
        return message if self.verifier.is_signed(message) else None

    def _speech_members(self, call: OutboundCall) -> dict[str, str]:
        """Return the members of a request that say what the call speaks."""
        try:
            document = self._first_document(call)
        except UnspeakableError:
            document = EMPTY_DOCUMENT
        return {self.account.vendor.document_member: document}

    def _first_document(self, call: OutboundCall) -> str:
        """Return what an answered call speaks first: the prompt if there is one, or the code."""
        speech = call.speech
        return self._ask(call.call_id, speech) if speech.prompt else self._render(speech)

    def _ask(self, call_id: str, speech: Speech) -> str:
        return render_prompt(speech, self._voice(speech.locale), self.addresses.key(call_id))

    def _render(self, speech: Speech) -> str:
        return render_document(speech, self._voice(speech.locale))

    def _voice(self, locale: str) -> Voice:
        chosen = self.voices.get(locale) or self.voices.get(DEFAULT_FLOW, Voice())
        return Voice(chosen.name, chosen.language or default_language(locale))


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelableTwiml(Twiml):
    """A ``CancelingProvider`` for a vendor that cancels calls until they are answered."""

    def cancel(self, query: CallQuery, deadlines: Deadlines) -> bool:
        """Cancel a call that is queued or rings; see ``CancelingProvider.cancel``."""
        headers = self.account.headers() | {"Content-Type": "application/x-www-form-urlencoded"}

        def post(url: str, body: bytes) -> HttpResponse | RequestFailed:
            return self.http.post(url, headers, body, deadlines)

        return cancel_call(query, self.account, post)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedTwiml(CancelableTwiml):
    """An ``AnsweringProvider`` for a vendor that fetches the document of an answered call."""

    def _speech_members(self, call: OutboundCall) -> dict[str, str]:
        """Return the address of the document. The code is not in it."""
        return {"Url": self.addresses.answer(call.call_id), "Method": "POST"}

    def parse_answer(self, callback: Callback) -> str:
        """Return the id of the call that was answered; see ``AnsweringProvider.parse_answer``."""
        call_id = callback.query.get("call", "")
        is_own = is_call_id(call_id) and self.addresses.is_answer(call_id, callback.path_token)
        if not is_own or not self._signed(callback, self.addresses.answer(call_id)):
            raise CallbackAuthError
        return call_id

    def build_prompt(self, call_id: str, speech: Speech) -> bytes:
        """Return the document that asks for a key; see ``AnsweringProvider.build_prompt``."""
        return self._ask(call_id, speech).encode()
