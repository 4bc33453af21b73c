"""What the model of the store keeps. All times are seconds."""

from dataclasses import dataclass, field

from otpvoice.core.verification import CallStatus, Status

C = CallStatus
LIVE_FOR = 180
QUEUE_MARGIN, CLAIM_MARGIN = 60, 45
OVERDUE = 60
HEARD_AFTER = 5
PENDING_PER_NUMBER, ATTEMPTS = 2, 3
RESULTS = {C.ANSWERED, C.BUSY, C.NO_ANSWER, C.FAILED}
ENDED = RESULTS | {C.CANCELED, C.EXPIRED}


@dataclass(eq=False)
class ModelCall:
    """A call."""

    of: "ModelVerification"
    due: float
    score: float
    """The time of its place in the queue."""
    not_before: float = 0
    status: CallStatus = C.QUEUED
    heard: bool | None = None
    holder: str = ""
    lease_until: float = 0
    sent: bool = False
    live_until: float = 0
    gap_before: float = 0
    gap_after: float | None = None
    own_gap: float | None = None
    """The gap that this attempt left. It does not postpone the attempt."""
    id: str = ""

    def is_live(self, now: float) -> bool:
        """Return whether it may be ringing or connected."""
        return self.status is C.DIALING or (
            self.status in {C.PLACED, C.UNKNOWN} and self.live_until > now
        )


@dataclass(eq=False)
class ModelVerification:
    """A verification."""

    client: str
    to: str
    code: str
    reference: str | None
    created: float
    ttl: float
    status: Status = Status.PENDING
    checks_left: int = 5
    wrong: set[str] = field(default_factory=set)
    ip: str | None = None
    own_code: bool = False
    payment: str = ""
    """The canonical form of its transaction; empty without one."""
    max_redials: int = 0
    calls: list[ModelCall] = field(default_factory=list)

    @property
    def last_due(self) -> float:
        """The latest time that a call is queued for."""
        return self.created + self.ttl - QUEUE_MARGIN

    @property
    def dial_by(self) -> float:
        """The latest time at which a call is dialed."""
        return self.created + self.ttl - CLAIM_MARGIN

    def under_way(self, now: float) -> ModelCall | None:
        """Return its queued or live call."""
        found = [c for c in self.calls if c.status is C.QUEUED or c.is_live(now)]
        return found[0] if found else None


@dataclass
class Line:
    """A number over the one bridge."""

    gap_until: float = 0
    sent: int = 0
    holder: ModelCall | None = None
    held_until: float = 0
    waiting: set[ModelCall] = field(default_factory=set)
