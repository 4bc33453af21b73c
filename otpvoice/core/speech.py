"""What reaches the voice: a name that is only a name, and a code that is read digit by digit."""

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

MAX_NAME: Final = 40
"""Characters of a spoken name."""

_CHARACTERS_PER_SECOND: Final = 15.0
_DIGITS_PER_SECOND: Final = 2.5
_OTP: Final = re.compile(r"(\{+\s*otp\b[^}]*\}+)")
_NAME: Final = re.compile(r"\{+\s*Name\b[^}]*\}+")
_SPACES: Final = re.compile(r"\s+")
_MAX_MARKS_PER_LETTER: Final = 6
"""More than a name needs in any script; a flood of them leaves no room for letters."""
_CHILLUS: Final = dict(zip("ണനരലളക", "ൺൻർൽൾൿ", strict=True))
_OLD_CHILLU: Final = re.compile("([ണനരലളക])\u0d4d\u200d")
"""Malayalam as it was written before Unicode 5.1: only the joiner tells it from another sound."""


_UNSET_WORDS: Final = re.compile(
    r"(?<!\S)[-.']*(?:object (?:object|null|undefined)|null|undefined|none)[-.']*(?!\S)",
    re.IGNORECASE,
)
"""What programs write for a value that is missing, also inside a joined name: ``Asha null``."""
_UNFILLED_PLACEHOLDER: Final = re.compile(
    r"[$#%]?\{{1,3} ?[\w.]{0,30}name ?\}{1,3}|%\(\w{0,30}name\)s|(?<!\S)%[s@](?!\S)", re.IGNORECASE
)
"""A place of a template that nobody filled: ``{{name}}``, ``${user.firstName}``, ``%s``."""
_UNSET_NAMES: Final = frozenset({"nan", "nil", "n.a", "n/a", "#n/a", "(n/a)"})
"""The same, where the word stands for the whole name. ``Nan`` and ``Nil`` begin real names, and
``Na`` is one."""


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


def format_code(code: str, code_format: CodeFormat) -> str:
    """``"0123"`` as the voice is to read it: ``"0, 1, 2, 3"``, ``"0 1 2 3"`` or as it is."""
    return _SEPARATORS[code_format].join(code)


def clean_name(name: str) -> str:
    """What of ``name`` may be spoken, at most 40 characters; empty when nothing is left.

    The name becomes input of the provider's template language and of a voice, and it is spoken
    beside the code. So it is an allow-list: letters and marks of any script, space, ``'``, ``-``
    and ``.``; no digit, brace or bracket (docs/provider.md, section 1). A mark needs its letter.
    Joiners and direction marks go without a trace: what is read are letters and marks. Words for a
    missing value, such as ``null`` and ``undefined``, and unfilled places of a template are not
    spoken either.
    """
    filled = _UNFILLED_PLACEHOLDER.sub(" ", name)
    written = _OLD_CHILLU.sub(lambda old: _CHILLUS[old[1]], filled.replace("’", "'"))
    kept = "".join(_speakable(_SPACES.sub(" ", written)))
    composed = unicodedata.normalize("NFC", kept)
    cut = _SPACES.sub(" ", composed).strip()[:MAX_NAME].rstrip()
    spoken = _SPACES.sub(" ", _UNSET_WORDS.sub("", cut)).strip()
    is_unset = bool({_strip_punctuation(name), _strip_punctuation(spoken)} & _UNSET_NAMES)
    return spoken if any(c.isalpha() for c in spoken) and not is_unset else ""


def _strip_punctuation(name: str) -> str:
    return name.strip(" -.'\"").casefold()


def seconds_until_code(text: str, code: str, name: str) -> int:
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
    return round(len(words) / _CHARACTERS_PER_SECOND + digits / _DIGITS_PER_SECOND)


def speech_seconds(text: str, code: str, name: str) -> int:
    """Seconds of conversation that a flow takes as a whole; for the arguments see the one above."""
    words = _NAME.sub(name, _OTP.sub("", text))
    digits = len(_OTP.findall(text)) * sum(character.isdigit() for character in code)
    return round(len(words) / _CHARACTERS_PER_SECOND + digits / _DIGITS_PER_SECOND)


def _speakable(text: str) -> Iterator[str]:
    marks_left = 0
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "L":
            marks_left = _MAX_MARKS_PER_LETTER
            yield character
        elif category[0] == "M" and marks_left:
            marks_left -= 1
            yield character
        elif category != "Cf":
            marks_left = 0
            if character in " '-.":
                yield character
