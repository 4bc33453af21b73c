"""Mobtexting: what a callback says, read leniently (docs/provider.md, section 3).

The vendor sends JSON, the operator may compose a form or a query string instead, and the vendor's
own samples disagree on integers and strings. So all members are read as text first, and a member
that makes no sense is taken as not told: a callback's use is to say how the call ended.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, Final

from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import parse_written_number
from otpvoice.core.verification import CallStatus, Route
from otpvoice.providers.base import CallReport
from otpvoice.providers.status_words import StatusWords
from otpvoice.providers.timestamps import parse_timestamp

_MAX_RAW_LENGTH: Final = 40

_ROUTE_OF_SOURCE: Final[Mapping[str, Route]] = MappingProxyType(
    {"OBD": Route.OBD, "C2C": Route.C2C}
)

_END_TIMES: Final = ("end_at", "date", "unixtime")
_NOT_PICKED_UP: Final = frozenset({CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED})
_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
_BRIDGE: Final = re.compile(r"\+?([0-9]{3,15})")
_DIGITS: Final = re.compile(r"\d(?:[\W_]{0,4}\d){3,}")
"""Four or more, with a little between them at most, as a voice would be told to spell them."""
_SECONDS: Final = re.compile(r"([0-9]{1,5})(?:\.[0-9]*)?")
_CALL_ID: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?::[0-9]+)?")
"""A longer or stranger one is none, an unfilled ``{{id}}`` among them."""


def parse_call_id(value: object) -> str | None:
    """Give a call's id without the ``:1`` that older ones end in; None if it can not be one."""
    match = _CALL_ID.fullmatch(value.strip()) if isinstance(value, str) else None
    return match[1] if match else None


@dataclass(frozen=True, slots=True)
class CallbackFormat:
    """What the settings say of the vendor's way of writing."""

    timezone: tzinfo
    """Of times that name none."""
    status_words: StatusWords = field(default_factory=StatusWords)
    region: str | None = None
    """Of numbers without calling code (ISO 3166 alpha-2); None if there could be several."""


def parse_report(fields: Mapping[str, Any], form: CallbackFormat) -> CallReport:
    """Put a callback's members into our words."""
    word = _most_specific_status(fields, form.status_words)
    meaning = form.status_words.meaning_of(word)
    status = meaning.status if meaning else CallStatus.UNKNOWN
    route = _ROUTE_OF_SOURCE.get(_text(fields, "source").upper())
    bridge = _match(_BRIDGE, fields, "bridge")
    ids = (parse_call_id(fields.get(name)) for name in ("id", "mid", "callId"))
    return CallReport(
        ids=tuple(dict.fromkeys(filter(None, ids))),
        route=route,
        bridge=bridge,
        number=_parse_recipient(fields, route, bridge, form.region),
        status=status,
        reason=meaning.reason if meaning else None,
        raw=_safe_raw_status(word),
        started_at_ms=_parse_start(fields, status, form.timezone),
        duration_s=_parse_duration(fields, route),
        is_known_status=meaning is not None or not word,
    )


def _safe_raw_status(word: str) -> str | None:
    """Keep the word for operators; whatever has digits enough may be a number or a code."""
    printable = "".join(filter(str.isprintable, _DIGITS.sub("…", word)))
    return printable[:_MAX_RAW_LENGTH] or None


def _most_specific_status(fields: Mapping[str, Any], words: StatusWords) -> str:
    """Choose between the status of the person's leg (C2C only) and that of the whole call.

    Either may prove that the person picked up: whoever was connected to the flow did, and a flow
    that then failed undoes nothing. Otherwise the person's leg tells more.
    """

    def rank(word: str) -> int:
        status = words.status_of(word)
        if status is CallStatus.UNKNOWN:
            return 1 if word else 0
        return 3 if status is CallStatus.ANSWERED else 2

    return max(_text(fields, "status1"), _text(fields, "status"), key=rank)


def _parse_recipient(
    fields: Mapping[str, Any], route: Route | None, bridge: str | None, region: str | None
) -> str | None:
    """Find the person: ``to`` in OBD, ``from`` in C2C; if untold, the one beside the bridge."""
    names = {Route.OBD: ("to",), Route.C2C: ("from",), None: ("to", "from")}[route]
    numbers = {_to_e164(_text(fields, name), region) for name in names}
    numbers -= {None, _to_e164(bridge or "", region)}
    return numbers.pop() if len(numbers) == 1 else None


def _to_e164(text: str, region: str | None) -> str | None:
    """Read a number with or without ``+``, calling code, spaces and leading zeros.

    Digits that are no number of any country are taken to begin with a calling code.
    """
    try:
        return parse_written_number(text, region).e164
    except InvalidNumber:
        digits = _NUMBER.fullmatch(text)
        return f"+{digits[1]}" if digits else None


def _parse_duration(fields: Mapping[str, Any], route: Route | None) -> int | None:
    """Give the seconds of conversation; in C2C both legs count theirs, and both have to talk."""
    names = ("duration", "billing") if route is Route.C2C else ("duration",)
    durations = [int(text) for name in names if (text := _match(_SECONDS, fields, name))]
    return min(durations, default=None)


def _parse_start(fields: Mapping[str, Any], status: CallStatus, zone: tzinfo) -> int | None:
    """Return the start of the call; for one that nobody picked up, if there is none, its end."""
    names = ("start_at", *(_END_TIMES if status in _NOT_PICKED_UP else ()))
    times = (parse_timestamp(_text(fields, name), zone) for name in names)
    return next((time for time in times if time is not None), None)


def _match(pattern: re.Pattern[str], fields: Mapping[str, Any], name: str) -> str | None:
    match = pattern.fullmatch(_text(fields, name))
    return match[1] if match else None


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else ""
