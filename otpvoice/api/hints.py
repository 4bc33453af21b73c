"""Hints for requests to no address: the address that was probably meant.

Hints name routes only. They never repeat the request's path, which may hold an id or a secret.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from werkzeug.routing import Rule

_LONGEST: Final = 32
"""Characters of a segment that are compared; the longest word of an address has half of them."""
_MOST: Final = 6
"""Segments: more than any address has, with a prefix."""
_ALIKE: Final = 0.6
"""Least likeness of a word to the one it stands for: a typo passes, another word does not."""
_PRIVATE: Final = ("/console",)
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


class Addresses:
    """The addresses of an application, for those who asked for one that it does not have."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        routes = [each.rule for each in rules if not each.rule.startswith(_PRIVATE)]
        self._routes = {route: _segments(route) for route in sorted(routes)}
        self._words = {
            word for segments in self._routes.values() for word in segments if not _is_free(word)
        }

    def did_you_mean(self, path: str) -> str:
        """Return a sentence that names the nearest address to ``path``; empty if none is near.

        Slashes at the end or doubled, upper case, typos, and a missing or further first segment
        (``/verifications``, ``/api/v1/verifications``) are looked past.
        """
        segments = _segments(path.lower())[: _MOST + 1]
        if not segments or len(segments) > _MOST:
            return ""
        words = [self._nearest(segment) for segment in segments]
        fitting = [
            route
            for reading in (words, ["v1", *words], words[1:])
            for route, parts in self._routes.items()
            if _fits(reading, parts)
        ]
        if not fitting:
            return ""
        route = min(fitting, key=lambda each: each.count("<"))
        address = _PARAMETER.sub(r"{\1}", route)
        return f"Did you mean {address}?"

    def _nearest(self, segment: str) -> str:
        close = get_close_matches(segment[:_LONGEST], self._words, n=1, cutoff=_ALIKE)
        return close[0] if close else ""


def _fits(words: list[str], parts: list[str]) -> bool:
    """Return whether each word is the route's, or stands for a parameter of it."""
    return len(words) == len(parts) > 0 and all(
        _is_free(part) or word == part for word, part in zip(words, parts, strict=True)
    )


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _is_free(part: str) -> bool:
    return part.startswith("<")
