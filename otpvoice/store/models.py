"""The store's values about calls, call reports, events and its own state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, TypedDict

from msgspec import Meta, Struct

from otpvoice.core.verification import CallReason, CallStatus, Verification


class Claim(Struct, frozen=True):
    """A call that one dialer holds for the length of a lease."""

    call_id: str
    holder: str
    verification_id: str
    client: str
    encrypted_number: bytes
    number_hash: str
    encrypted_speech: bytes
    route: str
    """As stored: another release may know routes that this one does not."""
    locale: str
    bridge: str
    tried_routes: tuple[str, ...]
    """Routes that refused this call before."""
    requests: int = 0
    """Requests sent for this call so far."""
    flow_id: str | None = None
    """None in the record of a release that did not store it."""
    is_test: bool = False
    """The call is to a test number, so it is simulated."""
    is_live_test: bool = False
    """The call's exchanges with the provider are captured."""
    region: str = ""
    """Of the number, if routes are limited to regions."""
    encrypted_transaction: bytes = b""
    """Empty if the code authorises no payment."""
    traceparent: str | None = None
    """Of the request that created the verification, if it was traced."""


class ReportOutcome(StrEnum):
    """The outcome of a call report."""

    APPLIED = "applied"
    LATE = "late"
    """The call's status can no longer change to the reported one."""
    SEEN = "seen"
    """The same message was applied before."""
    EARLY = "early"
    """No call has the message's id yet, and the provider's reply to a call of that number is
    awaited. The report is kept for a minute, and applied if the reply contains the id."""
    NO_CALL = "no_call"
    SEVERAL = "several"
    CLOCK = "clock"
    """The only live call started at another time: the report is about another call, or its time
    zone is wrong."""


class CallUpdate(Struct, frozen=True, kw_only=True):
    """A provider's report of a call, with everything that may identify the call."""

    fingerprint: str | None
    """A keyed hash of the whole message, so that it is applied once. None for the reply to a
    status query, which may repeat."""
    call_id: str | None = None
    """Our id, if the message has it."""
    provider_ids: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    """The caller lines over which the user may have been called."""
    foreign_routes: tuple[str, ...] = ()
    """Routes of other providers, which cannot report calls of this one."""
    other_routes: tuple[str, ...] = ()
    """Further routes by which the call was not placed, unless the message has a known id."""
    started_at: int | None = None
    status: CallStatus
    reason: CallReason | None = None
    raw: str | None
    duration_s: int | None = None
    key: str | None = None
    """The first key that was pressed; empty for none, None if the report does not say."""
    number_hash: str | None = None
    """Of the user's number, if the message has it."""
    has_bridge: bool = True
    """The message names the caller line."""
    closes_route: bool = False
    """The call ended as every call of its route would."""


class ReportResult(Struct, frozen=True):
    """The outcome of a report, and its call."""

    outcome: ReportOutcome
    call_id: str | None = None
    call_status: CallStatus | None = None
    verification_id: str | None = None
    is_live_test: bool = False
    declines: int | None = None
    """If the call was declined: how many of the number's calls were, within an hour."""
    traceparent: str | None = None
    """Of the request that created the verification, if it was traced."""


class RouteHealth(StrEnum):
    """What one request shows about its route."""

    NONE = ""
    GOOD = "good"
    """A call was accepted."""
    BAD = "bad"
    """Refused, or without a reply. Enough consecutive ones over different numbers close the
    route. A number counts once, because it may be the reason."""
    UNREACHED = "unreached"
    """Nothing was sent, so no number is the reason: each request counts."""
    LINE_DOWN = "line_down"
    """Closes the route at once for calls from this caller line."""
    DOWN = "down"
    """Closes the route at once."""


class CallResult(Struct, frozen=True):
    """The result of a claimed call's request."""

    status: CallStatus
    """``placed``, ``unknown``, ``failed``, or ``queued`` to be tried again."""
    reason: CallReason | None = None
    raw: str | None = None
    provider_id: str | None = None
    is_unsent: bool = False
    """It provably did not ring, so it leaves no call gap."""
    is_refused: bool = False
    """The provider replied and took no call: the call gap holds although nothing rang."""
    retry_in_ms: int = 0
    next_route: str | None = None
    """After a failed call: the route of the call that follows at once."""
    route_health: RouteHealth = RouteHealth.NONE


class RecordResult(Struct, frozen=True):
    """The outcome of recording a call's result."""

    status: CallStatus | None
    """The call's status; None if this holder no longer has the call."""
    route_change: str
    """``closed``, ``opened`` or nothing."""


class StatusQuery(Struct, frozen=True, kw_only=True):
    """A live call whose status is to be queried."""

    call_id: str
    route: str
    bridge: str
    provider_id: str | None = None
    sent_at: int
    verification_id: str
    encrypted_number: bytes
    number_hash: str
    should_cancel: bool = False
    """The verification has ended, so the provider is to cancel the call first."""
    traceparent: str | None = None
    """Of the request that created the verification, if it was traced."""


@dataclass(frozen=True, slots=True)  # a Struct would show the verification in its repr
class Event:
    """One change of a verification, claimed for delivery."""

    id: str
    """The same in each attempt."""
    client: str
    type: str
    """``verification.approved``, ``call.placed``, and so on."""
    verification: Verification = field(repr=False)
    """As it was right after the change."""
    attempts: int
    """Includes this one, and those that were started and never finished."""
    holder: str
    traceparent: str | None = None
    """Of the request that created the verification, if it was traced."""


class EventBatch(Struct, frozen=True):
    """The events of one claim."""

    events: tuple[Event, ...]
    dropped: Mapping[str, int]
    """By client: events dropped since the last claim because too many were pending."""


class QuarantineEntry(Struct, frozen=True, array_like=True):
    """An unreadable record, or a call that a dialer could not place because of its settings."""

    record: str
    """Its key, without the prefix."""
    reason: str
    at: int

    def __str__(self) -> str:
        return f"{self.record} ({self.reason})"


class Quarantine(Struct, frozen=True, array_like=True):
    """What the quarantine holds. Its counts are of the last 15 minutes."""

    quarantined: int
    """Unreadable records."""
    undialable: int
    """Calls that could not be placed because of a dialer's settings."""
    records: tuple[QuarantineEntry, ...]
    """The newest unreadable records of the last 7 days, the oldest first."""
    calls: tuple[QuarantineEntry, ...]
    """The newest undialable calls of the last 7 days, the oldest first."""


class Health(Struct, frozen=True):
    """Whether calls can be placed."""

    dialers: int
    closed_routes: tuple[str, ...]
    open_breakers: tuple[str, ...]
    """With their scope: ``conversion_breaker area +919876``."""
    quarantine: Quarantine
    clock_lead_ms: int = 0
    """How far the functions are ahead of the server's clock, which was set back."""


class AuditDetails(TypedDict, total=False):
    """The members of an audit entry. Members of another release are left out."""

    number: str
    to: str
    operator: str
    query: str
    record: str
    reason: str
    breaker: str
    open_for: float
    ended: int
    approved: int
    checks: int
    wrong: int
    seconds: float
    verifications: int
    client: str
    verification: str
    call: str
    results: int
    created_from: str
    created_before: str
    whole_numbers: bool
    route: str
    detail: str


class AuditEntry(Struct, frozen=True):
    """An alarm or an operator's action, for the log."""

    event: Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\.[a-z_]{1,32}$")]
    at: Annotated[int, Meta(ge=0, lt=10**14)]
    details: AuditDetails


class SweepResult(Struct, frozen=True):
    """The outcome of a sweep."""

    has_more: bool
    audit_entries: tuple[AuditEntry, ...]
