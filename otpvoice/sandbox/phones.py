"""The phones of the pretend world and how each takes a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from otpvoice.sandbox.bodies import RequestRejected
from otpvoice.sandbox.config import ReplyStyle


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ends, in the vendor's word (docs/provider.md, section 3)."""

    status: str
    rings: bool = True
    """Whether the phone makes a sound: an engaged or unreachable one does not."""
    answered_by: Literal["person", "machine"] | None = None
    talk_seconds: int | None = None
    """Length of the conversation; None: as long as the text needs."""
    hung_up_by: Literal["", "caller", "agent"] = ""


ANSWERED: Final = CallOutcome("ANSWER", answered_by="person", hung_up_by="caller")
_DECLINED: Final = CallOutcome("BUSY", hung_up_by="caller")
_TO_VOICEMAIL: Final = replace(ANSWERED, answered_by="machine")
_OUTCOMES: Final = {
    ending.status: ending
    for ending in (
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


BUTTONS: Final[Mapping[str, CallOutcome]] = {
    "answer": ANSWERED,
    "decline": _DECLINED,
    "ignore": _OUTCOMES["NOANSWER"],
    "voicemail": _TO_VOICEMAIL,
}
"""What a ringing phone has, and how the call ends when one is pressed."""
HANG_UP: Final = "hang_up"
"""The button of a phone in a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """What happens when somebody asks for a call to this number."""

    behaviour: str = "answer"
    outcome: CallOutcome = ANSWERED
    places_call: bool = True
    """Whether the request becomes a call at all, whatever the reply says."""
    calls: int | None = None
    """How many calls are taken so, after which the phone answers; None: all."""
    copies: int = 1
    """How often the callback is delivered."""
    seconds: float = 0.0
    """Of waiting: before the reply, between its bytes, before a late callback, or for a hand."""
    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_style: Mapping[str, str] = field(default_factory=dict)
    """Members of ``ReplyStyle`` in which this phone differs from the account."""

    @property
    def is_manual(self) -> bool:
        """Whether it rings until a button is pressed; then everything takes its real time."""
        return self.behaviour == "by_hand"

    @property
    def callback_delay_seconds(self) -> float:
        """How much later than usual the callback comes."""
        return self.seconds if self.behaviour == "late_callback" else 0.0

    def reply_style_for(self, account: ReplyStyle) -> ReplyStyle:
        """The account's style with this phone's differences."""
        chosen: dict[str, Any] = dict(self.reply_style)
        return replace(account, **chosen)


BEHAVIOURS: Final[Mapping[str, Phone]] = {
    phone.behaviour: phone
    for phone in (
        Phone(),
        Phone(behaviour="busy", outcome=_OUTCOMES["BUSY"]),
        Phone(behaviour="no_answer", outcome=_OUTCOMES["NOANSWER"]),
        Phone(behaviour="by_hand", outcome=_OUTCOMES["NOANSWER"], seconds=30.0),
        Phone(behaviour="decline", outcome=_DECLINED),
        Phone(behaviour="voicemail", outcome=_TO_VOICEMAIL),
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
"""Replies that leave a client in doubt come with a call that rings, the worse of the two cases;
the option ``rings`` chooses the other."""


@dataclass(frozen=True, slots=True)
class _Option:
    expected: str
    is_valid: Callable[[Any], bool]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= 86400


def _is_headers(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


_REPLY_STYLES: Final = {style.name: get_args(style.type) for style in fields(ReplyStyle)}
_OPTIONS: Final = {
    "seconds": _Option("0 to 86400 seconds", _is_seconds),
    "ends": _Option("a status word of the vendor", lambda word: isinstance(word, str)),
    "duration": _Option("whole seconds of conversation", _is_count),
    "rings": _Option("true or false", lambda value: isinstance(value, bool)),
    "copies": _Option("how many callbacks", _is_count),
    "calls": _Option("for how many calls, at least 1", lambda n: _is_count(n) and n > 0),
}
_REPLY_OPTIONS: Final = {
    "status": _Option("an HTTP status", lambda value: _is_count(value) and 200 <= value <= 599),
    "body": _Option("anything", lambda _: True),
    "headers": _Option("an object of strings", _is_headers),
}


def parse_phone(document: Mapping[str, Any]) -> Phone:
    """The phone that ``{"behaviour": …}`` describes; the options are further members.

    ``seconds``, ``ends`` (the vendor's word for how the call ends), ``duration`` (seconds of
    conversation to report), ``rings`` (whether the request becomes a call), ``copies`` (of the
    callback), ``calls`` (how many calls are taken so), the members of ``ReplyStyle``; for
    ``reply`` also ``status``, ``body``, ``headers``.

    Raises:
        Refused: 422, an unknown behaviour or member, or a wrong value.
    """
    chosen = dict(document)
    behaviour = chosen.pop("behaviour", None)
    if not isinstance(behaviour, str) or behaviour not in BEHAVIOURS:
        raise RequestRejected(422, f"behaviour: one of {', '.join(BEHAVIOURS)}")
    style = {name: chosen.pop(name) for name in _REPLY_STYLES if name in chosen}
    _validate(chosen, style, _OPTIONS | (_REPLY_OPTIONS if behaviour == "reply" else {}))
    return _apply_options(BEHAVIOURS[behaviour], chosen, style)


def _validate(
    chosen: Mapping[str, Any], style: Mapping[str, Any], options: Mapping[str, _Option]
) -> None:
    for name, value in style.items():
        if value not in _REPLY_STYLES[name]:
            raise RequestRejected(422, f"{name}: one of {', '.join(_REPLY_STYLES[name])}")
    for name, value in chosen.items():
        if name not in options:
            raise RequestRejected(422, f"{name}: unknown member")
        if not options[name].is_valid(value):
            raise RequestRejected(422, f"{name}: {options[name].expected}")


def _apply_options(phone: Phone, chosen: dict[str, Any], style: Mapping[str, str]) -> Phone:
    outcome = phone.outcome
    if "ends" in chosen:
        word = chosen.pop("ends")
        outcome = _OUTCOMES.get(word, CallOutcome(word))
    if "duration" in chosen:
        outcome = replace(outcome, talk_seconds=chosen.pop("duration"))
    places_call = chosen.pop("rings", phone.places_call)
    return replace(phone, outcome=outcome, places_call=places_call, reply_style=style, **chosen)
