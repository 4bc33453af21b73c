"""Flows: the provider's text-to-speech scripts, one for each language, and which of them speaks."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

DEFAULT: Final = "default"
"""The key of the flow that speaks when no language fits."""

MAX_TAG: Final = 35
"""RFC 5646, section 4.4.1: no well-formed tag in use needs more."""

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


class Flow(Struct, frozen=True, forbid_unknown_fields=True):
    """One script in the provider's portal."""

    id: Annotated[str, Meta(min_length=1)]
    """The provider's name for it."""
    text: str = ""
    """What it speaks, as far as the operator told: tells how long speaking takes."""


def is_language_tag(text: str) -> bool:
    """Whether ``text`` is shaped like a BCP 47 tag (``hi``, ``zh-Hant-TW``), in any case."""
    return len(text) <= MAX_TAG and text.isascii() and bool(_LANGTAG.fullmatch(text.lower()))


def choose_flow(locale: str | None, flows: Mapping[str, Flow]) -> tuple[str, Flow]:
    """The flow that speaks ``locale`` best, and its key.

    RFC 4647, section 3.4 (lookup): ``zh-Hant-TW`` → ``zh-hant`` → ``zh`` → ``default``, in any
    case.

    Args:
        locale: a language tag; none, or one that no flow speaks, chooses ``default``.
        flows: lower-case language tags, and ``default``.
    """
    subtags = (locale or "").lower().split("-")
    while subtags:
        key = "-".join(subtags)
        if key in flows:
            return key, flows[key]
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:  # what a single letter introduced is gone
            subtags.pop()
    return DEFAULT, flows[DEFAULT]
