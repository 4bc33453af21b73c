"""Mobtexting: one request to place a call, what its reply means, and who may call back.

What is documented and what is only inferred about this vendor stands in docs/provider.md.
"""

import hmac
import json
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from otpvoice.core.verification import Route
from otpvoice.http_client.client import HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallbackParseError,
    CallQuery,
    CallReport,
    Challenge,
    Deadlines,
    HttpRequestSpec,
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
)
from otpvoice.providers.mobtexting.callback import CallbackFormat, parse_report
from otpvoice.providers.mobtexting.messages import extract_messages
from otpvoice.providers.mobtexting.reply import MismatchedReplyError, parse_placement
from otpvoice.providers.mobtexting.status_query import fetch_report
from otpvoice.providers.status_words import StatusWords

_LOG = structlog.get_logger(__name__)

_PATHS: Final = {Route.OBD: "outgoing/send", Route.C2C: "voice/c2c"}
_NO_CALL_NAMED: Final = (
    "it names no call: the call's id (id, mid or callId) is missing, or else the person's number"
    " (to for outbound dialling, from for click to call; with source or bridge if both are there)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mobtexting:
    """Places calls with Mobtexting and reads its callbacks: a ``Provider``.

    Raises:
        ZoneInfoNotFoundError: there is no such ``timezone``.
    """

    base_url: str
    token: str = field(repr=False)
    http: HttpClient = field(default_factory=HttpClient, repr=False)
    webhook_id: str = ""
    """The vendor's id of our webhook; empty when a subscription in its portal does the same."""
    audio: str = ""
    """OBD: a sound's id or public address, played instead of the flow; then no code is spoken."""
    campaign: str = "otp"
    interval: int = 0
    """OBD: minutes until the vendor dials an unanswered number again; 0 is never."""
    c2c_attempts: int = 0
    """C2C: how often the vendor dials an unanswered number again; untold, it would be twice."""
    c2c_duration: int = 1
    """C2C: minutes after which the vendor ends the call."""
    timezone: str = "Asia/Kolkata"
    """Of the times in callbacks and call logs, which carry none."""
    region: str | None = None
    """Of numbers in callbacks that lack the calling code; None if there could be several."""
    status_words: StatusWords = field(default_factory=StatusWords, repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    path_tokens: tuple[str, ...] = field(default=(), repr=False)
    validation_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        ZoneInfo(self.timezone)  # a wrong one fails at the start, not at the first callback

    def place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Send the one request for this call; see ``Provider.place``."""
        headers = self._headers() | {"Content-Type": "application/json"}
        request = self.preview_request(call)
        response = self.http.post(request.url, headers, request.body, deadlines)
        if isinstance(response, RequestFailed):
            outcome = PlacementOutcome.AMBIGUOUS if response.sent else PlacementOutcome.UNSENT
            return PlacementResult(outcome, response.reason)
        try:
            return parse_placement(call, response, self.token)
        except MismatchedReplyError:
            # Whatever mixed replies up may have mixed up those of other connections too.
            self.http.close_idle()
            _LOG.error("provider.reply_mismatch", call=call.call_id, route=call.route)
            detail = f"HTTP {response.status}, the reply is about another number"
            return PlacementResult(PlacementOutcome.AMBIGUOUS, detail)

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Write the JSON body (docs/provider.md, section 1): all values are strings."""
        members = self._obd_members(call) if call.route is Route.OBD else self._c2c_members(call)
        if self.webhook_id:
            members["webhook_id"] = self.webhook_id
        body = json.dumps({"bridge": call.bridge, **members}).encode()
        return HttpRequestSpec(self._url(_PATHS[call.route]), body)

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Ask how a call ended, in three requests at most; see ``Provider.ask``."""

        def get(path: str) -> HttpResponse | RequestFailed:
            return self.http.get(self._url(path), self._headers(), deadlines)

        return fetch_report(query, get, self._format())

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        """Parse a callback; see ``Provider.parse_callback``.

        A challenge needs no other secret than its key, and no other secret makes up for its key.
        """
        is_authentic = self._is_authentic(callback)
        if not is_authentic and not self.validation_key:
            raise CallbackAuthError
        try:
            messages = extract_messages(callback)
        except CallbackParseError:
            if is_authentic:
                raise
            raise CallbackAuthError from None
        if messages[0].keys() >= {"validation_key", "challenge"}:
            return self._parse_challenge(messages[0])
        if not is_authentic:
            raise CallbackAuthError
        reports = tuple(parse_report(message, self._format()) for message in messages)
        if not all(each.ids or each.number for each in reports):
            raise CallbackParseError(_NO_CALL_NAMED)
        return reports

    def _format(self) -> CallbackFormat:
        return CallbackFormat(ZoneInfo(self.timezone), self.status_words, self.region)

    def _url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path}"

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "Authorization": f"Bearer {self.token}"}

    def _obd_members(self, call: OutboundCall) -> dict[str, str]:
        members = {"to": call.number.removeprefix("+")}
        if self.audio:
            members["audio"] = self.audio
        else:
            members |= {"flow_id": call.flow_id, **_variables(call)}
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
            **_variables(call),
            # Always all three: untold, the vendor dials twice more, and a recording holds the code.
            "record": "0",
            "duration": str(self.c2c_duration),
            "attempts": str(self.c2c_attempts),
        }

    def _is_authentic(self, callback: Callback) -> bool:
        """Whether a secret of ours came with it, in the header or in the address."""
        scheme, _, bearer = callback.authorization.partition(" ")
        by_header = _matches_any(bearer.strip(), self.webhook_secrets)
        by_path = _matches_any(callback.path_token, self.path_tokens)
        return (by_header and scheme.lower() == "bearer") or by_path

    def _parse_challenge(self, fields: dict[str, Any]) -> Challenge:
        key, response = fields["validation_key"], fields["challenge"]
        if not isinstance(key, str) or not _matches_any(key, (self.validation_key,)):
            raise CallbackAuthError
        if not isinstance(response, str) or not response.isprintable():
            raise CallbackParseError("the challenge is not a text")
        return Challenge(response)


def _variables(call: OutboundCall) -> dict[str, str]:
    """Name what the flow speaks: flat bracket keys, not an object (docs/provider.md, section 1)."""
    return {"variables[Name]": call.name, "variables[otp]": call.code}


def _matches_any(value: str, secrets: tuple[str, ...]) -> bool:
    """Compare with every secret, each in a time that tells nothing; an empty one never matches."""
    encoded = value.encode(errors="surrogatepass")
    return sum(hmac.compare_digest(encoded, s.encode()) for s in secrets if s) > 0
