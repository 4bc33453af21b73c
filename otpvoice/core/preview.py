"""What a flow will say, and what people would not understand of it, before anybody is called."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.core.speech import CodeFormat, format_code, seconds_until_code, speech_seconds

RING_S: Final = 45
"""Seconds that a phone rings at most."""
_MIN_GREETING_S: Final = 1.0
"""Seconds; a code that comes sooner is missed by who still lifts the phone to the ear."""

_PLACEHOLDER: Final = re.compile(r"\{+\s*(?P<variable>\w+)\s*(?:@\s*(?P<filter>\w+)\s*)?\}+")
_LINK: Final = re.compile(r"(?:https?://|\bwww\.)\S+", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d{2,}|\d(?:[ ,.-]\d)+")
"""Digits as a listener would write them down; a single one, as in "step 1", is none."""
_DOTTED_CODE: Final = re.compile(r"\.{2,}\s*\{+\s*otp|\{+\s*otp\b[^}]*\}+\s*\.{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPreview:
    """A flow with everything that will fill it in."""

    text: str
    """The flow's."""
    code: str
    """An example, digits only."""
    code_format: CodeFormat
    name: str
    """As it will be spoken."""
    min_life_s: int
    """Seconds that the shortest-lived code has left when it is dialed."""
    max_duration_s: int
    """Seconds after which the provider ends the call."""

    @property
    def code_text(self) -> str:
        """The code as the flow is given it."""
        return format_code(self.code, self.code_format)

    @property
    def duration_s(self) -> int:
        """Of the whole flow; an estimate, like ``heard_after``."""
        return speech_seconds(self.text, self.code_text, self.name)

    @property
    def code_spoken_after_s(self) -> int | None:
        """Seconds until the code was spoken once; None if the text does not speak it."""
        if not self._codes():
            return None
        return seconds_until_code(self.text, self.code_text, self.name)

    @property
    def spoken_text(self) -> str:
        """The text as it is spoken; what nobody fills in stays, to be seen."""
        return _PLACEHOLDER.sub(self._fill, self.text)

    def warnings(self) -> Iterator[str]:
        """What should be mended, each with how."""
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
            yield "The code is not spoken: write {otp} where it belongs."
            return
        if len(codes) == 1:
            yield "The code is spoken once only: repeat {otp}, for whoever looked for a pen."
        is_plain = self.code_format is CodeFormat.PLAIN
        if is_plain and any(found["filter"] != "digits" for found in codes):
            yield (
                "The code will be read as a number, not digit by digit: write {{otp@digits}}, "
                'or set provider.otp_format to "comma".'
            )
        before = self.text[: codes[0].start()]
        if speech_seconds(before, "", self.name) < _MIN_GREETING_S:
            yield "The code comes at once: begin with a greeting, while the phone goes to the ear."

    def _name_warnings(self) -> Iterator[str]:
        variables = {found["variable"] for found in self._placeholders()}
        if "Name" not in variables:
            yield "The name is not spoken: write {Name}, so that people know it is for them."
        for variable in sorted(variables - {"Name", "otp"}):
            yield f"{{{variable}}} is filled in by nobody: there are {{Name}} and {{otp}}."

    def _duration_warnings(self) -> Iterator[str]:
        if RING_S + self.duration_s > self.min_life_s:
            yield (
                f"The code can expire while it is spoken: {RING_S} s of ringing and "
                f"{self.duration_s} s of speech exceed the {self.min_life_s} s that the code may "
                "have left when it is dialed. Shorten the text, or raise "
                "verification.min_remaining_life or ttl."
            )
        if self.duration_s > self.max_duration_s:
            yield (
                f"The provider hangs up after {self.max_duration_s} s, before the text ends. "
                "Shorten the text, or raise provider.c2c_duration."
            )

    def _wording_warnings(self) -> Iterator[str]:
        words = _PLACEHOLDER.sub(" ", self.text)
        if _LINK.search(words):
            yield "A link cannot be followed from a call: leave it out."
        if _DOTTED_CODE.search(self.text):
            yield (
                "Dots stand next to the code: some voices read a digit with a dot as an ordinal. "
                "Use a comma or a new sentence."
            )
        if _NUMBER.search(_LINK.sub(" ", words)):
            yield "A number in the text can be taken for the code: write it in words, or drop it."

    def _codes(self) -> list[re.Match[str]]:
        return [found for found in self._placeholders() if found["variable"] == "otp"]

    def _placeholders(self) -> list[re.Match[str]]:
        return [*_PLACEHOLDER.finditer(self.text)]
