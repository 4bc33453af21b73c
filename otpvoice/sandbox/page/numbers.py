"""Phone numbers as people type them on the page."""

import re
import unicodedata
from typing import Final

_SEPARATORS: Final = ("Z", "P", "Cf")
"""Categories of Unicode that stand between digits: spaces, punctuation, direction marks."""
_NATIONAL: Final = re.compile(r"0?([6-9][0-9]{9})")
"""A mobile number of India, as it is written there."""


def normalize_number(typed: str) -> str:
    """Return the digits with calling code, without ``+``; what is no digit stays, to be refused.

    A number with ``+`` or ``00`` has its calling code, and so has any that is not national.
    """
    text = "".join(
        str(unicodedata.decimal(character, character))
        for character in unicodedata.normalize("NFKC", typed)
        if not unicodedata.category(character).startswith(_SEPARATORS)
    )
    if text.startswith("+"):
        return text.removeprefix("+")
    national = _NATIONAL.fullmatch(text)
    return f"91{national[1]}" if national else text.removeprefix("00")
