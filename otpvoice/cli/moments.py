"""Moments as people read them, and as machines do. Milliseconds since 1970 in, text out."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((1_000, "s", 120), (60_000, "min", 120), (3_600_000, "h", 48))
"""Milliseconds of a unit, its name, and how many of it are better told in the next one."""
_DAY: Final = 86_400_000


def format_clock(time_ms: int, now_ms: int) -> str:
    """``14:32:05``, in the time zone of this machine; with the day if it is not today's."""
    there, here = _local(time_ms), _local(now_ms)
    return there.strftime("%H:%M:%S" if there.date() == here.date() else "%Y-%m-%d %H:%M")


def format_time(time_ms: int, now_ms: int) -> str:
    """``14:32:05 (in 4 min)``."""
    distance = _format_distance(abs(time_ms - now_ms))
    how_far = f"in {distance}" if time_ms > now_ms else f"{distance} ago"
    return f"{format_clock(time_ms, now_ms)} ({how_far})"


def format_utc(time_ms: int | None) -> str | None:
    """``2026-01-01T00:00:00Z``, as in the answers of the API."""
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _local(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone()


def _format_distance(distance_ms: int) -> str:
    """Rounded up: who comes back when we said must not be early."""
    for unit, name, too_many in _UNITS:
        count = -(-distance_ms // unit)
        if count < too_many:
            return f"{count} {name}"
    return f"{-(-distance_ms // _DAY)} days"
