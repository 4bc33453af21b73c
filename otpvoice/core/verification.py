"""Verifications and their calls: states, transitions and the next allowed actions.

Times are milliseconds since 1970 by the store's clock. ``Verification.now`` is the time of the
read, so this module needs no clock.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from otpvoice.core.limits import WRONG_CODES, setting_name
from otpvoice.core.transactions import Transaction

_MIN_QUEUE_MARGIN_S: Final = 15
"""A call rings and speaks about this long."""


def queue_margin_s(min_remaining_life_s: int, ttl_s: int) -> float:
    """Return how long a code must live after its call is due."""
    return max(_MIN_QUEUE_MARGIN_S, min(min_remaining_life_s, ttl_s / 2))


def format_utc(time_ms: int) -> str:
    """Format milliseconds since 1970 as ``2026-01-01T00:00:00Z`` (RFC 3339)."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Status(StrEnum):
    """The status of a verification. A failed call never ends it."""

    PENDING = "pending"
    APPROVED = "approved"
    CANCELED = "canceled"
    EXPIRED = "expired"
    MAX_ATTEMPTS_REACHED = "max_attempts_reached"


class EndReason(StrEnum):
    """Why a verification ended, if its status alone is ambiguous."""

    SUPERSEDED = "superseded"
    REQUESTED = "requested"
    APPROVED_ELSEWHERE = "approved_elsewhere"
    DENIED = "denied"
    """The person pressed the key that says: I did not ask for this."""


class CallStatus(StrEnum):
    """The status of a call. A late report can still change ``UNKNOWN``."""

    QUEUED = "queued"
    DIALING = "dialing"
    PLACED = "placed"
    UNKNOWN = "unknown"
    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class CallReason(StrEnum):
    """Why a call has its status."""

    REFUSED = "refused"
    ROUTE_DOWN = "route_down"
    PROVIDER_ERROR = "provider_error"
    NO_NEWS = "no_news"
    HUNG_UP_BEFORE_ANSWER = "hung_up_before_answer"
    TOO_LATE = "too_late"
    ENDED_FIRST = "ended_first"


class NextReason(StrEnum):
    """Why an action is not allowed now, or only later."""

    CALL_IN_PROGRESS = "call_in_progress"
    CALL_GAP = "call_gap"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_WRONG_CODES = "too_many_wrong_codes"
    TOO_LATE = "too_late"
    CLOSED = "closed"


_S = CallStatus
CALL_RESULTS: Final = (_S.ANSWERED, _S.BUSY, _S.NO_ANSWER, _S.FAILED)
"""The results that a provider reports."""

CALL_TRANSITIONS: Final[Mapping[CallStatus, frozenset[CallStatus]]] = MappingProxyType(
    {
        _S.QUEUED: frozenset({_S.DIALING, _S.CANCELED, _S.EXPIRED}),
        # Queued, canceled and expired only while nothing was sent. A callback can arrive before the
        # provider's response to the request, so a result may follow at once.
        _S.DIALING: frozenset(
            {_S.QUEUED, _S.PLACED, _S.UNKNOWN, _S.CANCELED, _S.EXPIRED, *CALL_RESULTS}
        ),
        # Canceled if the provider did, before anybody answered.
        _S.PLACED: frozenset({_S.UNKNOWN, _S.CANCELED, *CALL_RESULTS}),
        # Placed if the lease expired before the provider's response was recorded.
        _S.UNKNOWN: frozenset({_S.PLACED, _S.CANCELED, *CALL_RESULTS}),
        **dict.fromkeys((*CALL_RESULTS, _S.CANCELED, _S.EXPIRED), frozenset()),
    }
)
"""All transitions, also rendered into the store's functions. An ended call never changes."""


class RedialReason(StrEnum):
    """How a call may end that a redial can follow."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    UNHEARD = "unheard"
    """It was answered, and the code was not heard."""


MAX_DECLINES: Final = 2
"""Calls that a person may decline within an hour before redials stop."""


_WORD_SEPARATORS: Final = re.compile(r"[\s_-]+")


def normalize_status_word(word: str) -> str:
    """Return the form in which two spellings of a provider's status word are equal.

    ``No Answer``, ``NO-ANSWER`` and ``no_answer`` are all ``NOANSWER``.
    """
    return _WORD_SEPARATORS.sub("", word).upper()


class Call(Struct, frozen=True, kw_only=True):
    """One phone call for a verification."""

    id: str
    status: CallStatus
    reason: CallReason | None = None
    route: str
    """A name in the settings, or in those of another process."""
    locale: str
    """A key of ``flows``, which may be ``default``."""
    bridge: str
    caller_id: str
    due_at: int
    not_before: int
    """When a sent call may be retried; 0 if it was not sent."""
    sent_at: int | None = None
    live_until: int | None = None
    placed_at: int | None = None
    ended_at: int | None = None
    duration: int | None = None
    """Seconds of conversation."""
    heard: bool | None = None
    raw: str | None = None
    """The provider's status word, for operators."""

    def is_live(self, now: int) -> bool:
        """Return whether the call may be ringing or connected."""
        if self.status is CallStatus.DIALING:
            return True
        live = self.status in {CallStatus.PLACED, CallStatus.UNKNOWN}
        return live and self.live_until is not None and now < self.live_until


class NextAction(Struct, frozen=True):
    """Whether an action is allowed, and if not or only later, why and from when."""

    allowed: bool
    reason: NextReason | None = None
    at: int | None = None


class Verification(Struct, frozen=True, kw_only=True):
    """One request to prove a number, with its calls, as read at ``now``."""

    id: str
    client: str
    encrypted_number: bytes
    encrypted_transaction: bytes = b""
    """Empty if the code authorises no payment."""
    transaction: Transaction | None = None
    """None also while it is encrypted."""
    status: Status
    reason: EndReason | None = None
    reference: str | None = None
    created_at: int
    expires_at: int
    ended_at: int | None = None
    version: int
    own_code: bool = False
    """The client supplied the code."""
    code_length: int
    checks_left: int
    queue_margin: int
    """A call is queued only if the code lives this long after the call is due (ms)."""
    calls: tuple[Call, ...]
    gap_until: int
    """When the call gap of the number ends; 0 if there is none."""
    limit: str
    """The limit that would refuse a further call now; empty if none would."""
    limit_until: int
    """When ``limit`` stops refusing; 0 if there is none."""
    wrong_codes_until: int
    """When codes are compared again for the number; 0 if they are now."""
    now: int

    @property
    def expires_in(self) -> int:
        """Whole seconds until the code expires; 0 if the verification ended."""
        return max(0, self.expires_at - self.now) // 1000 if self.status is Status.PENDING else 0

    def next_check(self) -> NextAction:
        """Return whether a check is allowed."""
        if self.status is not Status.PENDING:
            return NextAction(allowed=False, reason=NextReason.CLOSED)
        if self.wrong_codes_until > self.now:
            reason = NextReason.TOO_MANY_WRONG_CODES
            return NextAction(allowed=False, reason=reason, at=self.wrong_codes_until)
        return NextAction(allowed=True)

    def next_call(self) -> NextAction:
        """Return whether a request for a call would queue one or bring one forward."""
        if self.status is not Status.PENDING:
            return NextAction(allowed=False, reason=NextReason.CLOSED)
        earliest = max(self.now, self.gap_until)
        for call in self.calls:
            soonest = max(earliest, call.not_before)
            is_due = call.status is CallStatus.QUEUED and call.due_at <= soonest
            if is_due or call.is_live(self.now):
                return NextAction(allowed=False, reason=NextReason.CALL_IN_PROGRESS)
        if earliest > self.expires_at - self.queue_margin:
            return NextAction(allowed=False, reason=NextReason.TOO_LATE)
        if self.limit_until > self.now:
            is_for_codes = setting_name(self.limit) == WRONG_CODES
            reason = NextReason.TOO_MANY_WRONG_CODES if is_for_codes else NextReason.RATE_LIMITED
            return NextAction(allowed=False, reason=reason, at=self.limit_until)
        if earliest > self.now:
            return NextAction(allowed=True, reason=NextReason.CALL_GAP, at=earliest)
        return NextAction(allowed=True)
