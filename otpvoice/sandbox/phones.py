"""The phones of the pretend world and how each takes a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from otpvoice.sandbox.bodies import Refused
from otpvoice.sandbox.config import ReplyStyle


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ends, in the vendor's word (docs/provider.md, section 3)."""

    word: str
    rings: bool = True
    """Whether the phone makes a sound: an engaged or unreachable one does not."""
    answered_by: Literal["person", "machine"] | None = None
    seconds: int | None = None
    """Length of the conversation; None: as long as the text needs."""
    hung_up_by: Literal["", "caller", "agent"] = ""


ANSWERED: Final = Ending("ANSWER", answered_by="person", hung_up_by="caller")
_DECLINED: Final = Ending("BUSY", hung_up_by="caller")
_TO_VOICEMAIL: Final = replace(ANSWERED, answered_by="machine")
_ENDINGS: Final = {
    ending.word: ending
    for ending in (
        ANSWERED,
        replace(ANSWERED, word="COMPLETED"),
        replace(ANSWERED, word="RECEIVED"),
        replace(ANSWERED, word="MISSED"),
        Ending("BUSY", rings=False),
        Ending("NOANSWER"),
        Ending("CANCEL"),
        Ending("CONGESTION", rings=False),
        Ending("CHANUNAVAIL", rings=False),
    )
}


BUTTONS: Final[Mapping[str, Ending]] = {
    "answer": ANSWERED,
    "decline": _DECLINED,
    "ignore": _ENDINGS["NOANSWER"],
    "voicemail": _TO_VOICEMAIL,
}
"""What a ringing phone has, and how the call ends when one is pressed."""
HANG_UP: Final = "hang_up"
"""The button of a phone in a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """What happens when somebody asks for a call to this number."""

    behaviour: str = "answer"
    ending: Ending = ANSWERED
    dials: bool = True
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
    style: Mapping[str, str] = field(default_factory=dict)
    """Members of ``ReplyStyle`` in which this phone differs from the account."""

    @property
    def is_by_hand(self) -> bool:
        """Whether it rings until a button is pressed; then everything takes its real time."""
        return self.behaviour == "by_hand"

    @property
    def callback_seconds(self) -> float:
        """How much later than usual the callback comes."""
        return self.seconds if self.behaviour == "late_callback" else 0.0

    def style_within(self, account: ReplyStyle) -> ReplyStyle:
        """The account's style with this phone's differences."""
        chosen: dict[str, Any] = dict(self.style)
        return replace(account, **chosen)


BEHAVIOURS: Final[Mapping[str, Phone]] = {
    phone.behaviour: phone
    for phone in (
        Phone(),
        Phone(behaviour="busy", ending=_ENDINGS["BUSY"]),
        Phone(behaviour="no_answer", ending=_ENDINGS["NOANSWER"]),
        Phone(behaviour="by_hand", ending=_ENDINGS["NOANSWER"], seconds=30.0),
        Phone(behaviour="decline", ending=_DECLINED),
        Phone(behaviour="voicemail", ending=_TO_VOICEMAIL),
        Phone(behaviour="hang_up_early", ending=replace(ANSWERED, seconds=1)),
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
        Phone(behaviour="error_500", dials=False),
        Phone(behaviour="error_401", dials=False),
        Phone(behaviour="out_of_credit", dials=False),
        Phone(behaviour="reply", dials=False),
    )
}
"""Replies that leave a client in doubt come with a call that rings, the worse of the two cases;
the option ``rings`` chooses the other."""


@dataclass(frozen=True, slots=True)
class _Option:
    rule: str
    allows: Callable[[Any], bool]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= 86400


def _is_headers(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


_CHOICES: Final = {style.name: get_args(style.type) for style in fields(ReplyStyle)}
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


def read_phone(document: Mapping[str, Any]) -> Phone:
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
        raise Refused(422, f"behaviour: one of {', '.join(BEHAVIOURS)}")
    style = {name: chosen.pop(name) for name in _CHOICES if name in chosen}
    _judge(chosen, style, _OPTIONS | (_REPLY_OPTIONS if behaviour == "reply" else {}))
    return _adjusted(BEHAVIOURS[behaviour], chosen, style)


def _judge(
    chosen: Mapping[str, Any], style: Mapping[str, Any], options: Mapping[str, _Option]
) -> None:
    for name, value in style.items():
        if value not in _CHOICES[name]:
            raise Refused(422, f"{name}: one of {', '.join(_CHOICES[name])}")
    for name, value in chosen.items():
        if name not in options:
            raise Refused(422, f"{name}: unknown member")
        if not options[name].allows(value):
            raise Refused(422, f"{name}: {options[name].rule}")


def _adjusted(phone: Phone, chosen: dict[str, Any], style: Mapping[str, str]) -> Phone:
    ending = phone.ending
    if "ends" in chosen:
        word = chosen.pop("ends")
        ending = _ENDINGS.get(word, Ending(word))
    if "duration" in chosen:
        ending = replace(ending, seconds=chosen.pop("duration"))
    dials = chosen.pop("rings", phone.dials)
    return replace(phone, ending=ending, dials=dials, style=style, **chosen)
