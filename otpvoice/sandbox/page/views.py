"""What the page shows: phones and calls as plain values, read while nothing moves."""

import json
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from otpvoice.sandbox.callbacks import Delivery
from otpvoice.sandbox.calls import Call, RequestLogEntry, Timestamp
from otpvoice.sandbox.company import Sandbox
from otpvoice.sandbox.speech import Word, split_words

_MAX_CALLS: Final = 20
"""The page shows so many, the newest."""
_MAX_MESSAGE_CHARACTERS: Final = 4096
"""Characters of a message; more belongs to a test of bodies, and is not for reading."""
_MASK: Final = "•••"
_OUTCOME_TEXTS: Final = {
    "ANSWER": "Answered",
    "BUSY": "Busy",
    "NOANSWER": "Not answered",
    "CANCEL": "Hung up before it was answered",
}
_PATHS: Final = {"obd": "outgoing/send", "c2c": "voice/c2c"}


@dataclass(frozen=True, slots=True)
class SpeechView:
    """What is spoken into the line, word by word."""

    call_id: str
    text: str
    language: str
    runs: tuple[tuple[Word, ...], ...]
    """Digits that follow each other, and the words between them."""
    started_at_ms: int
    """Milliseconds since 1970."""
    is_cut_off: bool
    """Whether somebody hung up before the end."""


@dataclass(frozen=True, slots=True)
class PhoneView:
    """A phone on the desk."""

    number: str
    formatted_number: str
    """The number as people write it."""
    behaviour: str
    state: str
    """``idle``, ``ringing``, ``engaged``, ``waiting`` (to be dialed again), ``talking``, ``ended``
    or ``voicemail`` (while it listens)."""
    caller: str
    state_text: str
    """The state in words."""
    speech: SpeechView | None

    @property
    def id(self) -> str:
        """Of its element."""
        return f"phone-{self.number}"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to a call."""

    kind: str
    """``request``, ``reply``, ``ring``, ``answer``, ``end`` or ``callback``."""
    title: str
    elapsed: str
    """Since the request: ``+1.2 s``."""
    message: str = ""
    """As it was received or sent."""


@dataclass(frozen=True, slots=True)
class CallView:
    """A request for a call and all that came of it."""

    index: int
    route: str
    callee: str
    received_at: str
    """The server's clock: ``14:03:59``."""
    state: str
    """As the vendor calls it; ``refused`` for a request that became no call."""
    timeline: tuple[TimelineEntry, ...]

    @property
    def id(self) -> str:
        """Of its element."""
        return f"call-{self.index}"


def phone_views(company: Sandbox) -> list[PhoneView]:
    """The phones on the desk, in the order of their places."""
    return company.read(
        lambda: [_phone_view(company, n) for n in company.network.phone_list.numbers]
    )


def call_views(company: Sandbox) -> list[CallView]:
    """The last requests for a call, the newest first."""
    newest = company.network.last_requests
    return company.read(lambda: [_call_view(company, *entry) for entry in newest(_MAX_CALLS)])


def format_number(number: str) -> str:
    """``+91 98765 43210``; of other countries in threes."""
    if number.startswith("91") and len(number) == 12:
        return f"+91 {number[2:7]} {number[7:]}"
    return "+" + " ".join(number[at : at + 3] for at in range(0, len(number), 3))


def mask_secrets(company: Sandbox, text: str) -> str:
    """The text without the secrets that account and webhooks know."""
    webhooks = company.callbacks.webhooks.values()
    for secret in filter(None, (company.config.token, *(hook.secret for hook in webhooks))):
        text = text.replace(secret, _MASK)
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else f"{text[:_MAX_MESSAGE_CHARACTERS]} …"


def _phone_view(company: Sandbox, number: str) -> PhoneView:
    call = company.network.current_call(number)
    return PhoneView(
        number=number,
        formatted_number=format_number(number),
        behaviour=company.network.get_phone(number).behaviour,
        state=_state(call),
        caller=format_number(call.request.bridge) if call else "",
        state_text=_state_text(call),
        speech=_speech_view(company, call) if call else None,
    )


def _state(call: Call | None) -> str:
    if call is None:
        return "idle"
    if call.ended_at:
        return "ended"
    if call.status == "talking" and call.outcome.answered_by == "machine":
        return "voicemail"
    return {"dialing": "engaged", "queued": "waiting"}.get(call.status, call.status)


def _state_text(call: Call | None) -> str:
    if call is None:
        return "No call yet"
    return {
        "ringing": "Ringing",
        "engaged": "Engaged: it does not ring",
        "waiting": "Waiting to be dialed again",
        "talking": "Talking",
        "voicemail": "Voicemail is listening",
    }.get(_state(call)) or _outcome_text(call)


def _outcome_text(call: Call) -> str:
    if call.outcome.answered_by == "machine":
        return f"Voicemail took the call, {call.talk_seconds} s: nobody heard it"
    if call.outcome.status == "BUSY" and call.outcome.hung_up_by:
        return "Declined"
    word = _OUTCOME_TEXTS.get(call.outcome.status, call.outcome.status)
    return f"{word}, {call.talk_seconds} s" if call.talk_seconds else word


def _speech_view(company: Sandbox, call: Call) -> SpeechView | None:
    if call.spoken_text is None or call.answered_at is None:
        return None
    text = mask_secrets(company, call.spoken_text)
    runs = groupby(split_words(text), lambda word: word.is_digit)
    return SpeechView(
        call_id=call.id,
        text=text,
        language=call.language,
        runs=tuple(tuple(run) for _, run in runs),
        started_at_ms=int(call.answered_at.wall.timestamp() * 1000),
        is_cut_off=call.spoken_text != call.text,
    )


def _call_view(company: Sandbox, place: int, entry: RequestLogEntry) -> CallView:
    members = entry.request if isinstance(entry.request, dict) else {}
    person = str(members.get("to" if entry.route == "obd" else "from", ""))
    call = entry.call
    return CallView(
        index=place,
        route=entry.route,
        callee=format_number(person) if person.isdecimal() else "no number",
        received_at=f"{entry.received_at.wall.astimezone():%H:%M:%S}",
        state=call.status if call else entry.outcome,
        timeline=_timeline(company, entry),
    )


def _timeline(company: Sandbox, entry: RequestLogEntry) -> tuple[TimelineEntry, ...]:
    began = entry.received_at.monotonic
    found: list[tuple[Timestamp, str, str, str]] = [
        (
            entry.received_at,
            "request",
            f"POST /api/v2/{_PATHS[entry.route]}",
            _format_json(entry.request),
        )
    ]
    if entry.reply:
        body = _format_body(entry.reply.body, entry.outcome)
        found.append((entry.reply.sent_at, "reply", f"Replied {entry.reply.status}", body))
    if entry.call:
        found += _call_timeline(entry.call)
        found += map(_callback_entry, company.callbacks.deliveries_for(entry.call))
    found.sort(key=lambda step: step[0].monotonic)
    return tuple(
        TimelineEntry(kind, title, f"+{at.monotonic - began:.1f} s", mask_secrets(company, message))
        for at, kind, title, message in found
    )


def _call_timeline(call: Call) -> list[tuple[Timestamp, str, str, str]]:
    steps = [
        (attempt.started_at, "ring", "Rings" if attempt.rang else "Dialed; it does not ring", "")
        for attempt in call.attempts
    ]
    if call.answered_at:
        by = "Voicemail answers" if call.outcome.answered_by == "machine" else "Answered"
        steps.append((call.answered_at, "answer", by, ""))
    if call.ended_at:
        steps.append((call.ended_at, "end", f"Over: {_outcome_text(call)}", ""))
    return steps


def _callback_entry(delivery: Delivery) -> tuple[Timestamp, str, str, str]:
    message = delivery.message
    answered = delivery.status or f"no answer ({delivery.error})"
    again = f", attempt {delivery.attempt}" if delivery.attempt > 1 else ""
    title = f"Callback {message.method}{again}: {answered}"
    return delivery.sent_at, "callback", title, _format_body(message.body.decode(), "")


def _format_body(body: str | None, outcome: str) -> str:
    if body is None:
        return f"(not in one piece: {outcome})"
    try:
        return _format_json(json.loads(body))
    except (ValueError, RecursionError):
        return body


def _format_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
