"""Texts of calls: placeholders, pauses, and the time that speaking takes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

NAME: Final = "Name"
CODE: Final = "otp"
BRAND: Final = "brand"

_PLACEHOLDER: Final = re.compile(r"\{+\s*(?P<variable>\w+)\b[^{}]*\}+")
_PAUSE: Final = re.compile(r"\{+\s*pause\s+(?P<seconds>[1-9]|10)\s*\}+")
_CHARACTERS_PER_SECOND: Final = 15.0
_DIGITS_PER_SECOND: Final = 2.5
"""Digits that are spoken one by one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a voice reads a text."""

    lead_s: int = 0
    """Silence before each repetition."""
    rate: float = 1.0
    """Of the voice's own speed."""
    digit_break_s: float = 0.0
    """Silence between two digits of a code, in addition to the voice's own."""


def fill_text(text: str, values: Mapping[str, str]) -> str:
    """Fill a text in, for a provider that speaks texts instead of flows.

    Filters such as the one in ``{{otp@digits}}`` are ignored, and other placeholders stay.

    Args:
        text: with placeholders such as ``{Name}``, ``{otp}`` or ``{{otp}}``.
        values: by the placeholder's name.
    """
    return _PLACEHOLDER.sub(lambda found: values.get(found["variable"], found[0]), text)


def split_pauses(text: str, lead_s: int = 0) -> Iterator[tuple[int, str]]:
    """Yield each part of a text between its pauses, with the seconds of silence before it.

    Args:
        text: with pauses such as ``{pause 5}``, of 1 to 10 seconds.
        lead_s: silence before the text.
    """
    silence_s, position = lead_s, 0
    for found in _PAUSE.finditer(text):
        if part := text[position : found.start()].strip():
            yield silence_s, part
            silence_s = 0
        silence_s += int(found["seconds"])
        position = found.end()
    if (part := text[position:].strip()) or not position:
        yield silence_s, part


def speaks(text: str, variable: str) -> bool:
    """Return whether a text has the placeholder of this name."""
    return any(found["variable"] == variable for found in _PLACEHOLDER.finditer(text))


def seconds_until_code(text: str, values: Mapping[str, str], pace: Pace = Pace()) -> int:
    """Estimate the seconds of conversation until a text has spoken the code once.

    Args:
        text: as for :func:`fill_text`, with pauses.
        values: by the placeholder's name; the code with any separators.
        pace: of the voice.
    """
    return round(_seconds_until_code(text, values, pace))


def speech_seconds(
    text: str, values: Mapping[str, str], pace: Pace = Pace(), repetitions: int = 1
) -> int:
    """Estimate the seconds of conversation that speaking a text so often takes."""
    return round(repetitions * _seconds(text, values, pace))


def _seconds_until_code(text: str, values: Mapping[str, str], pace: Pace) -> float:
    for found in _PLACEHOLDER.finditer(text):
        if found["variable"] == CODE:
            return _seconds(text[: found.end()], values, pace)
    return _seconds(text, values, pace)


def _seconds(text: str, values: Mapping[str, str], pace: Pace) -> float:
    parts = list(split_pauses(text, pace.lead_s))
    silences = sum(silence_s for silence_s, _ in parts)
    return silences + sum(_seconds_of_words(words, values, pace) for _, words in parts)


def _seconds_of_words(text: str, values: Mapping[str, str], pace: Pace) -> float:
    codes = sum(1 for found in _PLACEHOLDER.finditer(text) if found["variable"] == CODE)
    digits = sum(character.isdigit() for character in values.get(CODE, ""))
    words = fill_text(text, {**values, CODE: ""})
    spoken_s = len(words) / _CHARACTERS_PER_SECOND + codes * digits / _DIGITS_PER_SECOND
    return spoken_s / pace.rate + codes * max(digits - 1, 0) * pace.digit_break_s
