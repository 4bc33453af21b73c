"""Hints for requests to no address: the address that was probably meant.

Hints name routes only. They never repeat the request's path, which may hold an id or a secret.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from werkzeug.routing import Rule

_MAX_SEGMENT_LENGTH: Final = 32
"""Characters of a segment that are compared; the longest word of an address has half of them."""
_MAX_SEGMENTS: Final = 6
"""Segments: more than any address has, with a prefix."""
_MIN_SIMILARITY: Final = 0.6
"""Least likeness of a word to the one it stands for: a typo passes, another word does not."""
_PRIVATE_PREFIXES: Final = ("/console",)
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


class RouteIndex:
    """The addresses of an application, for those who asked for one that it does not have."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        routes = [each.rule for each in rules if not each.rule.startswith(_PRIVATE_PREFIXES)]
        self._routes = {route: _segments(route) for route in sorted(routes)}
        self._words = {
            word
            for segments in self._routes.values()
            for word in segments
            if not _is_parameter(word)
        }

    def suggest(self, path: str) -> str:
        """Return a sentence that names the nearest address to ``path``; empty if none is near.

        Slashes at the end or doubled, upper case, typos, and a missing or further first segment
        (``/verifications``, ``/api/v1/verifications``) are looked past.
        """
        segments = _segments(path.lower())[: _MAX_SEGMENTS + 1]
        if not segments or len(segments) > _MAX_SEGMENTS:
            return ""
        words = [self._nearest(segment) for segment in segments]
        fitting = [
            route
            for reading in (words, ["v1", *words], words[1:])
            for route, parts in self._routes.items()
            if _matches(reading, parts)
        ]
        if not fitting:
            return ""
        route = min(fitting, key=lambda each: each.count("<"))
        address = _PARAMETER.sub(r"{\1}", route)
        return f"Did you mean {address}?"

    def _nearest(self, segment: str) -> str:
        close = get_close_matches(
            segment[:_MAX_SEGMENT_LENGTH], self._words, n=1, cutoff=_MIN_SIMILARITY
        )
        return close[0] if close else ""


def _matches(words: list[str], parts: list[str]) -> bool:
    """Return whether each word is the route's, or stands for a parameter of it."""
    return len(words) == len(parts) > 0 and all(
        _is_parameter(part) or word == part for word, part in zip(words, parts, strict=True)
    )


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _is_parameter(part: str) -> bool:
    return part.startswith("<")
