"""What the XML documents of calls have in common: their text, and how they ask for a key."""

import re
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from otpvoice.core.texts import CODE, Pace, fill_text, speech_seconds, split_pauses
from otpvoice.providers.base import Speech

PROMPTS: Final = 2
"""A person who lifts and listens late hears a whole prompt."""
KEY_TIMEOUT_S: Final = 8
"""Seconds after a prompt in which a key counts."""
_DIGITS: Final = "0123456789"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain (section 2.2)."""


def xml_parts(
    text: str, speech: Speech, between_digits: str, lead_s: int
) -> Iterator[tuple[int, str]]:
    """Yield each part of a filled text as XML, with the seconds of silence before it.

    Nothing in the text, the name or another value is markup.

    Args:
        text: the speech's text or its prompt.
        speech: fills it in.
        between_digits: XML between two digits of the code.
        lead_s: silence before the text.
    """
    values = {name: _escape(value) for name, value in speech.values.items()}
    digits = [character for character in speech.code if character in _DIGITS]
    values[CODE] = between_digits.join(digits)
    for silence_s, part in split_pauses(text, lead_s):
        yield silence_s, fill_text(_escape(part), values)


def prompt_seconds(speech: Speech, pace: Pace) -> int:
    """Return the seconds of all prompts and waits for a key; 0 without a gate."""
    if not speech.prompt:
        return 0
    spoken_s = speech_seconds(speech.prompt, speech.values, pace, PROMPTS)
    return spoken_s + PROMPTS * KEY_TIMEOUT_S


def _escape(text: str) -> str:
    return escape(_NOT_XML.sub("", text))
