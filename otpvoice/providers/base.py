"""What the rest of the house sees of a telephone company.

A vendor's adapter turns an ``OutboundCall`` into one request and the reply into a
``PlacementResult``, a ``Callback`` into a ``CallReport`` or a ``Challenge``, and a ``CallQuery``
into a ``CallReport``. No vendor's word passes this line, except as
``detail`` and ``raw``, which are for operators to read and for no rule to judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from otpvoice.core.verification import CallReason, CallStatus, Route


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """Everything needed to place one call. Its repr shows no number, name or code."""

    call_id: str
    """Ours: ``call_`` and 32 hex digits."""
    route: Route
    number: str = field(repr=False)
    """The person's, E.164 with ``+``."""
    bridge: str
    """The number the call comes from, digits only."""
    flow_id: str
    name: str = field(repr=False)
    """Cleaned: nothing in it can be read as part of a flow's template."""
    code: str = field(repr=False)
    """As it is to be spoken, e.g. ``1, 2, 3, 4, 5, 6``."""


@dataclass(frozen=True, slots=True)
class HttpRequestSpec:
    """The one request that places a call, less its credentials. Its repr shows no code."""

    url: str
    body: bytes = field(repr=False)
    """JSON."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """By when a request must be on its way and by when all must be over (``time.monotonic()``)."""

    send_by: float
    """The first byte is written before this moment, or never."""
    finish_by: float
    """Whatever the other side does, the answer is given by then."""


class PlacementOutcome(StrEnum):
    """What became of the attempt to place a call."""

    ACCEPTED = "accepted"
    """The provider took it: the phone will ring."""
    UNSENT = "unsent"
    """Provably no byte of the request was written: may be tried again."""
    BACK_OFF = "back_off"
    """Too many requests: may be tried again, later."""
    REFUSED = "refused"
    """Not this call, ever."""
    MISCONFIGURED = "misconfigured"
    """Not any call until somebody mends token, balance or address: alert, close the route."""
    AMBIGUOUS = "ambiguous"
    """The request was on its way and no clear answer came: it may ring. Never try again."""


@dataclass(frozen=True, slots=True)
class PlacementResult:
    """The outcome of one attempt to place a call."""

    outcome: PlacementOutcome
    detail: str
    """For the log and the call's record, at most 120 characters: never a code, number or token."""
    provider_id: str | None = None
    """The provider's id of an accepted call, if it told one."""
    retry_after_s: float | None = None
    """Seconds the provider asked us to wait, if it did."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A message on our webhook, as it came in and believed in nothing yet."""

    body: bytes = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    """The query string, decoded."""
    authorization: str = field(default="", repr=False)
    """The header of that name."""
    path_token: str = field(default="", repr=False)
    """The last part of the address, if it has one."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """What a callback or an answer says about a call.

    Whatever it did not say, or not clearly, is None.
    """

    ids: tuple[str, ...]
    """The ids that may name the call, ours or the provider's, the likeliest first."""
    route: Route | None
    bridge: str | None
    """Digits only."""
    number: str | None = field(repr=False)
    """The person's, E.164 with ``+``."""
    status: CallStatus
    """Answered, busy, no_answer or failed; unknown for a word that we can not place."""
    reason: CallReason | None
    raw: str | None
    """The word behind ``status``, at most 40 printable characters."""
    started_at_ms: int | None
    """Milliseconds since 1970. Of a call that nobody picked up it may be the end instead."""
    duration_s: int | None
    """Seconds of conversation."""
    is_known_status: bool = True
    """False if there is a word behind ``status`` that no table has."""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which call the provider is asked about. Its repr shows no number."""

    call_id: str
    """Ours: ``call_`` and 32 hex digits."""
    route: Route
    number: str = field(repr=False)
    """The person's, E.164 with ``+``."""
    bridge: str
    """The number the call came from, digits only."""
    provider_id: str | None
    """The provider's id of the call, if it ever told one."""
    sent_at_ms: int
    """When its request was sent: milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The provider asks whether this webhook is ours; its key was right."""

    response: str
    """To be given back as ``{"challenge": answer}``."""


class CallbackError(Exception):
    """A callback that tells us nothing.

    CallbackError
    ├── CallbackAuthError     it does not show a secret that we know
    └── CallbackParseError    it does, and makes no sense; the text says why
    """


class CallbackAuthError(CallbackError):
    """The callback does not show a secret that we know."""


class CallbackParseError(CallbackError):
    """The callback shows a right secret and makes no sense."""


class Provider(Protocol):
    """A telephone company. All methods may be called from any thread."""

    def place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Send at most one request for this call, within the deadlines; raises nothing."""
        ...

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Write what ``place`` would send, for people to look at; nothing is sent."""
        ...

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Ask how a call ended, within the deadlines; raises nothing.

        None: it has not ended, or there is no answer, or none that speaks of this call for
        certain. A report has a result, never ``unknown``; its ids are ours and, if it was told,
        the provider's.
        """
        ...

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...] | Challenge:
        """Parse a callback: reports about calls, at least one and few, or a challenge.

        Raises:
            CallbackAuthError: no known secret came with it; nothing in it was believed.
            CallbackParseError: a part of it is neither a report that names a call nor a
                challenge; the text says what is missing.
        """
        ...
