"""Hints for requests to no address: the address that was probably meant.

Hints name routes only. They never repeat the request's path, which may hold an id or a secret.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Final

from werkzeug.routing import Rule

_LONGEST: Final = 64
"""Characters of a path's segment that are compared."""
_MOST: Final = 6
"""Segments: more than any address has, with a prefix."""
_ALIKE: Final = 0.6
"""Least likeness of each segment: one typo in a word passes, another word does not."""
_PRIVATE: Final = ("/console",)
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


def did_you_mean(path: str, rules: Iterable[Rule]) -> str:
    """Return a sentence that names the nearest address to ``path``; empty if none is near.

    Slashes at the end or doubled, upper case, typos, and a missing or further first segment
    (``/verifications``, ``/api/v1/verifications``) are looked past.
    """
    readings = [*_readings(path)]
    best, address = 0.0, ""
    for rule in rules:
        if rule.rule.startswith(_PRIVATE):
            continue
        segments = _segments(rule.rule)
        likeness = max((_likeness(reading, segments) for reading in readings), default=0.0)
        if likeness > best:
            best, address = likeness, _PARAMETER.sub(r"{\1}", rule.rule)
    return f"Did you mean {address}?" if address else ""


def _readings(path: str) -> Iterator[list[str]]:
    segments = _segments(path.lower())
    if 0 < len(segments) <= _MOST:
        yield segments
        yield ["v1", *segments]
        yield segments[1:]


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _likeness(segments: list[str], rule: list[str]) -> float:
    """Return how alike they are on average, 0 to 1; 0 if one segment differs too much."""
    if not rule or len(segments) != len(rule):
        return 0.0
    shares = [_share(mine, theirs) for mine, theirs in zip(segments, rule, strict=True)]
    return sum(shares) / len(shares) if min(shares) >= _ALIKE else 0.0


def _share(segment: str, part: str) -> float:
    if part.startswith("<"):
        return _ALIKE
    return SequenceMatcher(None, segment[:_LONGEST], part).ratio()
