"""Mobtexting: what a callback says, read leniently (docs/provider.md, section 3).

The vendor sends JSON, the operator may compose a form or a query string instead, and the vendor's
own samples disagree on integers and strings. So all members are read as text first, and a member
that makes no sense is taken as not told: a callback's use is to say how the call ended.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl

from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.providers.base import Callback, CallReport, UnreadableCallbackError

_RAW_LENGTH: Final = 40

_STATUS: Final[Mapping[str, CallStatus]] = MappingProxyType(
    {
        "ANSWER": CallStatus.ANSWERED,
        "COMPLETED": CallStatus.ANSWERED,
        "RECEIVED": CallStatus.ANSWERED,
        "MISSED": CallStatus.UNKNOWN,
        "BUSY": CallStatus.BUSY,
        "NOANSWER": CallStatus.NO_ANSWER,
        "CANCEL": CallStatus.NO_ANSWER,
        "CONGESTION": CallStatus.FAILED,
        "CHANUNAVAIL": CallStatus.FAILED,
    }
)
"""The vendor's words; any other is unknown, never "not answered"."""
_REASON: Final[Mapping[str, CallReason]] = MappingProxyType(
    {
        "CANCEL": CallReason.HUNG_UP_BEFORE_ANSWER,
    }
)
_ROUTE: Final[Mapping[str, Route]] = MappingProxyType({"OBD": Route.OBD, "C2C": Route.C2C})

_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
_BRIDGE: Final = re.compile(r"\+?([0-9]{3,15})")
_DIGITS: Final = re.compile(r"\d(?:[\W_]{0,4}\d){3,}")
"""Four or more, with a little between them at most, as a voice would be told to spell them."""
_SECONDS: Final = re.compile(r"([0-9]{1,5})(?:\.[0-9]*)?")
_CALL_ID: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?::[0-9]+)?")
"""A longer or stranger one is none, an unfilled ``{{id}}`` among them."""
_STRING_OR_TRAILING_COMMA: Final = re.compile(
    r'("[^"\\]*(?:\\.[^"\\]*)*"?)|,(?=\s*[}\]])', re.DOTALL
)


def read_fields(callback: Callback) -> dict[str, Any]:
    """Give the members of body and query string, numbers as text; the body wins.

    The body is judged by its look, not by its Content-Type, which the operator may compose.

    Raises:
        UnreadableCallbackError: neither a JSON object nor a form, or nothing at all.
    """
    try:
        fields = {**callback.query, **_read_body(callback.body)}
    except ValueError as error:
        # Not chained: the cause holds the whole body.
        raise UnreadableCallbackError(f"the body can not be read: {type(error).__name__}") from None
    if not fields:
        raise UnreadableCallbackError("there is no member in it")
    return fields


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object as this vendor writes it: perhaps with trailing commas.

    Numbers come out as text, so that 1 and "1" are one, and no number is too large. Of a repeated
    member the last counts.

    Raises:
        ValueError: no JSON, no object, no UTF-8, or nested too deeply.
    """
    text = body.decode("utf-8-sig")
    try:
        value = _loads(text)
    except json.JSONDecodeError:
        value = _loads(_STRING_OR_TRAILING_COMMA.sub(r"\1", text))
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - to the caller one kind of bad text
    return value


def call_id(told: object) -> str | None:
    """Give a call's id without the ``:1`` that older ones end in; None if it can not be one."""
    found = _CALL_ID.fullmatch(told.strip()) if isinstance(told, str) else None
    return found[1] if found else None


def report(fields: Mapping[str, Any], zone: tzinfo) -> CallReport:
    """Put a callback's members into our words; times without a zone are in ``zone``."""
    word = _telling_word(fields)
    route = _ROUTE.get(_text(fields, "source").upper())
    bridge = _found(_BRIDGE, fields, "bridge")
    ids = (call_id(fields.get(name)) for name in ("id", "mid", "callId"))
    return CallReport(
        ids=tuple(dict.fromkeys(filter(None, ids))),
        route=route,
        bridge=bridge,
        number=_number(fields, route, bridge),
        status=status_of(word),
        reason=_REASON.get(word.upper()),
        raw=_raw(word),
        started_at=moment(_text(fields, "start_at"), zone),
        duration=_duration(fields, route),
    )


def _raw(word: str) -> str | None:
    """Keep the word for operators; whatever has digits enough may be a number or a code."""
    printable = "".join(filter(str.isprintable, _DIGITS.sub("…", word)))
    return printable[:_RAW_LENGTH] or None


def _telling_word(fields: Mapping[str, Any]) -> str:
    """Choose between the status of the person's leg (C2C only) and that of the whole call.

    Either may prove that the person picked up: whoever was connected to the flow did, and a flow
    that then failed undoes nothing. Otherwise the person's leg tells more.
    """
    return max(_text(fields, "status1"), _text(fields, "status"), key=_clarity)


def _clarity(word: str) -> int:
    status = status_of(word)
    if status is CallStatus.UNKNOWN:
        return 1 if word else 0
    return 3 if status is CallStatus.ANSWERED else 2


def status_of(word: str) -> CallStatus:
    """Our word for the vendor's."""
    return _STATUS.get(word.upper(), CallStatus.UNKNOWN)


def _number(fields: Mapping[str, Any], route: Route | None, bridge: str | None) -> str | None:
    """Find the person: ``to`` in OBD, ``from`` in C2C; if untold, the one beside the bridge."""
    names = {Route.OBD: ("to",), Route.C2C: ("from",), None: ("to", "from")}[route]
    found = {_found(_NUMBER, fields, name) for name in names} - {None, bridge}
    return f"+{found.pop()}" if len(found) == 1 else None


def _duration(fields: Mapping[str, Any], route: Route | None) -> int | None:
    """Give the seconds of conversation; in C2C both legs count theirs, and both have to talk."""
    names = ("duration", "billing") if route is Route.C2C else ("duration",)
    told = [int(text) for name in names if (text := _found(_SECONDS, fields, name))]
    return min(told, default=None)


def moment(text: str, zone: tzinfo) -> int | None:
    """Give a time in milliseconds since 1970; without a zone of its own it is in ``zone``."""
    try:
        told = datetime.fromisoformat(text)
        return round((told if told.tzinfo else told.replace(tzinfo=zone)).timestamp() * 1000)
    except ValueError:
        return None


def _read_body(body: bytes) -> dict[str, Any]:
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        return {}
    if start in b"{[":
        return read_object(body)
    if b"=" not in body:
        raise ValueError("neither JSON nor a form")
    return dict(parse_qsl(body.decode(), max_num_fields=100))


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _found(pattern: re.Pattern[str], fields: Mapping[str, Any], name: str) -> str | None:
    found = pattern.fullmatch(_text(fields, name))
    return found[1] if found else None


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else ""
