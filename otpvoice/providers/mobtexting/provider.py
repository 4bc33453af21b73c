"""Adapter for Mobtexting: requests for calls, and authentication of callbacks.

docs/providers/mobtexting.md lists what the provider documents and what is inferred.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from otpvoice.core.speech import CodeFormat, format_code
from otpvoice.core.texts import seconds_until_code, speech_seconds
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallbackParseError,
    CallQuery,
    CallReport,
    Challenge,
    HttpRequestSpec,
    OutboundCall,
    PlacementResult,
    Speech,
    SpeechPlan,
)
from otpvoice.providers.mobtexting.callback import (
    CallbackFormat,
    Message,
    extract_messages,
    is_challenge,
    parse_report,
)
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.queries import fetch_report
from otpvoice.providers.mobtexting.reply import parse_placement
from otpvoice.providers.placement import send_request

_PATHS: Final[Mapping[str, str]] = {Mode.OBD: "outgoing/send", Mode.C2C: "voice/c2c"}
_NO_CALL_NAMED: Final = (
    "it names no call: the call's id (id, mid or callId) is missing, or else the recipient's number"
    " (to for outbound dialling, from for click to call; with source or bridge if both are there)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mobtexting:
    """A ``Provider`` that places calls through Mobtexting's API."""

    base_url: str
    token: str = field(repr=False)
    http: HttpClient = field(default_factory=HttpClient, repr=False)
    webhook_id: str = ""
    """The provider's id of the webhook; empty if a subscription in its portal sends callbacks."""
    audio: str = ""
    """OBD: a sound's id or public address, played instead of the flow; then no code is spoken."""
    code_format: CodeFormat = CodeFormat.COMMA
    campaign: str = "otp"
    interval: int = 0
    """OBD: minutes until the provider redials an unanswered number; 0 is never."""
    c2c_attempts: int = 0
    """C2C: how often the provider redials an unanswered number; its own default is 2."""
    c2c_duration: int = 1
    """C2C: minutes after which the provider ends the call."""
    form: CallbackFormat = field(default_factory=CallbackFormat, repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    path_tokens: tuple[str, ...] = field(default=(), repr=False)
    validation_key: str = field(default="", repr=False)

    def place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Send the one request for this call; see ``Provider.place``."""
        headers = self._headers() | {"Content-Type": "application/json"}
        request = self.preview_request(call)

        def parse(reply: HttpResponse) -> PlacementResult:
            return parse_placement(call, reply, self.token)

        return send_request(self.http, request, headers, call, deadlines, parse)

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Return the JSON request (mobtexting.md, section 1): every value is a string."""
        members = self._obd_members(call) if call.mode == Mode.OBD else self._c2c_members(call)
        if self.webhook_id:
            members["webhook_id"] = self.webhook_id
        body = json.dumps({"bridge": call.bridge, **members}).encode()
        return HttpRequestSpec(self._url(_PATHS[call.mode]), body)

    def plan_speech(self, speech: Speech) -> SpeechPlan:
        """Return how the flow speaks; see ``Provider.plan_speech``. Its text may be unknown."""
        if not speech.text:
            return SpeechPlan(code_after_s=None, duration_s=None)
        return SpeechPlan(
            code_after_s=seconds_until_code(speech.text, speech.values),
            duration_s=speech_seconds(speech.text, speech.values),
        )

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Query how a call ended; see ``Provider.fetch_status``."""

        def get(path: str) -> HttpResponse | RequestFailed:
            return self.http.get(self._url(path), self._headers(), deadlines)

        return fetch_report(query, get, self.form)

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        """Parse a callback; see ``Provider.parse_callback``.

        A challenge needs its key and no other secret; no other secret replaces its key.
        """
        scheme, _, bearer = callback.authorization.partition(" ")
        by_header = _matches_any(bearer.strip(), self.webhook_secrets)
        by_path = _matches_any(callback.path_token, self.path_tokens)
        is_authentic = (by_header and scheme.lower() == "bearer") or by_path
        if not is_authentic and not self.validation_key:
            raise CallbackAuthError
        try:
            messages = extract_messages(callback)
        except CallbackParseError:
            if is_authentic:
                raise
            raise CallbackAuthError from None
        if is_challenge(messages[0]):
            return _parse_challenge(messages[0], self.validation_key)
        if not is_authentic:
            raise CallbackAuthError
        reports = tuple(parse_report(message, self.form) for message in messages)
        if not all(report.ids or report.number for report in reports):
            raise CallbackParseError(_NO_CALL_NAMED)
        return reports

    def _url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path}"

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "Authorization": f"Bearer {self.token}"}

    def _obd_members(self, call: OutboundCall) -> dict[str, str]:
        members = {"to": call.number.removeprefix("+")}
        if self.audio:
            members["audio"] = self.audio
        else:
            members |= {"flow_id": call.flow_id, **self._variables(call)}
        if self.campaign:
            members["name"] = self.campaign
        if self.interval:
            members["interval"] = str(self.interval)
        return members

    def _c2c_members(self, call: OutboundCall) -> dict[str, str]:
        return {
            "from": call.number.removeprefix("+"),
            "to": f"flow:{call.flow_id}",
            "mid": call.call_id,
            **self._variables(call),
            # Always all three: by default the provider redials twice, and a recording has the code.
            "record": "0",
            "duration": str(self.c2c_duration),
            "attempts": str(self.c2c_attempts),
        }

    def _variables(self, call: OutboundCall) -> dict[str, str]:
        """Return the flow's variables: flat bracket keys, not an object (mobtexting.md, 1)."""
        code = format_code(call.code, self.code_format)
        further = {f"variables[{name}]": value for name, value in call.variables.items() if value}
        return {"variables[Name]": call.name, "variables[otp]": code, **further}


def _matches_any(value: str, secrets: tuple[str, ...]) -> bool:
    """Compare with every secret, each in constant time; an empty secret never matches."""
    encoded = value.encode(errors="surrogatepass")
    return sum(hmac.compare_digest(encoded, s.encode()) for s in secrets if s) > 0


def _parse_challenge(message: Message, validation_key: str) -> Challenge:
    """Return the challenge.

    Raises:
        CallbackAuthError: its key is another one.
        CallbackParseError: it is not a text.
    """
    key, response = message["validation_key"], message["challenge"]
    if not isinstance(key, str) or not _matches_any(key, (validation_key,)):
        raise CallbackAuthError
    if not isinstance(response, str) or not response.isprintable():
        raise CallbackParseError("the challenge is not a text")
    return Challenge(response)
