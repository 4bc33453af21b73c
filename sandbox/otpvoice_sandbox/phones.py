"""Simulated phones and their behaviours."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from otpvoice_sandbox.config import MAX_SECONDS, ReplyStyle
from otpvoice_sandbox.parsing import RequestRejected, is_header_map

_MAX_PHONES: Final = 20
"""On the page."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The end of a call, with the vendor's status (docs/providers/mobtexting.md, section 3)."""

    status: str
    rings: bool = True
    """Whether the phone makes a sound. An engaged or unreachable phone does not."""
    answered_by: Literal["person", "machine"] | None = None
    talk_seconds: int | None = None
    """Length of the conversation; None: as long as the text needs."""
    hung_up_by: Literal["", "caller"] = ""


ANSWERED: Final = CallOutcome("ANSWER", answered_by="person", hung_up_by="caller")
_DECLINED: Final = CallOutcome("BUSY", hung_up_by="caller")
_TO_VOICEMAIL: Final = replace(ANSWERED, answered_by="machine")
_OUTCOMES: Final = {
    outcome.status: outcome
    for outcome in (
        ANSWERED,
        replace(ANSWERED, status="COMPLETED"),
        replace(ANSWERED, status="RECEIVED"),
        replace(ANSWERED, status="MISSED"),
        CallOutcome("BUSY", rings=False),
        CallOutcome("NOANSWER"),
        CallOutcome("CANCEL"),
        CallOutcome("CONGESTION", rings=False),
        CallOutcome("CHANUNAVAIL", rings=False),
    )
}
CANCELED: Final = _OUTCOMES["CANCEL"]

BUTTONS: Final[Mapping[str, CallOutcome]] = {
    "answer": ANSWERED,
    "decline": _DECLINED,
    "ignore": _OUTCOMES["NOANSWER"],
    "voicemail": _TO_VOICEMAIL,
}
"""Buttons of a ringing phone, with the outcome of the call."""
KEYS: Final = frozenset("0123456789*#")
"""Buttons of a phone in a conversation that asks for a key."""
HANG_UP: Final = "hang_up"
"""The button of a phone in a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """The reaction of a phone, and of the vendor, to a request for a call to its number."""

    behaviour: str = "answer"
    outcome: CallOutcome = ANSWERED
    places_call: bool = True
    """Whether the vendor places the call, independent of its reply."""
    calls: int | None = None
    """Number of calls with this behaviour, after which the phone answers; None: all."""
    copies: int = 1
    """How often the callback is delivered."""
    seconds: float = 0.0
    """The behaviour's time: before the reply, between its bytes, before a late callback, or until
    a phone that is answered by hand stops ringing."""
    key: str = ""
    """Pressed when a call asks for one; empty: none is."""
    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_style: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ``ReplyStyle`` that differ from the account's."""

    @property
    def is_manual(self) -> bool:
        """Whether it rings until a button is pressed. Such calls take their real time."""
        return self.behaviour == "by_hand"


class PhoneList:
    """The numbers of the phones on the page. A full list drops the least recently used one."""

    def __init__(self) -> None:
        self._uses = itertools.count()
        self._last_uses: dict[str, int] = {}

    def numbers(self) -> list[str]:
        """Return them in the order in which they were added."""
        return [*self._last_uses]

    def add(self, number: str) -> None:
        """Add a phone, or mark it as used."""
        self._last_uses[number] = next(self._uses)
        if len(self._last_uses) > _MAX_PHONES:
            del self._last_uses[min(self._last_uses, key=self._last_uses.__getitem__)]

    def drop(self, number: str) -> None:
        """Remove a phone, if it is there."""
        self._last_uses.pop(number, None)


BEHAVIOURS: Final[Mapping[str, Phone]] = {
    phone.behaviour: phone
    for phone in (
        Phone(),
        Phone(behaviour="busy", outcome=_OUTCOMES["BUSY"]),
        Phone(behaviour="no_answer", outcome=_OUTCOMES["NOANSWER"]),
        Phone(behaviour="by_hand", outcome=_OUTCOMES["NOANSWER"], seconds=30.0),
        Phone(behaviour="decline", outcome=_DECLINED),
        Phone(behaviour="press_1", key="1"),
        Phone(behaviour="press_9", key="9"),
        Phone(behaviour="voicemail", outcome=_TO_VOICEMAIL),
        # An assistant asks who calls and why, listens, and hangs up.
        Phone(behaviour="screening", outcome=replace(_TO_VOICEMAIL, talk_seconds=20)),
        Phone(behaviour="hang_up_early", outcome=replace(ANSWERED, talk_seconds=1)),
        Phone(behaviour="no_callback", copies=0),
        Phone(behaviour="late_callback", seconds=120.0),
        Phone(behaviour="duplicate_callback", copies=2),
        Phone(behaviour="early_callback"),
        Phone(behaviour="slow", seconds=5.0),
        Phone(behaviour="timeout", seconds=3600.0),
        Phone(behaviour="garbage"),
        Phone(behaviour="trickle", seconds=1.0),
        Phone(behaviour="huge"),
        Phone(behaviour="empty"),
        Phone(behaviour="cut"),
        Phone(behaviour="reset"),
        Phone(behaviour="error_500", places_call=False),
        Phone(behaviour="error_401", places_call=False),
        Phone(behaviour="out_of_credit", places_call=False),
        Phone(behaviour="reply", places_call=False),
    )
}
"""After an ambiguous reply the call is placed, because that is the worse case for a client. The
option ``rings`` changes it."""


_Option = tuple[str, Callable[[Any], bool]]
"""Description of the allowed values, and the check."""


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= MAX_SECONDS


_REPLY_STYLES: Final = {style.name: get_args(style.type) for style in fields(ReplyStyle)}
_OPTIONS: Final[Mapping[str, _Option]] = {
    "seconds": (f"0 to {MAX_SECONDS} seconds", _is_seconds),
    "ends": ("a status word of the vendor", lambda value: isinstance(value, str)),
    "duration": ("whole seconds of conversation", _is_count),
    "rings": ("true or false", lambda value: isinstance(value, bool)),
    "copies": ("the number of callbacks, at most 100", lambda n: _is_count(n) and n <= 100),
    "calls": ("the number of calls, at least 1", lambda n: _is_count(n) and n > 0),
    "key": ("one of 0 to 9, * and #", lambda value: isinstance(value, str) and value in KEYS),
} | {
    name: (f"one of {', '.join(choices)}", choices.__contains__)
    for name, choices in _REPLY_STYLES.items()
}
_REPLY_OPTIONS: Final[Mapping[str, _Option]] = {
    "status": ("an HTTP status", lambda value: _is_count(value) and 200 <= value <= 599),
    "body": ("anything", lambda _: True),
    "headers": ("an object of HTTP headers", is_header_map),
}


def parse_phone(document: Mapping[str, Any]) -> Phone:
    """Parse ``{"behaviour": …}``; further members are options (docs/sandbox.md).

    Raises:
        RequestRejected: 422, an unknown behaviour or member, or an invalid value.
    """
    options = dict(document)
    behaviour = options.pop("behaviour", None)
    if not isinstance(behaviour, str) or behaviour not in BEHAVIOURS:
        raise RequestRejected(422, f"behaviour: one of {', '.join(BEHAVIOURS)}")
    rules = {**_OPTIONS, **(_REPLY_OPTIONS if behaviour == "reply" else {})}
    for name, value in options.items():
        if name not in rules:
            raise RequestRejected(422, f"{name}: unknown member")
        expected, is_valid = rules[name]
        if not is_valid(value):
            raise RequestRejected(422, f"{name}: {expected}")
    phone = BEHAVIOURS[behaviour]
    outcome = phone.outcome
    if "ends" in options:
        status = options.pop("ends")
        outcome = _OUTCOMES.get(status, CallOutcome(status))
    if "duration" in options:
        outcome = replace(outcome, talk_seconds=options.pop("duration"))
    places_call = options.pop("rings", phone.places_call)
    style = {name: options.pop(name) for name in _REPLY_STYLES if name in options}
    return replace(phone, outcome=outcome, places_call=places_call, reply_style=style, **options)
