"""What reaches the voice: a name that is only a name, and a code that is read digit by digit."""

import re
import unicodedata
from enum import StrEnum
from typing import Final

MAX_NAME: Final = 40
"""Characters of a spoken name."""

_CHARACTERS_A_SECOND: Final = 15.0
_DIGITS_A_SECOND: Final = 2.5
_OTP: Final = re.compile(r"(\{+\s*otp\b[^}]*\}+)")
_NAME: Final = re.compile(r"\{+\s*Name\b[^}]*\}+")
_SPACES: Final = re.compile(r"\s+")


class CodeFormat(StrEnum):
    """How the code is written for the flow.

    Plain digits in a plain ``{otp}`` are read as one number, "one hundred twenty-three thousand",
    so that only flows which ask for digits themselves can take ``PLAIN``. Never dots: some voices
    read "1." as "first".
    """

    COMMA = "comma"
    SPACED = "spaced"
    PLAIN = "plain"


_SEPARATORS: Final = {CodeFormat.COMMA: ", ", CodeFormat.SPACED: " ", CodeFormat.PLAIN: ""}


def spell_code(code: str, code_format: CodeFormat) -> str:
    """``"0123"`` as the voice is to read it: ``"0, 1, 2, 3"``, ``"0 1 2 3"`` or as it is."""
    return _SEPARATORS[code_format].join(code)


def clean_name(name: str) -> str:
    """What of ``name`` may be spoken, at most 40 characters; empty when nothing is left.

    The name becomes input of the provider's template language and of a voice, and it is spoken
    beside the code. So it is an allow-list: letters and marks of any script, space, ``'``, ``-``
    and ``.``; no digit, brace or bracket (docs/provider.md, section 1).
    """
    composed = unicodedata.normalize("NFC", name.replace("’", "'"))
    kept = "".join(c for c in _SPACES.sub(" ", composed) if _is_speakable(c))
    cut = _SPACES.sub(" ", kept).strip()[:MAX_NAME].rstrip()
    return cut if any(c.isalpha() for c in cut) else ""


def seconds_until_heard(text: str, code: str, name: str) -> int:
    """Seconds of conversation in which a flow speaks the code once.

    Args:
        text: the flow's, with ``{Name}`` and ``{otp}``, or the newer ``{{otp}}`` with filters.
        code: as it is written for the flow.
        name: as it is spoken.

    An estimate of a voice at ordinary pace; digits that are read one by one take their time.
    """
    before, found, _ = _OTP.split(text, maxsplit=1) if _OTP.search(text) else (text, "", "")
    words = _NAME.sub(name, before)
    digits = sum(character.isdigit() for character in code) if found else 0
    return round(len(words) / _CHARACTERS_A_SECOND + digits / _DIGITS_A_SECOND)


def _is_speakable(character: str) -> bool:
    return character in " '-." or unicodedata.category(character)[0] in "LM"
