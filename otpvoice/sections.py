"""What the sections of the settings have in common, and those of all telephone companies."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta, Struct, structs

from otpvoice import setting_types as types
from otpvoice.core.lines import CallerLines
from otpvoice.core.speech import DEFAULT_FLOW, CodeFormat, Flow
from otpvoice.core.texts import CODE, speaks
from otpvoice.setting_types import field_type

FieldProblem = tuple[str, str]
"""The name of a setting, and what is wrong with it."""


class SpokenText(Struct, frozen=True, forbid_unknown_fields=True):
    """What a call speaks, and the key gate in front of it."""

    text: str
    gate: bool = False
    """The text is spoken only after a key."""
    prompt: str = ""
    """Spoken first, to ask for the key."""

    def __post_init__(self) -> None:
        """Reject what would speak no code, and what a flow rejects."""
        if not speaks(self.text, CODE):
            raise ValueError("text speaks no {otp}")
        if self.gate and not self.prompt.strip():
            raise ValueError("prompt is missing: it asks for the key of the gate")
        self.as_flow()

    def as_flow(self) -> Flow:
        """Return it as a flow without an id of the provider."""
        return Flow("", self.text, self.gate, self.prompt)


def _parse_text(text: str) -> dict[str, str]:
    if not speaks(text, CODE):
        raise ValueError
    return {"text": text}


_TEXT: Final = types.FieldType(
    'a text that speaks {otp}, or { text = "…", gate = true, prompt = "…" }', parse=_parse_text
)
_TEXTS: Final = types.FieldType(
    'a table like { default = "Your code is {otp}.", hi = "… {otp} …" }',
    required_key=DEFAULT_FLOW,
)
Texts = Annotated[Mapping[Annotated[str, types.LANGUAGE], Annotated[SpokenText, _TEXT]], _TEXTS]
_VOICE: Final = types.FieldType("a name of visible ASCII characters", pattern="[!-~]+")
_VOICES: Final = types.FieldType('a table like { default = "Polly.Aditi", hi = "Polly.Aditi" }')
Voices = Annotated[Mapping[Annotated[str, types.LANGUAGE], Annotated[str, _VOICE]], _VOICES]

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[int, types.SECONDS]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file. Its ``repr`` masks secrets."""

    required_unless: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields that are required unless another one is set, each with that one."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        secret = {each.name for each in structs.fields(self) if field_type(each.type).is_secret}
        values = structs.asdict(self).items()
        return [(name, "***" if value and name in secret else value) for name, value in values]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"


class ProviderSection(Section, frozen=True, kw_only=True):
    """``[providers.<name>]``: an account with a telephone company.

    Each kind of company adds its own fields, and overrides what differs.
    """

    modes: ClassVar[tuple[str, ...]] = ("",)
    """The ways in which it places calls. A route without a mode uses the first one."""
    duration_setting: ClassVar[str] = "time_limit"
    """The field that ends long calls."""
    required_unless: ClassVar[Mapping[str, str]] = MappingProxyType({"bridge": "bridges"})
    bridge: Annotated[str, types.BRIDGE] = ""
    """Required, unless there are several lines."""
    bridges: types.Bridges = ()
    caller_id: Annotated[str, types.CALLER_ID] = ""
    default_name: Annotated[str, types.SPOKEN_NAME] = "Customer"
    proxy: Annotated[str, types.PROXY_URL] = ""

    def lines(self) -> CallerLines:
        """Return the lines from which it calls."""
        return CallerLines(self.bridges or (self.bridge,), self.caller_id)

    def spoken_flows(self) -> Mapping[str, Flow]:
        """Return the flows by language tag; one is ``default``."""
        raise NotImplementedError

    def spelling(self) -> CodeFormat:
        """Return how the code is written for the voice."""
        return CodeFormat.COMMA

    def max_call_s(self) -> int:
        """Return after how many seconds a call's result is due: its end and the callback."""
        raise NotImplementedError

    def max_ring_s(self) -> int:
        """Return after how many seconds of ringing a call ends."""
        return 45

    def max_duration_s(self) -> int:
        """Return after how many seconds of conversation the provider ends a call."""
        return 60

    def problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts another field."""
        yield from ()

    def production_problems(self, table: str) -> Iterator[FieldProblem]:
        """Yield what is not fit for production. ``table``: the section's name."""
        del table  # of messages that name another field
        yield from ()

    def warnings(self, table: str) -> Iterator[str]:
        """Yield what is allowed but probably not intended. ``table``: the section's name."""
        del table  # of messages that name another field
        yield from ()

    def speech_warnings(self, table: str) -> Iterator[str]:
        """Yield why a call might not speak its flow. ``table``: the section's name."""
        del table  # of messages that name another field
        yield from ()


_MAX_CALL_S: Final = 150
"""From the request for a call to its end. More is of no use, because the code expires meanwhile."""
_MAX_CALLBACK_DELAY_S: Final = 60
"""From the end of a call to its callback. It includes the 5 seconds that companies ring longer."""


class TextProviderSection(ProviderSection, frozen=True, kw_only=True):
    """An account with a company that has no flows: it speaks texts of these settings."""

    texts: Texts
    """By language tag in lower case; one is ``default``."""
    voices: Voices = MappingProxyType({})
    """By language tag in lower case: the company's names."""
    ring_timeout: Annotated[Seconds, Meta(ge=5, le=120)] = 45
    time_limit: Annotated[Seconds, Meta(ge=10, le=600)] = 60

    def spoken_flows(self) -> Mapping[str, Flow]:
        """Return the texts as flows."""
        return flows_of_texts(self.texts)

    def max_ring_s(self) -> int:
        """Return after how many seconds of ringing a call ends."""
        return self.ring_timeout

    def max_duration_s(self) -> int:
        """Return after how many seconds of conversation the provider ends a call."""
        return self.time_limit

    def max_call_s(self) -> int:
        """Return after how many seconds a call's result is due: its end and the callback."""
        return self.ring_timeout + self.max_duration_s() + _MAX_CALLBACK_DELAY_S

    def problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts another field."""
        if self.ring_timeout + self.time_limit > _MAX_CALL_S:
            yield "time_limit", f"with ring_timeout, more than {_MAX_CALL_S} seconds: shorten one"


def line_settings(table: str, bridge: str | None, bridges: tuple[str, ...]) -> dict[str, str]:
    """Return the lines (digits) of a section, each by the setting that names it."""
    if bridge:
        return {f"{table}.bridge": bridge}
    return {f"{table}.bridges[{i}]": each for i, each in enumerate(bridges)}


def flows_of_texts(texts: Mapping[str, SpokenText]) -> Mapping[str, Flow]:
    """Return texts as flows without an id of the provider."""
    return {tag: text.as_flow() for tag, text in texts.items()}
