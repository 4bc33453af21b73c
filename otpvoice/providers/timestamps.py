"""Parse timestamps in the formats that telephone companies use.

| format                                   | example                                  |
|------------------------------------------|------------------------------------------|
| year, month, day, joined by ``-./``      | ``2021-04-09 16:27:39``                  |
| day, month, year, joined by ``-./``      | ``09/04/2021 16:27:39``                  |
| a month by its English name              | ``09-Apr-2021``, ``Apr 09, 2021 16:27``  |
| ISO 8601                                 | ``2021-04-09T16:27:39.054+05:30``        |
| 12-hour clock                            | ``09/04/2021 04:27:39 PM``               |
| a zone at the end                        | ``… +0530``, ``… Z``, ``… UTC``, ``… IST`` |
| Unix time in seconds or milliseconds     | ``1617965859``, ``1617965859000``        |

A date of three numbers that does not begin with the year is day, month, year; never month, day. A
date without a time of day is not a timestamp.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from types import MappingProxyType
from typing import Any, Final

_UNIX: Final = re.compile(r"([0-9]{10})(?:([0-9]{3})|\.([0-9]{1,9}))?")
"""Seconds, milliseconds, or seconds with a fraction. Fewer than ten digits are not a call's time:
zeros mean "none".
"""
_MONTH_NAMES: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_MONTH: Final = rf"(?:{'|'.join(_MONTH_NAMES)})[A-Z]{{0,6}}"
_DATES: Final = (
    r"(?P<year>[0-9]{4})([-./])(?P<month>[0-9]{1,2})\2(?P<day>[0-9]{1,2})",
    r"(?P<day>[0-9]{1,2})([-./])(?P<month>[0-9]{1,2})\2(?P<year>[0-9]{4})",
    rf"(?P<day>[0-9]{{1,2}})[- /](?P<month>{_MONTH})\.?,?[- /](?P<year>[0-9]{{4}})",
    rf"(?P<month>{_MONTH})\.? (?P<day>[0-9]{{1,2}}),? (?P<year>[0-9]{{4}})",
)
_TIME: Final = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"(?: ?(?P<half>[AP])\.?M\.?)?"
    r"(?: ?(?P<zone>[A-Z]{1,5}|[+-][0-9]{2}:?[0-9]{2}))?"
)
_FORMATS: Final = tuple(re.compile(rf"{date}(?:T|,? ){_TIME}") for date in _DATES)
_INDIA: Final = timezone(timedelta(hours=5, minutes=30))
_UTC: Final = timezone(timedelta(0))
_ZONES: Final[Mapping[str, tzinfo]] = MappingProxyType(
    {"Z": _UTC, "UTC": _UTC, "GMT": _UTC, "IST": _INDIA}
)
"""``IST`` is India's time. A text with another abbreviation is not a timestamp."""


def parse_timestamp(text: str, zone: tzinfo) -> int | None:
    """Return the milliseconds since 1970; None if ``text`` has none of the formats.

    ``zone`` applies if the text has no zone. Zeros, as in ``0000-00-00 00:00:00`` and ``0``, are
    not a timestamp.
    """
    text = " ".join(text.upper().split())
    if unix := _UNIX.fullmatch(text):
        milliseconds = unix[2] or (unix[3] or "").ljust(3, "0")[:3]
        return int(unix[1] + milliseconds) or None
    matches = (pattern.fullmatch(text) for pattern in _FORMATS)
    match = next(filter(None, matches), None)
    if match is None:
        return None
    try:
        return round(_to_datetime(match.groupdict(), zone).timestamp() * 1000)
    except (KeyError, ValueError, OverflowError):
        return None


def _to_datetime(parts: Mapping[str, Any], zone: tzinfo) -> datetime:
    """Return the moment; raise ValueError or KeyError for an invalid day, time or zone."""
    month, hour = parts["month"], int(parts["hour"])
    if parts["half"] and hour <= 12:  # an hour above 12 is on the 24-hour clock anyway
        hour = hour % 12 + (12 if parts["half"] == "P" else 0)
    if named := parts["zone"]:
        offset = None if named.isalpha() else datetime.strptime(named, "%z").tzinfo
        zone = offset or _ZONES[named]
    return datetime(
        int(parts["year"]),
        int(month) if month.isdigit() else _MONTH_NAMES.index(month[:3]) + 1,
        int(parts["day"]),
        hour,
        int(parts["minute"]),
        int(parts["second"] or 0),
        int((parts["fraction"] or "").ljust(6, "0")[:6]),
        tzinfo=zone,
    )
