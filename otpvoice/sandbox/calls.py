"""Calls and the ledger's entries. Both change only under the company's lock."""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from otpvoice.sandbox.call_request import CallRequest
from otpvoice.sandbox.config import ReplyStyle, Route
from otpvoice.sandbox.flows import speech_seconds, spoken_within
from otpvoice.sandbox.phones import CallOutcome, Phone

VENDOR_ZONE: Final = ZoneInfo("Asia/Kolkata")


@dataclass(frozen=True, slots=True)
class Timestamp:
    """One moment on both clocks."""

    monotonic: float
    """Seconds; comparable between processes of one machine."""
    wall: datetime

    @classmethod
    def now(cls) -> Self:
        """This moment."""
        return cls(time.monotonic(), datetime.now(UTC))

    @property
    def local_text(self) -> str:
        """``YYYY-MM-DD HH:MM:SS`` as the vendor writes it, without naming its zone."""
        return f"{self.wall.astimezone(VENDOR_ZONE):%Y-%m-%d %H:%M:%S}"

    @property
    def utc_text(self) -> str:
        """ISO 8601 with microseconds and ``Z``."""
        return f"{self.wall:%Y-%m-%dT%H:%M:%S.%f}Z"


@dataclass(slots=True)
class Attempt:
    """The person's line is taken once, from the first ring to the end of the talk."""

    rang: bool
    started_at: Timestamp = field(default_factory=Timestamp.now)
    ended_at: Timestamp | None = None

    def as_json(self) -> dict[str, Any]:
        """Times are seconds of the monotonic clock; ``ended_at`` is null while it lasts."""
        return {
            "rang": self.rang,
            "started_at": self.started_at.monotonic,
            "ended_at": self.ended_at.monotonic if self.ended_at else None,
        }


@dataclass(slots=True, kw_only=True)
class Call:
    """A call that the company accepted, from its request to its callback."""

    id: str
    request: CallRequest
    phone: Phone
    reply_style: ReplyStyle
    text: str
    """What is spoken to whoever answers."""
    language: str
    """Language tag of the voice that speaks it."""
    outcome: CallOutcome
    """As the phone was told, until a button is pressed."""
    step: int = 0
    """How many steps of its life are done: a step that somebody else was quicker with is not."""
    received_at: Timestamp = field(default_factory=Timestamp.now)
    status: str = "queued"
    """``queued``, ``dialing``, ``ringing``, ``talking``, then the vendor's word."""
    attempts: list[Attempt] = field(default_factory=list)
    answered_at: Timestamp | None = None
    spoken_text: str | None = None
    """What was said into the line; None while or when nobody answered."""
    ended_at: Timestamp | None = None
    callback_sent: bool = False
    """Whether the callback was delivered for the first time, or there is none to deliver."""

    @property
    def talk_seconds(self) -> int:
        """Length of the conversation that is reported; 0 when nobody answered."""
        ending, minutes = self.outcome, self.request.max_minutes
        if ending.answered_by is None:
            return 0
        wanted = speech_seconds(self.text) if ending.talk_seconds is None else ending.talk_seconds
        return wanted if minutes is None else min(wanted, minutes * 60)

    @property
    def started_at(self) -> Timestamp:
        """When the line was first taken."""
        return self.attempts[0].started_at if self.attempts else self.received_at

    def answer(self) -> None:
        """Somebody or something answered."""
        self.status = "talking"
        self.answered_at = Timestamp.now()
        self.spoken_text = spoken_within(self.text, self.talk_seconds)

    def hang_up_early(self) -> None:
        """Whoever answered hangs up now: nothing more was said."""
        begun = self.answered_at or self.received_at
        seconds = int(time.monotonic() - begun.monotonic)
        self.outcome = replace(self.outcome, talk_seconds=min(seconds, self.talk_seconds))
        self.spoken_text = spoken_within(self.text, self.talk_seconds)

    def end_attempt(self) -> None:
        """The line is free again."""
        self.attempts[-1].ended_at = Timestamp.now()

    def end(self) -> None:
        """Nothing more comes but the callback."""
        self.status = self.outcome.status
        self.ended_at = Timestamp.now()

    def as_json(self) -> dict[str, Any]:
        """The call as the phone's owner sees it."""
        return {
            "id": self.id,
            "route": self.request.route,
            "status": self.status,
            "spoken": self.spoken_text,
            "answered_by": self.outcome.answered_by if self.spoken_text is not None else None,
            "variables": self.request.variables,
            "bridge": self.request.bridge,
            "request": self.request.body,
            "received_at": self.received_at.utc_text,
            "attempts_rung": sum(attempt.rang for attempt in self.attempts),
            "attempts": [attempt.as_json() for attempt in self.attempts],
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request was answered."""

    status: int
    body: str | None
    """None: in pieces, or not at all, as the phone was told."""
    sent_at: Timestamp = field(default_factory=Timestamp.now)


@dataclass(slots=True, kw_only=True)
class RequestLogEntry:
    """One request for a call, whatever became of it."""

    route: Route
    request: Any
    """The JSON that was received, or the text when it was none."""
    received_at: Timestamp = field(default_factory=Timestamp.now)
    outcome: str = "received"
    rejection: str | None = None
    call: Call | None = None
    """None when no phone was dialed."""
    reply: Reply | None = None
    """None while it is not given."""

    def as_json(self) -> dict[str, Any]:
        """The entry as the ledger shows it; all ``…_at`` are seconds of the monotonic clock."""
        attempts = self.call.attempts if self.call else []
        members = self.request if isinstance(self.request, dict) else {}
        return {
            "received_at": self.received_at.monotonic,
            "received_wall": self.received_at.utc_text,
            "route": self.route,
            "person": members.get("to" if self.route == "obd" else "from"),
            "bridge": members.get("bridge"),
            "outcome": self.outcome,
            "refusal": self.rejection,
            "rang": any(attempt.rang for attempt in attempts),
            "call": self.call.id if self.call else None,
            "attempts": [attempt.as_json() for attempt in attempts],
            "request": self.request,
        }
