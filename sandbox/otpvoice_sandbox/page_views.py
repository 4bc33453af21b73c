"""What the page's templates show of phones and calls, read while nothing changes."""

import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from otpvoice_sandbox.callbacks import Delivery
from otpvoice_sandbox.calls import Call, RequestLogEntry
from otpvoice_sandbox.flow_text import CHARACTERS_PER_SECOND
from otpvoice_sandbox.network import Sandbox

_MAX_CALLS: Final = 20
"""The page shows the newest calls only."""
_MAX_MESSAGE_CHARACTERS: Final = 4096
_MASK: Final = "•••"
_WORD: Final = re.compile(r"\S+")
_DIGIT_SECONDS: Final = 0.45
"""Time to speak a digit that is a word of its own."""
_OUTCOME_TEXTS: Final = {
    "ANSWER": "Answered",
    "BUSY": "Busy",
    "NOANSWER": "Not answered",
    "CANCEL": "Canceled before an answer",
}
_STATE_TEXTS: Final = {
    "idle": "No call yet",
    "ringing": "Ringing",
    "engaged": "Engaged: it does not ring",
    "waiting": "Waiting to be redialed",
    "talking": "Talking",
}
_IN_USE: Final = frozenset({"ringing", "talking", "voicemail"})
_SECRET_ADDRESSES: Final = frozenset({"StatusCallback", "Url", "answer_url"})
_SECRET_ACTION: Final = re.compile(r'(?<=action=")[^"]*')
"""The address in a document that asks for a key."""


class Word(NamedTuple):
    """A word of the spoken text."""

    text: str
    position: int
    """Index of its first character in the text."""
    start_seconds: float
    """Seconds from the start of the speech, at an unhurried pace."""
    is_digit: bool
    """Whether it is a single digit."""


_Step = tuple[float, str, str, str]
"""A step of a call: monotonic time, kind, title, and the message as received or sent."""


def phone_views(sandbox: Sandbox, chosen: str | None = None) -> list[dict[str, Any]]:
    """Return the phones for phone.html, the newest first.

    One is open: the chosen number, or one in use, or the newest. With None, no one is: in a live
    page, the browser has opened one.
    """
    with sandbox.changes:
        views = [_phone_view(sandbox, number) for number in reversed(sandbox.phone_numbers())]
    ranked = sorted(
        views, key=lambda view: (view["number"] != chosen, view["state"] not in _IN_USE)
    )
    opened = None if chosen is None else next(iter(ranked), None)
    return [{**view, "is_open": view is opened} for view in views]


def call_views(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the last requests for calls, newest first, for call.html."""
    with sandbox.changes:
        first = max(0, len(sandbox.log_entries) - _MAX_CALLS)
        entries = [*enumerate(sandbox.log_entries[first:], first)]
        return [_call_view(sandbox, *entry) for entry in reversed(entries)]


def format_number(number: str) -> str:
    """Format a number as ``+91 98765 43210``, and numbers of other countries in threes."""
    if number.startswith("91") and len(number) == 12:
        return f"+91 {number[2:7]} {number[7:]}"
    return "+" + " ".join(number[at : at + 3] for at in range(0, len(number), 3))


def split_words(text: str) -> tuple[Word, ...]:
    """Split a text into words and estimate when each starts."""
    words, start = [], 0.0
    for match in _WORD.finditer(text):
        characters = "".join(filter(str.isalnum, match[0]))
        is_digit = len(characters) == 1 and characters.isdigit()
        words.append(Word(match[0], match.start(), round(start, 2), is_digit))
        start += _DIGIT_SECONDS if is_digit else (len(match[0]) + 1) / CHARACTERS_PER_SECOND
    return tuple(words)


def mask_secrets(sandbox: Sandbox, text: str) -> str:
    """Mask the secrets of the account and its webhooks, and shorten a long text."""
    webhooks = sandbox.callbacks.webhooks.values()
    for secret in filter(None, (sandbox.config.token, *(hook.secret for hook in webhooks))):
        text = text.replace(secret, _MASK)
    is_short = len(text) <= _MAX_MESSAGE_CHARACTERS
    return text if is_short else f"{text[:_MAX_MESSAGE_CHARACTERS]} …"


def _phone_view(sandbox: Sandbox, number: str) -> dict[str, Any]:
    call = sandbox.current_call(number)
    state = _state(call)
    return {
        "id": f"phone-{number}",
        "number": number,
        "formatted_number": format_number(number),
        "behaviour": sandbox.get_phone(number).behaviour,
        "state": state,
        "caller": format_number(call.request.bridge) if call else "",
        "state_text": _state_text(call, state),
        "speech": _speech_view(sandbox, call) if call else None,
        "asks_for_key": bool(call and call.key_request and call.status == "talking"),
    }


def _state(call: Call | None) -> str:
    if call is None:
        return "idle"
    if call.ended_at:
        return "ended"
    if call.status == "talking" and call.outcome.answered_by == "machine":
        return "voicemail"
    return {"dialing": "engaged", "queued": "waiting"}.get(call.status, call.status)


def _state_text(call: Call | None, state: str) -> str:
    if call and call.ended_at:
        return _outcome_text(call)
    return (
        f"{_machine(call)} is listening" if call and state == "voicemail" else _STATE_TEXTS[state]
    )


def _machine(call: Call) -> str:
    return "A screening assistant" if call.phone.behaviour == "screening" else "Voicemail"


def _outcome_text(call: Call) -> str:
    outcome = call.outcome
    if outcome.answered_by == "machine":
        return f"{_machine(call)} took the call, {call.talk_seconds} s: no person heard it"
    if outcome.status == "BUSY" and outcome.hung_up_by:
        return "Declined"
    text = _OUTCOME_TEXTS.get(outcome.status, outcome.status)
    return f"{text}, {call.talk_seconds} s" if call.talk_seconds else text


def _speech_view(sandbox: Sandbox, call: Call) -> dict[str, Any] | None:
    if call.spoken_text is None or call.answered_at is None:
        return None
    text = mask_secrets(sandbox, call.spoken_text)
    words = split_words(text)
    started_at = call.answered_at.wall.timestamp()
    if call.key_pressed_at:  # what follows the key is spoken at once
        after_key = (word.start_seconds for word in words if word.position >= len(call.prompt))
        started_at = call.key_pressed_at.wall.timestamp() - next(after_key, 0.0)
    runs = groupby(words, lambda word: word.is_digit)
    return {
        "call_id": call.id,
        "text": text,
        "language": call.language,
        "runs": [[*run] for _, run in runs],
        "started_at_ms": int(started_at * 1000),
        "from_position": len(call.prompt),
        "is_cut_off": call.spoken_text != call.text,
    }


def _call_view(sandbox: Sandbox, index: int, entry: RequestLogEntry) -> dict[str, Any]:
    callee = str(entry.callee or "").removeprefix("+")
    steps = [*_request_steps(entry)]
    if entry.call:
        steps += _call_steps(entry.call)
        steps += map(_callback_step, sandbox.callbacks.deliveries_for(entry.call))
    steps.sort(key=lambda step: step[0])
    start = entry.received_at.monotonic
    return {
        "id": f"call-{index}",
        "route": entry.route,
        "callee": format_number(callee) if callee.isdecimal() else "no number",
        "received_at": f"{entry.received_at.wall.astimezone():%H:%M:%S}",
        "state": entry.call.status if entry.call else entry.outcome,
        "timeline": [
            (f"+{at - start:.1f} s", kind, title, mask_secrets(sandbox, message))
            for at, kind, title, message in steps
        ],
    }


def _request_steps(entry: RequestLogEntry) -> Iterator[_Step]:
    body = entry.request
    if isinstance(body, dict):  # these addresses hold secrets of the client
        body = {**body, **dict.fromkeys(_SECRET_ADDRESSES & body.keys(), _MASK)}
        body = {
            name: _SECRET_ACTION.sub(_MASK, value) if isinstance(value, str) else value
            for name, value in body.items()
        }
    yield entry.received_at.monotonic, "request", f"POST {entry.path}", _format_json(body)
    if entry.reply:
        sent = entry.reply.body
        text = f"(streamed or cut: {entry.outcome})" if sent is None else _format_body(sent)
        yield entry.reply.sent_at.monotonic, "reply", f"Replied {entry.reply.status}", text


def _call_steps(call: Call) -> Iterator[_Step]:
    for attempt in call.attempts:
        title = "Rings" if attempt.rang else "Dialed; it does not ring"
        yield attempt.started_at.monotonic, "ring", title, ""
    if call.answered_at:
        is_machine = call.outcome.answered_by == "machine"
        title = f"{_machine(call)} answers" if is_machine else "Answered"
        yield call.answered_at.monotonic, "answer", title, ""
    if call.key_pressed_at:
        yield call.key_pressed_at.monotonic, "key", f"Key {call.key} pressed", ""
    if call.ended_at:
        yield call.ended_at.monotonic, "end", f"Ended: {_outcome_text(call)}", ""


def _callback_step(delivery: Delivery) -> _Step:
    result = delivery.status or f"no response ({delivery.error})"
    retry = f", attempt {delivery.attempt}" if delivery.attempt > 1 else ""
    title = f"Callback {delivery.method}{retry}: {result}"
    return delivery.sent_at, "callback", title, _format_body(delivery.body)


def _format_body(body: str) -> str:
    try:
        return _format_json(json.loads(body))
    except (ValueError, RecursionError):
        return body


def _format_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
