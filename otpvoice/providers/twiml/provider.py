"""The ``Provider`` of the TwiML family: Twilio, Telnyx, SignalWire and Somleng."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from otpvoice.core.speech import DEFAULT_FLOW
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.base import (
    Callback,
    CallQuery,
    CallReport,
    HttpRequestSpec,
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
)
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.callback import parse_callback
from otpvoice.providers.twiml.document import (
    DocumentTooLongError,
    Voice,
    default_language,
    render_document,
)
from otpvoice.providers.twiml.placement import CallOptions, build_request, send_request
from otpvoice.providers.twiml.queries import fetch_report
from otpvoice.providers.twiml.signature import SignatureVerifier

_NO_TEXT = "the flow has no text"
_TEXT_TOO_LONG = "the flow's text is too long"


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

        Nothing is sent without a text: a call that speaks no code would only disturb.
        """
        if not call.text:
            return PlacementResult(PlacementOutcome.MISCONFIGURED, _NO_TEXT)
        try:
            request = self.preview_request(call)
        except DocumentTooLongError:
            return PlacementResult(PlacementOutcome.MISCONFIGURED, _TEXT_TOO_LONG)
        return send_request(self.account, request, call, self.http, deadlines)

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Return the request; see ``Provider.preview_request``.

        Raises:
            DocumentTooLongError: the text is too long.
        """
        document = render_document(call.text, call.name, call.code, self._voice(call.locale))
        return build_request(self.account, self.options, call, document)

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Query how a call ended; see ``Provider.fetch_status``."""

        def get(url: str) -> HttpResponse | RequestFailed:
            return self.http.get(url, self.account.headers(), deadlines)

        return fetch_report(query, self.account, get)

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...]:
        """Parse a callback; see ``Provider.parse_callback``. There are no challenges."""
        return (parse_callback(callback, self.account, self.verifier),)

    def _voice(self, locale: str) -> Voice:
        chosen = self.voices.get(locale) or self.voices.get(DEFAULT_FLOW, Voice())
        return Voice(chosen.name, chosen.language or default_language(locale))
