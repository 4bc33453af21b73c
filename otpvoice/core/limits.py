"""Limits as they are written: so many in so long a time, in a window that slides."""

import re
from dataclasses import dataclass
from typing import Final

_QUOTA: Final = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Quota:
    """So many within a window."""

    name: str
    """As it was written: ``3/10m``."""
    count: int
    window: int
    """Milliseconds."""


def parse_quota(text: str) -> Quota:
    """``"3/10m"``: three within ten minutes; units are s, m, h and d.

    Raises:
        ValueError: not written so.
    """
    found = _QUOTA.fullmatch(text)
    if not found:
        raise ValueError('must be "count/window" like "3/10m", units s, m, h or d')
    count, length, unit = found.groups()
    return Quota(text, int(count), int(length) * _UNITS[unit])
