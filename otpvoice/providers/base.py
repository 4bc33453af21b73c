"""Port between this service and telephone companies.

A provider's adapter turns an ``OutboundCall`` into one request and the reply into a
``PlacementResult``, a ``Callback`` into ``CallReport`` objects or a ``Challenge``, and a
``CallQuery`` into a ``CallReport``. The provider's own words pass only as ``detail`` and ``raw``:
operators read them, and no rule decides by them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import parse_qsl

from otpvoice.core.speech import Gate
from otpvoice.core.texts import BRAND, CODE, NAME
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.http_client import Deadlines


@dataclass(frozen=True, slots=True)
class Speech:
    """What an answered call speaks; members as in ``OutboundCall``. Its repr shows no values."""

    locale: str
    text: str
    name: str = field(repr=False)
    code: str = field(repr=False)
    prompt: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def values(self) -> dict[str, str]:
        """What fills the text's placeholders in, by their names."""
        return {BRAND: "", **self.variables, NAME: self.name, CODE: self.code}


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """Everything that placing one call needs. Its repr shows no number, name, code or variable."""

    call_id: str
    """``call_`` and 32 hex digits."""
    route: str
    """The route's name, for the log."""
    mode: str
    """One of the provider's modes; empty if it has only one."""
    number: str = field(repr=False)
    """The recipient's, E.164 with ``+``."""
    bridge: str
    """The caller line, digits only."""
    flow_id: str
    """The provider's id of the flow; empty if the provider speaks ``text`` instead."""
    locale: str
    """The key of the flow: a language tag in lower case, or ``default``."""
    text: str
    """What the flow speaks, with ``{Name}`` and ``{otp}``; empty if the settings do not have it.
    :func:`otpvoice.core.texts.fill_text` fills it in."""
    name: str = field(repr=False)
    """Cleaned, so that nothing in it can be read as part of a flow's template."""
    code: str = field(repr=False)
    """Digits only. :func:`otpvoice.core.speech.format_code` spells them for a voice."""
    prompt: str = ""
    """What is spoken until a key is pressed, with ``{Name}``; empty: the text is spoken at once."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What fills further placeholders in, by their names: ``brand`` if the client has one,
    ``amount`` and ``payee``, which are empty without a transaction."""
    gate: Gate | None = None
    """How a key becomes known, if the code is spoken only after one."""

    @property
    def personal_texts(self) -> tuple[str, ...]:
        """What must not reach the log if the provider's reply repeats it."""
        return (self.name, *self.variables.values())

    @property
    def speech(self) -> Speech:
        """What the call speaks."""
        return Speech(self.locale, self.text, self.name, self.code, self.prompt, self.variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPlan:
    """How a provider speaks a text with a code. Durations are estimates, of conversation."""

    code_after_s: int | None
    """Seconds until the code was spoken once. None if that is not known, or it never is."""
    duration_s: int | None
    """Seconds until the end of the speech; None if the text is not known."""
    repetitions: int = 1
    """How often the text is spoken."""
    voice: str = ""
    """The provider's name of the voice; empty: the provider chooses it."""
    document: str = field(default="", repr=False)
    """The provider's XML; empty if the provider has flows."""
    prompt_s: int = 0
    """Seconds before the text, if the key of a gated call comes at the last moment."""


@dataclass(frozen=True, slots=True)
class HttpRequestSpec:
    """The request that places a call, without its credentials. Its repr shows no code."""

    url: str
    body: bytes = field(repr=False)
    """A JSON object or a form."""

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body, for display."""
        if self.body.startswith(b"{"):
            decoded: dict[str, Any] = json.loads(self.body)
            return decoded
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class PlacementOutcome(StrEnum):
    """Outcome of an attempt to place a call."""

    ACCEPTED = "accepted"
    """The provider accepted the call: the phone will ring."""
    UNSENT = "unsent"
    """Provably no byte of the request was written: retry is allowed."""
    BACK_OFF = "back_off"
    """Too many requests: retry later."""
    REFUSED = "refused"
    """The provider refuses this call for good."""
    LINE_REFUSED = "line_refused"
    """The provider refuses every call from this caller line."""
    MISCONFIGURED = "misconfigured"
    """The provider refuses every call until an operator corrects token, balance or address."""
    AMBIGUOUS = "ambiguous"
    """The request was sent and no clear reply came: the phone may ring, so never retry."""


@dataclass(frozen=True, slots=True)
class PlacementResult:
    """Result of one attempt to place a call."""

    outcome: PlacementOutcome
    detail: str
    """For the log and the call's record, at most 120 characters: never a code, number or token."""
    provider_id: str | None = None
    """The provider's id of an accepted call, if the reply has one."""
    retry_after_s: float | None = None
    """The wait that the provider requests, if any."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A message to the webhook as received, not yet authenticated."""

    body: bytes = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    """The decoded query string."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By name in lower case."""
    url: str = field(default="", repr=False)
    """The public address to which the provider sent it, with the query string: signatures
    cover it."""
    method: str = "POST"
    path_token: str = field(default="", repr=False)
    """The segment of the path that only the provider was given; empty without one."""

    @property
    def authorization(self) -> str:
        """The header of that name; empty without one."""
        return self.headers.get("authorization", "")


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call's result as a callback or a status query delivered it.

    A field is None if the message does not have it, or not clearly.
    """

    ids: tuple[str, ...]
    """Ids that may name the call, this service's or the provider's, the most likely first."""
    mode: str | None
    """The provider's mode by which the call was placed."""
    bridge: str | None
    """Digits only."""
    number: str | None = field(repr=False)
    """The recipient's, E.164 with ``+``."""
    status: CallStatus
    """Answered, busy, no_answer or failed; unknown if the provider's word is not understood."""
    reason: CallReason | None
    raw: str | None
    """The provider's word for the status, at most 40 printable characters."""
    started_at_ms: int | None
    """Since 1970. For a call that was not picked up, it may be the end instead."""
    duration_s: int | None
    """Length of the conversation."""
    is_known_status: bool = True
    """False if the provider's word is in no table."""
    closes_route: bool = False
    """Every call of the route ends so, until an operator corrects something at the provider."""
    key: str | None = None
    """The first key that was pressed, one of 0-9, * and #; empty if none was."""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """The call that a status query is about; members as in ``OutboundCall``."""

    call_id: str
    mode: str
    number: str = field(repr=False)
    bridge: str
    provider_id: str | None
    """The provider's id of the call, if known."""
    sent_at_ms: int
    """When the request for the call was sent, since 1970."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The provider's verification of the webhook, with the right key."""

    response: str
    """Returned as ``{"challenge": response}``."""


class CallbackError(Exception):
    """A callback without a usable report."""


class CallbackAuthError(CallbackError):
    """The callback carries no secret that is configured."""


class CallbackParseError(CallbackError):
    """The callback is authentic and cannot be parsed; the text says why."""


class UnspeakableError(Exception):
    """A call has no text, or one that its provider cannot speak; the text says why."""


class Provider(Protocol):
    """A telephone company. All methods may be called from any thread."""

    def place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Send at most one request for this call, within the deadlines; raises nothing."""
        ...

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Return the request that ``place`` would send, for display; sends nothing."""
        ...

    def plan_speech(self, speech: Speech) -> SpeechPlan:
        """Return how an answered call speaks this; sends nothing.

        Raises:
            UnspeakableError: the provider cannot speak the text or the prompt.
        """
        ...

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Query how a call ended, within the deadlines; raises nothing.

        Return None if the call has not ended, or if no reply is certain to be about this call. A
        report has a result, never ``unknown``; its ids are this service's and, if the reply has
        one, the provider's.
        """
        ...

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        """Authenticate and parse a callback: reports, or a challenge.

        There is no report if the callback is only about calls that have not ended.

        Raises:
            CallbackAuthError: no configured secret came with it; its content was not used.
            CallbackParseError: a part of it is neither a report that names a call nor a
                challenge; the text says what is missing.
        """
        ...
