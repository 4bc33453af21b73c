"""What a call speaks: the code, the name, and the flow that speaks them in a language."""

import math
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Final

import pyotp
from msgspec import Meta, Struct

from otpvoice.core.texts import CODE, speaks

# Codes ------------------------------------------------------------------------------------------

CODE_PATTERN: Final = re.compile(r"[0-9]{4,10}", re.ASCII)
_SECRET_BYTES: Final = 20
"""160 bits (RFC 4226, section 4, R6)."""
_HOTP_DIGITS: Final = 6
"""RFC 4226 truncates to 31 bits. With six digits the bias of the remainder is below 0.05 %, with
eight it is 2 %, and of ten digits the first is never above 2.
"""


def generate_code(length: int) -> str:
    """Generate ``length`` digits (4 to 10): HOTP (RFC 4226) of a random 160-bit secret.

    Longer codes continue with the next counter, so all digits are equally likely.
    """
    hotp = Hotp(secrets.token_bytes(_SECRET_BYTES))
    return "".join(hotp.at(n) for n in range(math.ceil(length / _HOTP_DIGITS)))[:length]


class Hotp(pyotp.HOTP):
    """HOTP of secret bytes. The library's Base32 step takes longer than the HMAC."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        super().__init__("", digits=_HOTP_DIGITS)

    def byte_secret(self) -> bytes:
        """Return the secret that the library would decode from Base32."""
        return self._secret


class CodeFormat(StrEnum):
    """How the code is written for the flow.

    A plain ``{otp}`` speaks plain digits as one number, "one hundred twenty-three thousand", so
    ``PLAIN`` is only for flows that spell the digits themselves. Dots are never used, because some
    voices read "1." as "first".
    """

    COMMA = "comma"
    SPACED = "spaced"
    PLAIN = "plain"


_SEPARATORS: Final = {CodeFormat.COMMA: ", ", CodeFormat.SPACED: " ", CodeFormat.PLAIN: ""}


def format_code(code: str, code_format: CodeFormat) -> str:
    """Write ``0123`` as ``0, 1, 2, 3``, ``0 1 2 3`` or ``0123``."""
    return _SEPARATORS[code_format].join(code)


# Names ------------------------------------------------------------------------------------------

MAX_NAME: Final = 40
"""Characters of a spoken name."""
_MAX_MARKS_PER_LETTER: Final = 6
"""No script needs more, and without a bound marks could displace the letters."""
_SPACES: Final = re.compile(r"\s+")
_CHILLUS: Final = dict(zip("ണനരലളക", "ൺൻർൽൾൿ", strict=True))
_OLD_CHILLU: Final = re.compile("([ണനരലളക])\u0d4d\u200d")
"""Malayalam before Unicode 5.1: only the joiner distinguishes it from another sound."""
_UNSET_WORDS: Final = re.compile(
    r"(?<!\S)[-.']*(?:object (?:object|null|undefined)|null|undefined|none)[-.']*(?!\S)",
    re.IGNORECASE,
)
"""What programs write for a missing value, also as a part of a name: ``Asha null``."""
_UNFILLED_PLACEHOLDER: Final = re.compile(
    r"[$#%]?\{{1,3} ?[\w.]{0,30}name ?\}{1,3}|%\(\w{0,30}name\)s|(?<!\S)%[s@](?!\S)", re.IGNORECASE
)
"""``{{name}}``, ``${user.firstName}``, ``%s``."""
_UNSET_NAMES: Final = frozenset({"nan", "nil", "n.a", "n/a", "#n/a", "(n/a)"})
"""Missing values only as the whole name: ``Nan`` and ``Nil`` begin names, and ``Na`` is one."""


def clean_name(name: str, max_length: int | None = MAX_NAME) -> str:
    """Return what of ``name`` can be spoken, cut at its length; empty if nothing is left.

    The name reaches the provider's template language and a voice that also speaks the code, so only
    these characters are allowed: letters and marks of any script, space, ``'``, ``-`` and ``.``
    (docs/providers/mobtexting.md, section 1). A mark needs its letter. Joiners and direction marks
    are dropped, as are words for a missing value and unfilled placeholders.
    """
    filled = _UNFILLED_PLACEHOLDER.sub(" ", name)
    written = _OLD_CHILLU.sub(lambda old: _CHILLUS[old[1]], filled.replace("’", "'"))
    allowed = "".join(_speakable(_SPACES.sub(" ", written)))
    composed = unicodedata.normalize("NFC", allowed)
    cut = _SPACES.sub(" ", composed).strip()[:max_length].rstrip()
    spoken = _SPACES.sub(" ", _UNSET_WORDS.sub("", cut)).strip()
    is_unset = bool({_strip_punctuation(name), _strip_punctuation(spoken)} & _UNSET_NAMES)
    return spoken if any(c.isalpha() for c in spoken) and not is_unset else ""


def _strip_punctuation(name: str) -> str:
    return name.strip(" -.'\"").casefold()


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


# Flows ------------------------------------------------------------------------------------------

DEFAULT_FLOW: Final = "default"
"""The key of the flow that speaks when no language matches."""
MAX_LANGUAGES: Final = 255
"""Characters of a request's ``locale``."""
_MAX_TAG: Final = 35
"""RFC 5646, section 4.4.1."""
_ANY_LANGUAGE: Final = "*"
_LANGTAG: Final = re.compile(
    r"""
    (?: [a-z]{2,3} (?:-[a-z]{3}){0,3} | [a-z]{4,8} )     # language, extended languages
    (?: -[a-z]{4} )?                                     # script
    (?: -(?: [a-z]{2} | [0-9]{3} ) )?                    # region
    (?: -(?: [a-z0-9]{5,8} | [0-9][a-z0-9]{3} ) )*       # variants
    (?: -[a-wyz0-9] (?: -[a-z0-9]{2,8} )+ )*             # extensions
    (?: -x (?: -[a-z0-9]{1,8} )+ )?                      # private use
    | x (?: -[a-z0-9]{1,8} )+
    """,
    re.VERBOSE,
)
"""RFC 5646, section 2.1, in lower case, without the deprecated irregular tags (``i-klingon``)."""
_WEIGHT: Final = re.compile(r"[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
"""RFC 9110, section 12.4.2."""
_PLATFORM_SUFFIX: Final = re.compile(r"[_-]?[.@#][A-Za-z0-9._=;@#-]*", re.ASCII)
"""Suffixes of operating systems and Java: ``hi_IN.UTF-8``, ``hi_IN@calendar=…``."""


class Gate(StrEnum):
    """How the key of a gated call becomes known."""

    DOOR = "door"
    """The provider asks this service for what to speak after the key."""
    QUERY = "query"
    """The provider's own flow asks for the key, and a status query after the call returns it."""


DENIAL_KEY: Final = "9"
"""The key that says: I did not ask for this code."""


class Flow(Struct, frozen=True, forbid_unknown_fields=True):
    """A flow in the provider's portal, or a text that this service speaks itself.

    A gated flow speaks the code only to a person who pressed a key. The prompt that asks for it is
    part of the portal's flow, or ``prompt`` of a text.
    """

    id: Annotated[str, Meta(min_length=1)]
    """The provider's id; empty of a text."""
    text: str = ""
    """What it speaks, for the estimates of durations; empty if the operator did not set it."""
    gate: bool = False
    """The code is spoken only after a key."""
    prompt: str = ""
    """Asks for the key, with ``{Name}`` and without ``{otp}``. Of a flow in the portal it is for
    previews and the sandbox."""

    def __post_init__(self) -> None:
        """Reject a prompt without a gate, and one that speaks the code in front of it."""
        if self.prompt and not self.gate:
            raise ValueError("prompt has no use without gate = true")
        if speaks(self.prompt, CODE):
            raise ValueError("prompt speaks {otp}, which belongs behind the gate")

    @property
    def gate_kind(self) -> Gate | None:
        """How a call's key becomes known; None if the flow asks for none."""
        if not self.gate:
            return None
        return Gate.QUERY if self.id else Gate.DOOR


def is_language_tag(text: str) -> bool:
    """Return whether ``text`` is a BCP 47 tag (``hi``, ``zh-Hant-TW``), in any case."""
    return len(text) <= _MAX_TAG and text.isascii() and bool(_LANGTAG.fullmatch(text.lower()))


def is_locale(text: str) -> bool:
    """Return whether :func:`parse_languages` accepts ``text``."""
    try:
        parse_languages(text)
    except ValueError:
        return False
    return True


def parse_languages(text: str) -> tuple[str, ...]:
    """Return the language tags of a request's ``locale`` in lower case, the preferred first.

    Args:
        text: a language tag, also with underscores as in ``hi_IN``, or a list with weights as in
            ``Accept-Language`` (RFC 9110, section 12.5.4). ``*`` names no language, and a weight
            of 0 excludes one.

    Raises:
        ValueError: a part of it is malformed, or the whole is too long.
    """
    entries = [entry for part in text.split(",") if (entry := part.strip(" \t"))]
    if not entries or len(text) > MAX_LANGUAGES:
        raise ValueError("no language tag, or too many")
    weighted = [_parse_weighted(entry) for entry in entries]
    ranked = sorted(weighted, key=lambda each: -each[1])  # stable: equal weights keep their order
    return tuple(tag for tag, weight in ranked if weight and tag != _ANY_LANGUAGE)


def _parse_weighted(entry: str) -> tuple[str, float]:
    tag, separator, _ = entry.partition(";")
    weight = _WEIGHT.fullmatch(entry[len(tag.rstrip(" \t")) :]) if separator else None
    tag = _PLATFORM_SUFFIX.sub("", tag.strip(" \t")).replace("_", "-").lower()
    if (separator and not weight) or not (tag == _ANY_LANGUAGE or is_language_tag(tag)):
        raise ValueError("not a language tag")
    return tag, float(weight[1]) if weight else 1.0


def choose_flow(locale: str | None, flows: Mapping[str, Flow]) -> tuple[str, Flow]:
    """Return key and flow for ``locale``.

    Each language of the list is looked up in turn (RFC 4647, section 3.4): ``zh-Hant-TW``, then
    ``zh-hant``, then ``zh``. ``default`` speaks if none matches, or ``locale`` is malformed.

    Args:
        locale: see :func:`parse_languages`.
        flows: by language tag in lower case, and ``default``.
    """
    with suppress(ValueError):
        for language in parse_languages(locale or ""):
            key = _lookup(language, flows)
            if key is not None:
                return key, flows[key]
    return DEFAULT_FLOW, flows[DEFAULT_FLOW]


def _lookup(language: str, flows: Mapping[str, Flow]) -> str | None:
    subtags = language.split("-")
    while subtags:
        key = "-".join(subtags)
        if key in flows:
            return key
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:  # a single letter without what it introduces
            subtags.pop()
    return None
