"""What the store is told and tells about calls. Times and durations in milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from otpvoice.core.verification import CallReason, CallStatus, Route


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that is one dialer's for the length of a lease."""

    call_id: str
    holder: str
    verification_id: str
    client: str
    encrypted_number: bytes
    number_hash: str
    """The number hash (:class:`otpvoice.core.keys.NumberHasher`)."""
    encrypted_speech: bytes
    route: str
    """As stored: another release may know routes that this one does not."""
    locale: str
    flow_id: str | None
    """None in the record of a release that did not store it."""
    bridge: str
    tried_routes: tuple[str, ...]
    """Routes that refused this call before."""
    requests: int
    """Requests sent for this very call so far."""
    is_test: bool = False
    """To a test number: nobody is to be called."""
    is_live_test: bool = False
    """What is said about it is kept for a while."""


class ReportOutcome(StrEnum):
    """What a callback did."""

    APPLIED = "applied"
    LATE = "late"
    """The call is in a state that this news can not change."""
    SEEN = "seen"
    """The same message came before and was applied."""
    EARLY = "early"
    """It carries an id that no call has yet, while the provider's reply to a call of that person is
    awaited: kept for a minute, and applied if the reply tells this id."""
    NO_CALL = "no_call"
    SEVERAL = "several"
    CLOCK = "clock"
    """The one live call did not start when the message says: not its news, or a wrong time zone."""


@dataclass(frozen=True, slots=True)
class CallUpdate:
    """A provider's news of a call, and all that can tell which call it was."""

    fingerprint: str | None
    """Stands for the whole message (:meth:`otpvoice.core.keys.NumberHasher.fingerprint`): it is
    known when it comes again. None for one that we asked for."""
    call_id: str | None
    """Ours, if the message carries it."""
    provider_ids: tuple[str, ...]
    destinations: tuple[tuple[str, str], ...]
    """Bridge and number's name: where the person may have been called."""
    route: str | None
    started_at: int | None
    status: CallStatus
    reason: CallReason | None
    raw: str | None
    duration_s: int | None
    """Seconds."""
    number_hash: str | None = None
    """The name of the person's number, if the message names no bridge."""


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What a report did, and to which call."""

    outcome: ReportOutcome
    call_id: str | None = None
    call_status: CallStatus | None = None
    verification_id: str | None = None
    is_live_test: bool = False


class RouteHealth(StrEnum):
    """What one request says of the route it went by."""

    NONE = ""
    GOOD = "good"
    """A call was accepted: the row of those that were not begins anew."""
    BAD = "bad"
    """Refused or silent. Enough over different numbers in a row close the route: the same number
    again counts once, because the reason may be that number."""
    UNREACHED = "unreached"
    """Nothing was sent, so that no number is the reason: each counts."""
    DOWN = "down"
    """Closes the route at once."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What became of a claimed call."""

    status: CallStatus
    """``placed``, ``unknown``, ``failed``, or ``queued`` to be tried again."""
    reason: CallReason | None = None
    raw: str | None = None
    provider_id: str | None = None
    is_unsent: bool = False
    """Provably did not ring, so that it leaves no gap."""
    is_refused: bool = False
    """The provider answered and took no call: the number's gap holds although nothing rang."""
    retry_in_ms: int = 0
    """Milliseconds until it is tried again."""
    next_route: str | None = None
    """After a failed call: the route of the call that follows it at once."""
    route_health: RouteHealth = RouteHealth.NONE


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What came of writing a result down."""

    status: CallStatus | None
    """The call's, then; None when it was not this holder's any more."""
    route_change: str
    """``closed``, ``opened`` or nothing."""


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """A live call that the provider is to be asked about."""

    call_id: str
    route: str
    bridge: str
    provider_id: str | None
    sent_at: int
    verification_id: str
    encrypted_number: bytes
    number_hash: str


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """An unreadable record, or a call that a dialer's settings did not allow to place."""

    record: str
    """Its key, without the prefix."""
    reason: str
    at: int

    def __str__(self) -> str:
        return f"{self.record} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What was set aside, by kind."""

    quarantined: int
    """Unreadable records of the last 15 minutes."""
    undialable: int
    """Calls of the last 15 minutes that could not be placed because of a dialer's settings."""
    records: tuple[QuarantineEntry, ...]
    """The newest unreadable records of the last 7 days, the oldest first."""
    calls: tuple[QuarantineEntry, ...]
    """The newest such calls of the last 7 days, the oldest first."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether calls can be placed."""

    dialers: int
    closed_routes: tuple[Route, ...]
    open_breakers: tuple[str, ...]
    """Those that are open, with what they are open for: ``conversion_breaker area +919876``."""
    quarantine: Quarantine
    clock_lead_ms: int = 0
    """Milliseconds that the functions are ahead of the server's clock, which went back."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What the log is to be told: an alarm, or what an operator did."""

    event: str
    at: int
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep did."""

    has_more: bool
    """There is more to sweep."""
    audit_entries: tuple[AuditEntry, ...]
