"""Calls, and entries of the request log.

Calls and log entries change only while the sandbox's lock is held. The vendor's descriptions of a
call have the members that its documents show (docs/providers/mobtexting.md, section 2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from otpvoice_sandbox.config import ReplyStyle, Route
from otpvoice_sandbox.flow_text import CHARACTERS_PER_SECOND, speech_seconds
from otpvoice_sandbox.parsing import CallRequest, FetchedSpeech, KeyRequest, SpeechFault
from otpvoice_sandbox.phones import CallOutcome, Phone
from otpvoice_sandbox.scheduling import Timestamp

_PRICE: Final = "0.5000"
_CALLEE_MEMBERS: Final[Mapping[Route, str]] = {
    "obd": "to",
    "c2c": "from",
    "twiml": "To",
    "plivo": "to",
}
_BRIDGE_MEMBERS: Final[Mapping[Route, str]] = {"twiml": "From", "plivo": "from"}
"""Of vendors that do not call it ``bridge``."""


@dataclass(slots=True)
class Attempt:
    """One dial attempt, from the first ring to the end of the conversation."""

    rang: bool
    started_at: Timestamp = field(default_factory=Timestamp)
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
    """The text that the flow speaks after the call is answered. A key adds what follows it."""
    language: str
    """Language tag of the text."""
    speech_fault: SpeechFault | None = None
    """Why nothing was there to speak."""
    key_request: KeyRequest | None = None
    """How the text asks for a key; None: it does not, or a key was pressed."""
    key: str = ""
    """The key that was pressed."""
    key_pressed_at: Timestamp | None = None
    prompt: str = ""
    """What was spoken before the key; what follows it is spoken at once."""
    outcome: CallOutcome
    """Set by the phone's behaviour, until a button is pressed."""
    step: int = 0
    """Number of completed steps. A scheduled step is skipped if another one came before it."""
    received_at: Timestamp = field(default_factory=Timestamp)
    status: str = "queued"
    """``queued``, ``dialing``, ``ringing``, ``talking``, then the vendor's final status."""
    attempts: list[Attempt] = field(default_factory=list)
    answered_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    callback_sent: bool = False
    """Whether the callback was delivered once, or no callback is due."""

    @property
    def talk_seconds(self) -> int:
        """Reported length of the conversation; 0 if the call is not answered."""
        outcome, limit = self.outcome, self.request.max_seconds
        if outcome.answered_by is None:
            return 0
        waited = self.key_request.wait_seconds if self.key_request else 0
        spoken = speech_seconds(self.text) + waited
        full = spoken if outcome.talk_seconds is None else outcome.talk_seconds
        return full if limit is None else min(full, limit)

    @property
    def seconds_until_key(self) -> int | None:
        """When a person on the phone presses its key; None if nobody does."""
        if not (self.key_request and self.phone.key) or self.outcome.answered_by != "person":
            return None
        seconds = speech_seconds(self.key_request.prompt)
        return seconds if seconds <= self.talk_seconds else None

    def speak(self, speech: FetchedSpeech, fault: SpeechFault | None) -> None:
        """Speak a document after what was spoken before a key."""
        self.text = f"{self.text} {speech.text}".strip()
        self.language = speech.language or self.language
        self.key_request, self.speech_fault = speech.key_request, fault

    @property
    def spoken_text(self) -> str | None:
        """The part of the text that the conversation has time for; None without an answer."""
        if not self.answered_at:
            return None
        length = self.talk_seconds * CHARACTERS_PER_SECOND
        if self.key_pressed_at:
            before_s = int(self.key_pressed_at.monotonic - self.answered_at.monotonic)
            after = (self.talk_seconds - before_s) * CHARACTERS_PER_SECOND
            length = max(length, len(self.prompt) + after)
        return self.text[:length]

    @property
    def vendor_status(self) -> str:
        """The vendor's status; in C2C, a conversation with the flow is ``COMPLETED``."""
        status = self.outcome.status
        return "COMPLETED" if self.request.route == "c2c" and status == "ANSWER" else status

    def as_json(self) -> dict[str, Any]:
        """Return the call as ``GET /phones/<digits>/calls`` shows it."""
        return {
            "id": self.id,
            "route": self.request.route,
            "status": self.status,
            "spoken": self.spoken_text,
            "answered_by": self.outcome.answered_by if self.answered_at else None,
            "key": self.key,
            "variables": self.request.variables,
            "bridge": self.request.bridge,
            "request": self.request.body,
            "received_at": self.received_at.utc_text,
            "attempts_rung": sum(attempt.rang for attempt in self.attempts),
            "attempts": [attempt.as_json() for attempt in self.attempts],
        }

    @property
    def accepted_status(self) -> int:
        """HTTP status of the reply to the accepted request."""
        return 201 if self.request.messages else 200

    def accepted_reply(self) -> dict[str, Any]:
        """Return the reply to the accepted request, in the call's reply style."""
        request, style = self.request, self.reply_style
        if request.messages:
            return request.messages.reply(self)
        if request.route == "c2c":
            if style.c2c_reply == "bare":
                return {"status": 200, "message": "Call initiated successfully"}
            return {"callId": self.id, "message": "call initiated successfully", "status": 200}
        if style.obd_reply == "older":
            number: dict[str, Any] = {
                "id": self.id,
                "mobile": request.callee,
                "charges": _PRICE,
                "customid": "",
                "customid1": "",
                "iso_code": None,
                "submitted_at": self.received_at.local_text,
            }
            return {"status": 200, "message": "1 numbers accepted for delivery.", "data": [number]}
        number = {
            "id": self.id,
            "channel": "outgoing",
            "caller_id": request.bridge,
            "mobile": request.callee,
            "flow_id": request.flow_id,
            "credits": 1,
            "created_at": self.received_at.utc_text,
            "foreign_id": None,
            "options": None,
            "status": "queued",
        }
        return {"status": "OK", "message": "Calls queued successfully", "data": [number]}

    def status_item(self) -> dict[str, Any]:
        """Return an OBD call as ``outgoing/callstatus`` shows it."""
        return {
            "id": self.id,
            "channel": "outgoing",
            "from": self.request.bridge,
            "to": self.request.callee,
            "created_at": self.received_at.local_text,
            "foreign_id": "",
            "status": self.outcome.status if self.ended_at else "queued",
            "start_at": self.attempts[0].started_at.local_text,
            "end_at": self.ended_at.local_text if self.ended_at else "",
            "dtmf": self.key,
        }

    def log_item(self) -> dict[str, Any]:
        """Return an ended call as ``voice/calls`` shows it."""
        request, is_obd = self.request, self.request.route == "obd"
        minutes, seconds = divmod(self.talk_seconds, 60)
        duration = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        return {
            "id": self.id,
            "call_from": request.bridge if is_obd else request.callee,
            "call_to": request.callee if is_obd else request.body["to"],
            "service": request.route.upper(),
            "bridge": request.bridge,
            "status": self.vendor_status,
            "duration": duration,
            "billing": duration,
            "charges": _PRICE,
            "start_at": self.attempts[0].started_at.local_text,
            "end_at": self.ended_at.local_text if self.ended_at else "",
            "hangup_by": self.outcome.hung_up_by,
            "dtmf": self.key,
            "provider": "sandbox",
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a request for a call."""

    status: int
    body: str | None
    """None if the body is streamed or incomplete, as the phone's behaviour demands."""
    sent_at: Timestamp = field(default_factory=Timestamp)


@dataclass(slots=True, kw_only=True)
class RequestLogEntry:
    """One request for a call, accepted or rejected."""

    route: Route
    path: str
    """Of the request's address."""
    request: Any
    """The received JSON or form, or the text of another body."""
    received_at: Timestamp = field(default_factory=Timestamp)
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
        return body.get(_CALLEE_MEMBERS[self.route])

    @property
    def bridge(self) -> Any:
        """The caller line of the request, as received."""
        body = self.request if isinstance(self.request, dict) else {}
        return body.get(_BRIDGE_MEMBERS.get(self.route, "bridge"))

    def as_json(self) -> dict[str, Any]:
        """Return the entry as ``GET /ledger`` shows it, with monotonic times."""
        attempts = self.call.attempts if self.call else []
        return {
            "received_at": self.received_at.monotonic,
            "received_wall": self.received_at.utc_text,
            "route": self.route,
            "person": self.callee,
            "bridge": self.bridge,
            "outcome": self.outcome,
            "refusal": self.rejection,
            "rang": any(attempt.rang for attempt in attempts),
            "call": self.call.id if self.call else None,
            "attempts": [attempt.as_json() for attempt in attempts],
            "request": self.request,
        }
