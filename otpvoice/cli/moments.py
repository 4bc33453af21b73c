"""Moments as people read them, and as machines do. Milliseconds since 1970 in, text out."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((1_000, "s", 120), (60_000, "min", 120), (3_600_000, "h", 48))
"""Milliseconds of a unit, its name, and how many of it are better told in the next one."""
_DAY: Final = 86_400_000


def clock(moment: int, now: int) -> str:
    """``14:32:05``, in the time zone of this machine; with the day if it is not today's."""
    there, here = _local(moment), _local(now)
    return there.strftime("%H:%M:%S" if there.date() == here.date() else "%Y-%m-%d %H:%M")


def when(moment: int, now: int) -> str:
    """``14:32:05 (in 4 min)``."""
    distance = _length(abs(moment - now))
    how_far = f"in {distance}" if moment > now else f"{distance} ago"
    return f"{clock(moment, now)} ({how_far})"


def iso(moment: int | None) -> str | None:
    """``2026-01-01T00:00:00Z``, as in the answers of the API."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _local(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC).astimezone()


def _length(milliseconds: int) -> str:
    """Rounded up: who comes back when we said must not be early."""
    for unit, name, too_many in _UNITS:
        count = -(-milliseconds // unit)
        if count < too_many:
            return f"{count} {name}"
    return f"{-(-milliseconds // _DAY)} days"
