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
from otpvoice.http_client.client import HttpClient, NoReply, Reply
from otpvoice.providers.base import (
    Callback,
    CallInquiry,
    CallOrder,
    CallReport,
    CallRequest,
    Challenge,
    Deadlines,
    Outcome,
    Placement,
    UnreadableCallbackError,
    UntrustedCallbackError,
)
from otpvoice.providers.mobtexting.callback import VendorFormat, report
from otpvoice.providers.mobtexting.messages import read_messages
from otpvoice.providers.mobtexting.reply import WrongReplyError, read_placement
from otpvoice.providers.mobtexting.status_query import find_call
from otpvoice.providers.status_words import StatusWords

_LOG = structlog.get_logger(__name__)

_PATHS: Final = {Route.OBD: "outgoing/send", Route.C2C: "voice/c2c"}
_NAMES_NO_CALL: Final = (
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

    def place(self, order: CallOrder, deadlines: Deadlines) -> Placement:
        """Send the one request for this call; see ``Provider.place``."""
        headers = self._headers() | {"Content-Type": "application/json"}
        request = self.request(order)
        answer = self.http.post(request.url, headers, request.body, deadlines)
        if isinstance(answer, NoReply):
            outcome = Outcome.AMBIGUOUS if answer.sent else Outcome.UNSENT
            return Placement(outcome, answer.why)
        try:
            return read_placement(order, answer, self.token)
        except WrongReplyError:
            # Whatever mixed replies up may have mixed up those of other connections too.
            self.http.close_kept()
            _LOG.error("provider.wrong_reply", call=order.call_id, route=order.route)
            detail = f"HTTP {answer.status}, the reply is about another number"
            return Placement(Outcome.AMBIGUOUS, detail)

    def request(self, order: CallOrder) -> CallRequest:
        """Write the JSON body (docs/provider.md, section 1): all values are strings."""
        members = self._obd(order) if order.route is Route.OBD else self._c2c(order)
        if self.webhook_id:
            members["webhook_id"] = self.webhook_id
        body = json.dumps({"bridge": order.bridge, **members}).encode()
        return CallRequest(self._url(_PATHS[order.route]), body)

    def ask(self, inquiry: CallInquiry, deadlines: Deadlines) -> CallReport | None:
        """Ask how a call ended, in three requests at most; see ``Provider.ask``."""

        def get(path: str) -> Reply | NoReply:
            return self.http.get(self._url(path), self._headers(), deadlines)

        return find_call(inquiry, get, self._format())

    def read_callback(self, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        """Parse a callback; see ``Provider.read_callback``.

        A challenge needs no other secret than its key, and no other secret makes up for its key.
        """
        trusted = self._trusts(callback)
        if not trusted and not self.validation_key:
            raise UntrustedCallbackError
        try:
            messages = read_messages(callback)
        except UnreadableCallbackError:
            if trusted:
                raise
            raise UntrustedCallbackError from None
        if messages[0].keys() >= {"validation_key", "challenge"}:
            return self._challenge(messages[0])
        if not trusted:
            raise UntrustedCallbackError
        reports = tuple(report(message, self._format()) for message in messages)
        if not all(each.ids or each.number for each in reports):
            raise UnreadableCallbackError(_NAMES_NO_CALL)
        return reports

    def _format(self) -> VendorFormat:
        return VendorFormat(ZoneInfo(self.timezone), self.status_words, self.region)

    def _url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path}"

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "Authorization": f"Bearer {self.token}"}

    def _obd(self, order: CallOrder) -> dict[str, str]:
        members = {"to": order.number.removeprefix("+")}
        if self.audio:
            members["audio"] = self.audio
        else:
            members |= {"flow_id": order.flow_id, **_variables(order)}
        if self.campaign:
            members["name"] = self.campaign
        if self.interval:
            members["interval"] = str(self.interval)
        return members

    def _c2c(self, order: CallOrder) -> dict[str, str]:
        return {
            "from": order.number.removeprefix("+"),
            "to": f"flow:{order.flow_id}",
            "mid": order.call_id,
            **_variables(order),
            # Always all three: untold, the vendor dials twice more, and a recording holds the code.
            "record": "0",
            "duration": str(self.c2c_duration),
            "attempts": str(self.c2c_attempts),
        }

    def _trusts(self, callback: Callback) -> bool:
        """Whether a secret of ours came with it, in the header or in the address."""
        scheme, _, bearer = callback.authorization.partition(" ")
        by_header = _is_one_of(bearer.strip(), self.webhook_secrets)
        by_path = _is_one_of(callback.path_token, self.path_tokens)
        return (by_header and scheme.lower() == "bearer") or by_path

    def _challenge(self, fields: dict[str, Any]) -> Challenge:
        key, answer = fields["validation_key"], fields["challenge"]
        if not isinstance(key, str) or not _is_one_of(key, (self.validation_key,)):
            raise UntrustedCallbackError
        if not isinstance(answer, str) or not answer.isprintable():
            raise UnreadableCallbackError("the challenge is not a text")
        return Challenge(answer)


def _variables(order: CallOrder) -> dict[str, str]:
    """Name what the flow speaks: flat bracket keys, not an object (docs/provider.md, section 1)."""
    return {"variables[Name]": order.name, "variables[otp]": order.code}


def _is_one_of(given: str, secrets: tuple[str, ...]) -> bool:
    """Compare with every secret, each in a time that tells nothing; an empty one never matches."""
    said = given.encode(errors="surrogatepass")
    return sum(hmac.compare_digest(said, s.encode()) for s in secrets if s) > 0
