"""Preview of a call that is not placed: its speech, the requests to the provider, and warnings."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from otpvoice.core.speech import (
    DEFAULT_FLOW,
    CodeFormat,
    Flow,
    choose_flow,
    clean_name,
    format_code,
)
from otpvoice.core.texts import CODE, NAME, seconds_until_code, speech_seconds
from otpvoice.core.verification import queue_margin_s
from otpvoice.providers.base import HttpRequestSpec, OutboundCall
from otpvoice.providers.routes import Route
from otpvoice.settings import Settings
from otpvoice.settings.routing import default_provider, route_order

_EXAMPLE_CODE: Final = "4071132598"
"""Its first digits are the example. It has a zero in it, and is no real code."""
_CALL_ID: Final = f"call_{'0' * 32}"
_NUMBER: Final = "+919876543210"
_MAX_RING_S: Final = 45
_MIN_GREETING_S: Final = 1.0
"""People who are still lifting the phone to the ear miss a code that comes sooner."""

_PLACEHOLDER: Final = re.compile(r"\{+\s*(?P<variable>\w+)\s*(?:@\s*(?P<filter>\w+)\s*)?\}+")
_MISSING_TEXT: Final = (
    "The flow {} has no text in the settings, so its speech cannot be previewed, and heard "
    "stays null. Copy the text from the portal into provider.flows."
)
_LINK: Final = re.compile(r"(?:https?://|\bwww\.)\S+", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d{2,}|\d(?:[ ,.-]\d)+")
"""Several digits in a row, unlike the one of "step 1"."""
_DOTTED_CODE: Final = re.compile(r"\.{2,}\s*\{+\s*otp|\{+\s*otp\b[^}]*\}+\s*\.{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPreview:
    """A flow's text with the values that fill it in."""

    text: str
    code: str
    """An example, digits only."""
    code_format: CodeFormat
    name: str
    """As it is spoken."""
    min_life_s: int
    """The shortest time that a code has left when it is dialed."""
    max_duration_s: int
    """The provider ends the call after this time."""
    table: str
    """The section of the provider's settings."""
    duration_setting: str
    """The field of it that sets ``max_duration_s``."""

    @property
    def code_text(self) -> str:
        """The code as the provider receives it."""
        return format_code(self.code, self.code_format)

    @property
    def _values(self) -> dict[str, str]:
        return {NAME: self.name, CODE: self.code}

    @property
    def duration_s(self) -> int:
        """The estimated duration of the speech."""
        return speech_seconds(self.text, self._values)

    @property
    def code_spoken_after_s(self) -> int | None:
        """The estimated time until the code was spoken once. None if the text lacks the code."""
        if not self._codes():
            return None
        return seconds_until_code(self.text, self._values)

    @property
    def spoken_text(self) -> str:
        """The text as it is spoken. Unknown placeholders stay visible."""
        return _PLACEHOLDER.sub(self._fill, self.text)

    def warnings(self) -> Iterator[str]:
        """Yield what makes the text hard to understand, each with its remedy."""
        yield from self._code_warnings()
        yield from self._name_warnings()
        yield from self._duration_warnings()
        yield from self._wording_warnings()

    def _fill(self, found: re.Match[str]) -> str:
        if found["variable"] == "otp":
            return format_code(self.code, CodeFormat.SPACED) if found["filter"] else self.code_text
        return self.name if found["variable"] == "Name" else found[0]

    def _code_warnings(self) -> Iterator[str]:
        codes = self._codes()
        if not codes:
            yield "The code is not spoken. Write {otp} where the flow should speak it."
            return
        if len(codes) == 1:
            yield "The code is spoken only once. Repeat {otp}, because people often miss it."
        is_plain = self.code_format is CodeFormat.PLAIN
        if is_plain and any(found["filter"] != "digits" for found in codes):
            yield (
                "The code is read as one number, not digit by digit. Write {{otp@digits}}, or set "
                f'{self.table}.otp_format to "comma".'
            )
        before = self.text[: codes[0].start()]
        if speech_seconds(before, self._values) < _MIN_GREETING_S:
            yield "The code comes at once. Begin with a greeting, so that people can listen first."

    def _name_warnings(self) -> Iterator[str]:
        variables = {found["variable"] for found in _PLACEHOLDER.finditer(self.text)}
        if "Name" not in variables:
            yield "The name is not spoken. Write {Name}, so that people know the call is for them."
        for variable in sorted(variables - {"Name", "otp"}):
            yield f"{{{variable}}} is not filled in. The variables are {{Name}} and {{otp}}."

    def _duration_warnings(self) -> Iterator[str]:
        if _MAX_RING_S + self.duration_s > self.min_life_s:
            yield (
                f"The code can expire while it is spoken: {_MAX_RING_S} s of ringing and "
                f"{self.duration_s} s of speech exceed the {self.min_life_s} s that the code may "
                "have left when it is dialed. Shorten the text, or raise "
                "verification.min_remaining_life or ttl."
            )
        if self.duration_s > self.max_duration_s:
            yield (
                f"The provider hangs up after {self.max_duration_s} s, before the text ends. "
                f"Shorten the text, or raise {self.table}.{self.duration_setting}."
            )

    def _wording_warnings(self) -> Iterator[str]:
        words = _PLACEHOLDER.sub(" ", self.text)
        if _LINK.search(words):
            yield "A link cannot be followed from a call. Remove it."
        if _DOTTED_CODE.search(self.text):
            yield (
                "Dots next to the code make some voices read a digit as an ordinal. Use a comma or "
                "a new sentence."
            )
        if _DIGITS.search(_LINK.sub(" ", words)):
            yield "A number in the text can be taken for the code. Write it in words, or remove it."

    def _codes(self) -> list[re.Match[str]]:
        return [each for each in _PLACEHOLDER.finditer(self.text) if each["variable"] == "otp"]


@dataclass(frozen=True, slots=True)
class CallPreview:
    """A call that is not placed."""

    flow_key: str
    flow: Flow
    speech: FlowPreview
    requests: dict[str, HttpRequestSpec]
    """By route."""
    warnings: tuple[str, ...]


def preview_call(
    settings: Settings,
    routes: Mapping[str, Route],
    client: str,
    locale: str | None,
    name: str,
    text: str | None = None,
) -> CallPreview:
    """Return the call that a client's request with this locale and name leads to.

    ``text`` replaces the flow's own text. Nothing is sent to the provider.

    Raises:
        KeyError: there is no such client.
    """
    profile = settings.client_profile(client)
    key, flow = choose_flow(locale, profile.flows)
    spoken_name = clean_name(name) or profile.default_name
    spoken = flow.text if text is None else text
    speech = _preview_speech(settings, profile.ttl_s, spoken, spoken_name)
    call = OutboundCall(
        call_id=_CALL_ID,
        route="",
        mode="",
        number=_NUMBER,
        bridge=profile.bridge,
        flow_id=flow.id,
        locale=key,
        text=speech.text,
        name=spoken_name,
        code=speech.code,
        gate=flow.gate_kind,
        prompt=flow.prompt,
    )
    requests = {
        route.name: route.provider.preview_request(_on_route(call, route, client, locale, text))
        for route in map(routes.__getitem__, route_order(settings))
    }
    warnings = (
        *_flow_warnings(settings, locale, key),
        *_name_warnings(name, spoken_name),
        *(speech.warnings() if speech.text else [_MISSING_TEXT.format(key)]),
    )
    return CallPreview(key, flow, speech, requests, warnings)


def _preview_speech(settings: Settings, ttl_s: int, text: str, name: str) -> FlowPreview:
    """Return what the provider of the first route speaks."""
    provider, verification = default_provider(settings), settings.verification
    tables = settings.provider_tables().items()
    return FlowPreview(
        text=text,
        code=_EXAMPLE_CODE[: verification.code_length],
        code_format=provider.spelling(),
        name=name,
        min_life_s=int(queue_margin_s(verification.min_remaining_life, ttl_s)),
        max_duration_s=provider.max_duration_s(),
        table=next(table for table, each in tables if each is provider),
        duration_setting=provider.duration_setting,
    )


def _on_route(
    call: OutboundCall, route: Route, client: str, locale: str | None, text: str | None
) -> OutboundCall:
    """Return the call as this route places it, whose provider may have its own line and flows."""
    on_route = replace(call, route=route.name, mode=route.mode)
    if route.line is None:
        return on_route
    key, flow = route.flows.choose(client, locale)
    spoken = flow.text if text is None else text
    return replace(
        on_route,
        bridge=route.line.bridge,
        flow_id=flow.id,
        locale=key,
        text=spoken,
        gate=flow.gate_kind,
        prompt=flow.prompt,
    )


def _flow_warnings(settings: Settings, locale: str | None, key: str) -> Iterator[str]:
    if locale and key == DEFAULT_FLOW:
        yield (
            f"No flow speaks {locale}, so the default flow is used. Add the locale to "
            "provider.flows."
        )
    for table, provider in settings.provider_tables().items():
        yield from provider.speech_warnings(table)


def _name_warnings(name: str, spoken: str) -> Iterator[str]:
    cleaned = clean_name(name)
    if name.strip() and not cleaned:
        yield f"No part of the name can be spoken, so {spoken} is spoken instead."
    elif cleaned != name.strip():
        yield f"The name is not spoken as given, but as {cleaned}."
