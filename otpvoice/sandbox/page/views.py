"""What the page shows: phones and calls as plain values, read while nothing moves."""

import json
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from otpvoice.sandbox.callbacks import Delivery
from otpvoice.sandbox.calls import Call, Entry, Moment
from otpvoice.sandbox.company import Company
from otpvoice.sandbox.speech import Word, words_of

_CALLS: Final = 20
"""The page shows so many, the newest."""
_LONGEST: Final = 4096
"""Characters of a message; more belongs to a test of bodies, and is not for reading."""
_HIDDEN: Final = "•••"
_ENDED: Final = {
    "ANSWER": "Answered",
    "BUSY": "Busy",
    "NOANSWER": "Not answered",
    "CANCEL": "Hung up before it was answered",
}
_PATHS: Final = {"obd": "outgoing/send", "c2c": "voice/c2c"}


@dataclass(frozen=True, slots=True)
class SpeechView:
    """What is spoken into the line, word by word."""

    call: str
    text: str
    language: str
    runs: tuple[tuple[Word, ...], ...]
    """Digits that follow each other, and the words between them."""
    began: int
    """Milliseconds since 1970."""
    cut: bool
    """Whether somebody hung up before the end."""


@dataclass(frozen=True, slots=True)
class PhoneView:
    """A phone on the desk."""

    number: str
    shown: str
    """The number as people write it."""
    behaviour: str
    state: str
    """``idle``, ``ringing``, ``engaged``, ``waiting`` (to be dialed again), ``talking``, ``ended``
    or ``voicemail`` (while it listens)."""
    caller: str
    told: str
    """The state in words."""
    speech: SpeechView | None

    @property
    def id(self) -> str:
        """Of its element."""
        return f"phone-{self.number}"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a call."""

    kind: str
    """``request``, ``reply``, ``ring``, ``answer``, ``end`` or ``callback``."""
    title: str
    after: str
    """Since the request: ``+1.2 s``."""
    message: str = ""
    """As it was received or sent."""


@dataclass(frozen=True, slots=True)
class CallView:
    """A request for a call and all that came of it."""

    place: int
    route: str
    person: str
    at: str
    """The server's clock: ``14:03:59``."""
    state: str
    """As the vendor calls it; ``refused`` for a request that became no call."""
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        """Of its element."""
        return f"call-{self.place}"


def phones(company: Company) -> list[PhoneView]:
    """The phones on the desk, in the order of their places."""
    return company.look(lambda: [_phone(company, n) for n in company.network.desk.numbers])


def calls(company: Company) -> list[CallView]:
    """The last requests for a call, the newest first."""
    newest = company.network.newest
    return company.look(lambda: [_call(company, *entry) for entry in newest(_CALLS)])


def spelled(number: str) -> str:
    """``+91 98765 43210``; of other countries in threes."""
    if number.startswith("91") and len(number) == 12:
        return f"+91 {number[2:7]} {number[7:]}"
    return "+" + " ".join(number[at : at + 3] for at in range(0, len(number), 3))


def veiled(company: Company, text: str) -> str:
    """The text without the secrets that account and webhooks know."""
    webhooks = company.courier.webhooks.values()
    for secret in filter(None, (company.config.token, *(hook.secret for hook in webhooks))):
        text = text.replace(secret, _HIDDEN)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _phone(company: Company, number: str) -> PhoneView:
    call = company.network.call_at(number)
    return PhoneView(
        number=number,
        shown=spelled(number),
        behaviour=company.network.phone(number).behaviour,
        state=_state(call),
        caller=spelled(call.request.bridge) if call else "",
        told=_told(call),
        speech=_speech(company, call) if call else None,
    )


def _state(call: Call | None) -> str:
    if call is None:
        return "idle"
    if call.ended:
        return "ended"
    if call.status == "talking" and call.ending.answered_by == "machine":
        return "voicemail"
    return {"dialing": "engaged", "queued": "waiting"}.get(call.status, call.status)


def _told(call: Call | None) -> str:
    if call is None:
        return "No call yet"
    return {
        "ringing": "Ringing",
        "engaged": "Engaged: it does not ring",
        "waiting": "Waiting to be dialed again",
        "talking": "Talking",
        "voicemail": "Voicemail is listening",
    }.get(_state(call)) or _ended(call)


def _ended(call: Call) -> str:
    if call.ending.answered_by == "machine":
        return f"Voicemail took the call, {call.seconds} s: nobody heard it"
    if call.ending.word == "BUSY" and call.ending.hung_up_by:
        return "Declined"
    word = _ENDED.get(call.ending.word, call.ending.word)
    return f"{word}, {call.seconds} s" if call.seconds else word


def _speech(company: Company, call: Call) -> SpeechView | None:
    if call.spoken is None or call.answered is None:
        return None
    text = veiled(company, call.spoken)
    runs = groupby(words_of(text), lambda word: word.is_digit)
    return SpeechView(
        call=call.id,
        text=text,
        language=call.language,
        runs=tuple(tuple(run) for _, run in runs),
        began=int(call.answered.wall.timestamp() * 1000),
        cut=call.spoken != call.text,
    )


def _call(company: Company, place: int, entry: Entry) -> CallView:
    members = entry.request if isinstance(entry.request, dict) else {}
    person = str(members.get("to" if entry.route == "obd" else "from", ""))
    call = entry.call
    return CallView(
        place=place,
        route=entry.route,
        person=spelled(person) if person.isdecimal() else "no number",
        at=f"{entry.received.wall.astimezone():%H:%M:%S}",
        state=call.status if call else entry.outcome,
        steps=_steps(company, entry),
    )


def _steps(company: Company, entry: Entry) -> tuple[Step, ...]:
    began = entry.received.monotonic
    found: list[tuple[Moment, str, str, str]] = [
        (entry.received, "request", f"POST /api/v2/{_PATHS[entry.route]}", _json(entry.request))
    ]
    if entry.reply:
        body = _written(entry.reply.body, entry.outcome)
        found.append((entry.reply.sent, "reply", f"Replied {entry.reply.status}", body))
    if entry.call:
        found += _life(entry.call)
        found += map(_callback, company.courier.deliveries_of(entry.call))
    found.sort(key=lambda step: step[0].monotonic)
    return tuple(
        Step(kind, title, f"+{at.monotonic - began:.1f} s", veiled(company, message))
        for at, kind, title, message in found
    )


def _life(call: Call) -> list[tuple[Moment, str, str, str]]:
    steps = [
        (attempt.started, "ring", "Rings" if attempt.rang else "Dialed; it does not ring", "")
        for attempt in call.attempts
    ]
    if call.answered:
        by = "Voicemail answers" if call.ending.answered_by == "machine" else "Answered"
        steps.append((call.answered, "answer", by, ""))
    if call.ended:
        steps.append((call.ended, "end", f"Over: {_ended(call)}", ""))
    return steps


def _callback(delivery: Delivery) -> tuple[Moment, str, str, str]:
    message = delivery.message
    answered = delivery.status or f"no answer ({delivery.error})"
    again = f", attempt {delivery.attempt}" if delivery.attempt > 1 else ""
    title = f"Callback {message.method}{again}: {answered}"
    return delivery.sent, "callback", title, _written(message.body.decode(), "")


def _written(body: str | None, outcome: str) -> str:
    if body is None:
        return f"(not in one piece: {outcome})"
    try:
        return _json(json.loads(body))
    except (ValueError, RecursionError):
        return body


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
