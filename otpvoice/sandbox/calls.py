"""Calls, entries of the request log, and the text that a flow speaks.

Calls and log entries change only while the sandbox's lock is held.
"""

import math
import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from otpvoice.sandbox.config import ReplyStyle, Route
from otpvoice.sandbox.parsing import CallRequest
from otpvoice.sandbox.phones import CallOutcome, Phone
from otpvoice.sandbox.scheduling import Timestamp

CHARACTERS_PER_SECOND: Final = 10
"""The pace of an unhurried voice."""
_HANG_UP_SECONDS: Final = 2
_PLACEHOLDER: Final = re.compile(r"\{\{(?P<new>\w+)(?:@(?P<filter>\w+))?\}\}|\{(?P<old>\w+)\}")
_FILTERS: Final[Mapping[str | None, Callable[[str], str]]] = {
    None: str,
    "digits": lambda value: " ".join(filter(str.isalnum, value)),
    "play": lambda value: f"(sound {value})",
}
_LANGUAGES: Final = {
    "BENGALI": "bn",
    "DEVANAGARI": "hi",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "TAMIL": "ta",
    "TELUGU": "te",
}


def render(text: str, variables: Mapping[str, str]) -> str:
    """Fill in the variables of a flow's text. Unknown variables and filters stay visible.

    ``{Name}``, ``{{Name}}``, ``{{otp@digits}}`` (digit by digit) and ``{{x@play}}`` are replaced.
    Replacement runs twice: the vendor may expand placeholders inside a value, so a name that
    contains ``{otp}`` has to show its effect here (docs/provider.md, section 1).
    """
    fill = partial(_fill, variables)
    return _PLACEHOLDER.sub(fill, _PLACEHOLDER.sub(fill, text))


def _fill(variables: Mapping[str, str], match: re.Match[str]) -> str:
    value = variables.get(match["new"] or match["old"])
    apply_filter = _FILTERS.get(match["filter"])
    return match[0] if value is None or apply_filter is None else apply_filter(value)


def speech_seconds(text: str) -> int:
    """Return the whole seconds that speaking the text and hanging up take."""
    return math.ceil(len(text) / CHARACTERS_PER_SECOND) + _HANG_UP_SECONDS


def spoken_within(text: str, seconds: int) -> str:
    """Return the part of the text that is spoken within these seconds."""
    return text[: seconds * CHARACTERS_PER_SECOND]


def detect_language(text: str) -> str:
    """Return the language tag for a text, by the script of its first letter.

    Devanagari counts as Hindi, and every script that is not Indian as English.
    """
    first = next(filter(str.isalpha, text), "a")
    return _LANGUAGES.get(unicodedata.name(first, "LATIN").split()[0], "en")


@dataclass(slots=True)
class Attempt:
    """One dial attempt, from the first ring to the end of the conversation."""

    rang: bool
    started_at: Timestamp = field(default_factory=Timestamp.now)
    ended_at: Timestamp | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the attempt with monotonic times; ``ended_at`` is null while it lasts."""
        return {
            "rang": self.rang,
            "started_at": self.started_at.monotonic,
            "ended_at": self.ended_at.monotonic if self.ended_at else None,
        }


@dataclass(slots=True, kw_only=True)
class Call:
    """A call that the vendor accepted, from its request to its callback."""

    id: str
    request: CallRequest
    phone: Phone
    reply_style: ReplyStyle
    text: str
    """The text that the flow speaks after the call is answered."""
    language: str
    """Language tag of the text."""
    outcome: CallOutcome
    """Set by the phone's behaviour, until a button is pressed."""
    step: int = 0
    """Number of completed steps. A scheduled step is skipped if another one came before it."""
    received_at: Timestamp = field(default_factory=Timestamp.now)
    status: str = "queued"
    """``queued``, ``dialing``, ``ringing``, ``talking``, then the vendor's final status."""
    attempts: list[Attempt] = field(default_factory=list)
    answered_at: Timestamp | None = None
    spoken_text: str | None = None
    """The spoken part of the text; None unless the call is answered."""
    ended_at: Timestamp | None = None
    callback_sent: bool = False
    """Whether the callback was delivered once, or no callback is due."""

    @property
    def talk_seconds(self) -> int:
        """Reported length of the conversation; 0 if the call is not answered."""
        outcome, minutes = self.outcome, self.request.max_minutes
        if outcome.answered_by is None:
            return 0
        full = speech_seconds(self.text) if outcome.talk_seconds is None else outcome.talk_seconds
        return full if minutes is None else min(full, minutes * 60)

    @property
    def started_at(self) -> Timestamp:
        """When the first attempt started."""
        return self.attempts[0].started_at if self.attempts else self.received_at

    def answer(self) -> None:
        """Record that a person or a machine answers."""
        self.status = "talking"
        self.answered_at = Timestamp.now()
        self.spoken_text = spoken_within(self.text, self.talk_seconds)

    def hang_up_early(self) -> None:
        """Shorten the conversation to the time that has passed."""
        start = self.answered_at or self.received_at
        seconds = int(time.monotonic() - start.monotonic)
        self.outcome = replace(self.outcome, talk_seconds=min(seconds, self.talk_seconds))
        self.spoken_text = spoken_within(self.text, self.talk_seconds)

    def end_attempt(self) -> None:
        """Record that the line is free again."""
        self.attempts[-1].ended_at = Timestamp.now()

    def end(self) -> None:
        """End the current attempt and the call."""
        self.end_attempt()
        self.status = self.outcome.status
        self.ended_at = Timestamp.now()

    def as_json(self) -> dict[str, Any]:
        """Return the call as ``GET /phones/<digits>/calls`` shows it."""
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
    """The reply to a request for a call."""

    status: int
    body: str | None
    """None if the body is streamed or incomplete, as the phone's behaviour demands."""
    sent_at: Timestamp = field(default_factory=Timestamp.now)


@dataclass(slots=True, kw_only=True)
class RequestLogEntry:
    """One request for a call, accepted or rejected."""

    route: Route
    request: Any
    """The received JSON, or the text of a body that is not JSON."""
    received_at: Timestamp = field(default_factory=Timestamp.now)
    outcome: str = "received"
    rejection: str | None = None
    call: Call | None = None
    """None if no call was placed."""
    reply: Reply | None = None
    """None until it is sent."""

    @property
    def callee(self) -> Any:
        """The number that the request wants to be called, as received."""
        body = self.request if isinstance(self.request, dict) else {}
        return body.get("to" if self.route == "obd" else "from")

    def as_json(self) -> dict[str, Any]:
        """Return the entry as ``GET /ledger`` shows it, with monotonic times."""
        attempts = self.call.attempts if self.call else []
        return {
            "received_at": self.received_at.monotonic,
            "received_wall": self.received_at.utc_text,
            "route": self.route,
            "person": self.callee,
            "bridge": self.request.get("bridge") if isinstance(self.request, dict) else None,
            "outcome": self.outcome,
            "refusal": self.rejection,
            "rang": any(attempt.rang for attempt in attempts),
            "call": self.call.id if self.call else None,
            "attempts": [attempt.as_json() for attempt in attempts],
            "request": self.request,
        }
