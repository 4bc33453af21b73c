"""Codes that a person types for the API, which takes ASCII digits only."""

import unicodedata
from collections.abc import Iterator
from typing import Final

_SEPARATORS: Final = ("Z", "P", "Cf")
"""Categories of Unicode that stand between digits: spaces, punctuation, direction marks."""
_MINUS: Final = "\u2212"


def normalize_code(text: str) -> str:
    """Return the digits of any script as ASCII digits, without what stands between them.

    Letters and other signs stay, so that the API refuses the text without counting a try.
    """
    return "".join(_digits(text))


def _digits(text: str) -> Iterator[str]:
    for character in unicodedata.normalize("NFKC", text):
        if character != _MINUS and not unicodedata.category(character).startswith(_SEPARATORS):
            value = unicodedata.decimal(character, None)
            yield character if value is None else str(value)
