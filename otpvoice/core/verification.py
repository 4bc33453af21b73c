"""What a verification and its calls are, how they may move, and what is allowed next.

Times are milliseconds since 1970 as the store gave them; ``Verification.now`` is the moment of the
reading, so that nothing here needs a clock.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from otpvoice.core.limits import WRONG_CODES, setting_name


class Route(StrEnum):
    """How a provider places a call."""

    OBD = "obd"
    """Outbound dialling: the provider dials the person and plays a flow."""
    C2C = "c2c"
    """Click to call: the provider dials the person and connects them to a flow."""


def parse_route(word: str) -> str:
    """Return the :class:`Route` of ``word``; as it is if only another release knows it."""
    return Route(word) if word in {*Route} else word


class Status(StrEnum):
    """The states of a verification. A call that fails never ends it."""

    PENDING = "pending"
    APPROVED = "approved"
    CANCELED = "canceled"
    EXPIRED = "expired"
    MAX_ATTEMPTS_REACHED = "max_attempts_reached"


class EndReason(StrEnum):
    """Why a verification ended, where its status alone does not tell."""

    SUPERSEDED = "superseded"
    REQUESTED = "requested"
    APPROVED_ELSEWHERE = "approved_elsewhere"


class CallStatus(StrEnum):
    """The states of a call. ``UNKNOWN`` ends our action, not our knowledge."""

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
    """Why a call is in its state, in our words."""

    REFUSED = "refused"
    ROUTE_DOWN = "route_down"
    PROVIDER_ERROR = "provider_error"
    NO_NEWS = "no_news"
    HUNG_UP_BEFORE_ANSWER = "hung_up_before_answer"
    TOO_LATE = "too_late"
    ENDED_FIRST = "ended_first"


class NextReason(StrEnum):
    """Why a step is not allowed next, or not at once."""

    CALL_IN_PROGRESS = "call_in_progress"
    CALL_GAP = "call_gap"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_WRONG_CODES = "too_many_wrong_codes"
    TOO_LATE = "too_late"
    CLOSED = "closed"


_S = CallStatus
_RESULTS: Final = (_S.ANSWERED, _S.BUSY, _S.NO_ANSWER, _S.FAILED)

CALL_TRANSITIONS: Final[Mapping[CallStatus, frozenset[CallStatus]]] = MappingProxyType(
    {
        _S.QUEUED: frozenset({_S.DIALING, _S.CANCELED, _S.EXPIRED}),
        # Back to queued, or to canceled and expired, only while nothing was sent. A result may come
        # before the provider's own reply: its callback can overtake it.
        _S.DIALING: frozenset(
            {_S.QUEUED, _S.PLACED, _S.UNKNOWN, _S.CANCELED, _S.EXPIRED, *_RESULTS}
        ),
        _S.PLACED: frozenset({_S.UNKNOWN, *_RESULTS}),
        # To placed: the reply was slow to be recorded and the lease had run out meanwhile.
        _S.UNKNOWN: frozenset({_S.PLACED, *_RESULTS}),
        _S.ANSWERED: frozenset(),
        _S.BUSY: frozenset(),
        _S.NO_ANSWER: frozenset(),
        _S.FAILED: frozenset(),
        _S.CANCELED: frozenset(),
        _S.EXPIRED: frozenset(),
    }
)
"""The one transition table; the store's scripts are given it. An ended call never moves."""


REDIAL_STATUSES: Final = frozenset({_S.BUSY, _S.NO_ANSWER, _S.FAILED})
"""What the provider's news is followed by another call for; and an answer that was not heard."""


class Call(Struct, frozen=True, kw_only=True):
    """One phone call for a verification, as it was read."""

    id: str
    status: CallStatus
    reason: CallReason | None = None
    route: str
    """A :class:`Route`, or the word of another release."""
    locale: str
    """The key in ``flows``, ``default`` included."""
    bridge: str
    caller_id: str
    due_at: int
    not_before: int
    """It was sent and may be tried again, but not before this moment; else 0."""
    sent_at: int | None = None
    live_until: int | None = None
    placed_at: int | None = None
    ended_at: int | None = None
    duration: int | None = None
    """Seconds of conversation."""
    heard: bool | None = None
    raw: str | None = None
    """The provider's own word, for operators."""

    def is_live(self, now: int) -> bool:
        """Whether the call may be ringing or talking, as far as anybody can know."""
        if self.status is CallStatus.DIALING:
            return True
        live = self.status in {CallStatus.PLACED, CallStatus.UNKNOWN}
        return live and self.live_until is not None and now < self.live_until


class NextActions(Struct, frozen=True):
    """Whether a step is allowed now; if not or not at once, why and when."""

    allowed: bool
    reason: NextReason | None = None
    at: int | None = None


class Verification(Struct, frozen=True, kw_only=True):
    """One request to prove a number, with its calls, as read at ``now``."""

    id: str
    client: str
    encrypted_number: bytes
    status: Status
    reason: EndReason | None = None
    reference: str | None = None
    created_at: int
    expires_at: int
    ended_at: int | None = None
    version: int
    own_code: bool = False
    """The caller brought the code."""
    code_length: int
    checks_left: int
    queue_margin: int
    """A call is queued only for a moment that leaves this much of the code's life (ms)."""
    calls: tuple[Call, ...]
    gap_until: int
    """Before this moment the number is not called again; 0 when nothing holds it."""
    limit: str
    """The limit that would refuse a further call now; empty when none would."""
    limit_until: int
    """Before this moment it does; 0 when none does."""
    wrong_codes_until: int
    """Before this moment no code is compared for the number; 0 when codes are."""
    now: int

    @property
    def expires_in(self) -> int:
        """Whole seconds of life left; 0 when ended."""
        return max(0, self.expires_at - self.now) // 1000 if self.status is Status.PENDING else 0

    def next_check(self) -> NextActions:
        """Whether a code may be handed in."""
        if self.status is not Status.PENDING:
            return NextActions(allowed=False, reason=NextReason.CLOSED)
        if self.wrong_codes_until > self.now:
            reason = NextReason.TOO_MANY_WRONG_CODES
            return NextActions(allowed=False, reason=reason, at=self.wrong_codes_until)
        return NextActions(allowed=True)

    def next_call(self) -> NextActions:
        """Whether asking for a call now would queue one or bring one forward."""
        if self.status is not Status.PENDING:
            return NextActions(allowed=False, reason=NextReason.CLOSED)
        earliest = max(self.now, self.gap_until)
        for call in self.calls:
            soonest = max(earliest, call.not_before)
            waiting = call.status is CallStatus.QUEUED and call.due_at <= soonest
            if waiting or call.is_live(self.now):
                return NextActions(allowed=False, reason=NextReason.CALL_IN_PROGRESS)
        if earliest > self.expires_at - self.queue_margin:
            return NextActions(allowed=False, reason=NextReason.TOO_LATE)
        if self.limit_until > self.now:
            guesses = setting_name(self.limit) == WRONG_CODES
            reason = NextReason.TOO_MANY_WRONG_CODES if guesses else NextReason.RATE_LIMITED
            return NextActions(allowed=False, reason=reason, at=self.limit_until)
        if earliest > self.now:
            return NextActions(allowed=True, reason=NextReason.CALL_GAP, at=earliest)
        return NextActions(allowed=True)
