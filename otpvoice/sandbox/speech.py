"""How a voice says a text: its words, when each of them begins, and in which language."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from otpvoice.sandbox.flows import CHARACTERS_PER_SECOND

_WORD: Final = re.compile(r"\S+")
_DIGIT_SECONDS: Final = 0.45
"""Seconds that a digit takes which stands alone."""
_LANGUAGES: Final = {
    "BENGALI": "bn",
    "DEVANAGARI": "hi",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "TAMIL": "ta",
    "TELUGU": "te",
}


@dataclass(frozen=True, slots=True)
class Word:
    """What stands between blanks."""

    text: str
    position: int
    """Characters from the beginning of the whole text."""
    start_seconds: float
    """Seconds from the beginning of the speech, at an ordinary pace."""
    is_digit: bool
    """Whether it is a single digit: a voice says it as one."""


def split_words(text: str) -> tuple[Word, ...]:
    """The words in order."""
    words, begins = [], 0.0
    for found in _WORD.finditer(text):
        spoken = "".join(filter(str.isalnum, found[0]))
        is_digit = len(spoken) == 1 and spoken.isdigit()
        words.append(Word(found[0], found.start(), round(begins, 2), is_digit))
        begins += _DIGIT_SECONDS if is_digit else (len(found[0]) + 1) / CHARACTERS_PER_SECOND
    return tuple(words)


def detect_language(text: str) -> str:
    """The language that a voice should have, by the text's first letter; of many scripts, one.

    Devanagari is taken for Hindi.
    """
    first = next(filter(str.isalpha, text), "a")
    return _LANGUAGES.get(unicodedata.name(first, "LATIN").split()[0], "en")
