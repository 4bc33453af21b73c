"""Flows: the provider's text-to-speech scripts, one for each language, and which of them speaks."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Final

from msgspec import Meta, Struct

DEFAULT_FLOW: Final = "default"
"""The key of the flow that speaks when no language fits."""

MAX_TAG: Final = 35
"""RFC 5646, section 4.4.1: no well-formed tag in use needs more."""

MAX_LANGUAGES: Final = 255
"""Characters of a request's ``locale``: browsers' lists are shorter."""

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
"""RFC 5646, section 2.1, in lower case; without the deprecated irregular tags (``i-klingon``)."""


_WEIGHT: Final = re.compile(r"[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
"""RFC 9110, section 12.4.2."""
_PLATFORM_SUFFIX: Final = re.compile(r"[_-]?[.@#][A-Za-z0-9._=;@#-]*", re.ASCII)
"""What operating systems and Java add: ``hi_IN.UTF-8``, ``hi_IN@calendar=…``, ``hi_IN_#Deva``."""
_ANY: Final = "*"


class Flow(Struct, frozen=True, forbid_unknown_fields=True):
    """One script in the provider's portal."""

    id: Annotated[str, Meta(min_length=1)]
    """The provider's name for it."""
    text: str = ""
    """What it speaks, as far as the operator told: tells how long speaking takes."""


def is_language_tag(text: str) -> bool:
    """Whether ``text`` is shaped like a BCP 47 tag (``hi``, ``zh-Hant-TW``), in any case."""
    return len(text) <= MAX_TAG and text.isascii() and bool(_LANGTAG.fullmatch(text.lower()))


def is_locale(text: str) -> bool:
    """Return whether :func:`parse_languages` reads ``text``."""
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
    return tuple(tag for tag, weight in ranked if weight and tag != _ANY)


def _parse_weighted(entry: str) -> tuple[str, float]:
    tag, separator, _ = entry.partition(";")
    weight = _WEIGHT.fullmatch(entry[len(tag.rstrip(" \t")) :]) if separator else None
    tag = _PLATFORM_SUFFIX.sub("", tag.strip(" \t")).replace("_", "-").lower()
    if (separator and not weight) or not (tag == _ANY or is_language_tag(tag)):
        raise ValueError("not a language tag")
    return tag, float(weight[1]) if weight else 1.0


def choose_flow(locale: str | None, flows: Mapping[str, Flow]) -> tuple[str, Flow]:
    """The flow that speaks ``locale`` best, and its key.

    RFC 4647, section 3.4 (lookup): ``zh-Hant-TW`` → ``zh-hant`` → ``zh``, in any case, for each
    language of the list in turn, then ``default``.

    Args:
        locale: see :func:`parse_languages`; none, a malformed one, or one that no flow speaks
            chooses ``default``.
        flows: lower-case language tags, and ``default``.
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
        if subtags and len(subtags[-1]) == 1:  # what a single letter introduced is gone
            subtags.pop()
    return None
