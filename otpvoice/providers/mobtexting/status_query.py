"""Mobtexting: finding out how a call ended, when no callback told it (docs/provider.md, section 2).

Each entry of an answer is put into a callback's members, so that one reader knows the vendor's
words. A call whose id we know is found by it and by nothing else. Without an id it must be the only
one that fits; a guess might report another call's end, or call an unheard code heard.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, Final
from urllib.parse import urlencode

import structlog

from otpvoice.core.verification import CallStatus, Route
from otpvoice.http_client.client import HttpResponse, RequestFailed
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.callback_body import decode_object
from otpvoice.providers.mobtexting.callback import CallbackFormat, parse_call_id, parse_report
from otpvoice.providers.timestamps import parse_timestamp

_LOG = structlog.get_logger(__name__)

Get = Callable[[str], HttpResponse | RequestFailed]
"""Asks for a path below the base address, query string included."""
_Entry = dict[str, Any]
_Page = list[_Entry] | None
"""None: not answered, or not readably."""

_PAGE_SIZE: Final = 15
_MAX_PAGES: Final = 20
"""The newest entries seem to come first, so that asking stops at entries from before the call; a
busier log than this hides it.
"""
_MAX_CLOCK_LAG_MS: Final = 120_000
"""Milliseconds by which the vendor's clock may be behind."""
_MAX_START_DELAY_MS: Final = 300_000
"""Milliseconds between our request and its call, the error of the vendor's clock included."""
_MAX_CALL_MS: Final = 3_600_000
"""Milliseconds; no call of ours lasts longer."""
_OTHER_SERVICES: Final = frozenset({"IN", "OBD"})
"""In the log of calls: the person rang the bridge, or outbound dialling."""
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])")


def fetch_report(query: CallQuery, get: Get, form: CallbackFormat) -> CallReport | None:
    """Ask until the call is found; None unless it surely is this one and surely has ended."""
    pages = (
        _query_obd(query, get)
        if query.route is Route.OBD
        else _query_c2c(query, get, form.timezone)
    )
    if known := parse_call_id(query.provider_id):
        found = _find_by_id(known, pages, query.route, form)
    else:
        found = _find_by_details(query, pages, form)
    if found is None or found.status is CallStatus.UNKNOWN:
        if found and not found.is_known_status:
            _LOG.warning("call.unknown_status_word", call=query.call_id, provider_status=found.raw)
        return None
    ids = (query.call_id, *found.ids)
    return replace(found, ids=ids, route=query.route, bridge=query.bridge, number=query.number)


def _query_obd(query: CallQuery, get: Get) -> Iterator[_Page]:
    """Ask by id, then by number: the vendor may know its id only with the tail that we cut off."""
    if query.provider_id:
        yield _parse_page(get(f"outgoing/callstatus?{urlencode({'id': query.provider_id})}"))
    mobile = query.number.removeprefix("+")
    yield _parse_page(get(f"outgoing/callstatus?{urlencode({'mobile': mobile})}"))


def _query_c2c(query: CallQuery, get: Get, zone: tzinfo) -> Iterator[_Page]:
    """Ask for the log of the days on which the call can have ended, page by page."""
    moments = (query.sent_at_ms - _MAX_CLOCK_LAG_MS, query.sent_at_ms + _MAX_CALL_MS)
    first, last = (datetime.fromtimestamp(ms / 1000, zone) for ms in moments)
    days = f"{first:%b %d, %Y} - {last:%b %d, %Y}"
    for number in range(1, _MAX_PAGES + 1):
        parameters = urlencode({"datetime[end_at]": days, "page": number})
        page = _parse_page(get(f"voice/calls?{parameters}"))
        yield page
        if page is None or len(page) < _PAGE_SIZE or _precedes_call(page, query, zone):
            return


def _precedes_call(page: list[_Entry], query: CallQuery, zone: tzinfo) -> bool:
    """Tell a page of calls that all began well before ours, so that it can be on none after it."""
    starts = [parse_timestamp(str(entry.get("start_at")), zone) for entry in page]
    return all(
        start is not None and start < query.sent_at_ms - _MAX_START_DELAY_MS for start in starts
    )


def _parse_page(response: HttpResponse | RequestFailed) -> _Page:
    """Read the entries of an answer; of ``data`` both documented shapes, a list and a page."""
    if isinstance(response, RequestFailed) or response.status != 200:
        return None
    try:
        members = decode_object(response.body)
    except ValueError:
        return None
    match members:
        case {"status": "200" | "OK", "data": {"data": [*entries]} | [*entries]}:
            return entries if all(isinstance(entry, dict) for entry in entries) else None
    return None


def _find_by_id(
    provider_id: str, pages: Iterable[_Page], route: Route, form: CallbackFormat
) -> CallReport | None:
    for page in pages:
        reports = [_to_report(entry, route, form) for entry in page or ()]
        if matches := [call for call in reports if provider_id in call.ids]:
            return _single(matches)
    return None


def _find_by_details(
    query: CallQuery, pages: Iterable[_Page], form: CallbackFormat
) -> CallReport | None:
    matches: list[CallReport] = []
    for page in pages:
        if page is None:
            return None  # on the unread page there may be another one that fits
        candidates = (entry for entry in page if not _is_another_service(entry))
        reports = (_to_report(entry, query.route, form) for entry in candidates)
        matches += [call for call in reports if _matches(call, query)]
    return _single(matches)


def _single(reports: Iterable[CallReport]) -> CallReport | None:
    """Give the one call among them; the same entry may stand on two pages."""
    calls = set(reports)
    return calls.pop() if len(calls) == 1 else None


def _matches(report: CallReport, query: CallQuery) -> bool:
    return (
        report.number == query.number
        and report.bridge in {None, query.bridge}
        and report.started_at_ms is not None
        and -_MAX_CLOCK_LAG_MS <= report.started_at_ms - query.sent_at_ms <= _MAX_START_DELAY_MS
    )


def _is_another_service(entry: _Entry) -> bool:
    """Tell calls that are none of ours: who calls the bridge is ``call_from`` as well."""
    is_inbound = "call_to" in entry and entry["call_to"] == entry.get("bridge")
    return is_inbound or str(entry.get("service")) in _OTHER_SERVICES


def _to_report(entry: _Entry, route: Route, form: CallbackFormat) -> CallReport:
    members = _obd_members(entry, form) if route is Route.OBD else _c2c_members(entry)
    return parse_report({**members, "id": entry.get("id"), "status": entry.get("status")}, form)


def _obd_members(entry: _Entry, form: CallbackFormat) -> _Entry:
    """Put an entry of ``outgoing/callstatus`` into a callback's members; older | newer names."""
    return {
        "source": "OBD",
        "to": entry.get("mobile") or entry.get("to"),
        "bridge": entry.get("caller_id") or entry.get("from"),
        "start_at": _first_time(entry, ("start_at", "created_at"), form.timezone),
        "duration": _clock_seconds(entry.get("duration")) or _talk_seconds(entry, form),
    }


def _c2c_members(entry: _Entry) -> _Entry:
    """Put an entry of ``voice/calls`` into a callback's members."""
    return {
        "source": "C2C",
        "from": entry.get("call_from"),
        "bridge": entry.get("bridge"),
        "start_at": entry.get("start_at"),
        "duration": _clock_seconds(entry.get("duration")),
        "billing": _clock_seconds(entry.get("billing")),
    }


def _clock_seconds(value: object) -> str | None:
    """Read a duration like ``00:00:12``."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    hours, minutes, seconds = map(int, match.groups())
    return str(hours * 3600 + minutes * 60 + seconds)


def _first_time(entry: _Entry, names: Iterable[str], zone: tzinfo) -> object:
    """Return the first of these members that is a time; zeros are none."""
    times = (entry.get(name) for name in names)
    return next((time for time in times if parse_timestamp(str(time), zone) is not None), None)


def _talk_seconds(entry: _Entry, form: CallbackFormat) -> str | None:
    """Give the seconds from ``start_at`` to ``end_at``: of talk, says the vendor's sample."""
    if form.status_words.status_of(str(entry.get("status"))) is not CallStatus.ANSWERED:
        return None
    times = (
        parse_timestamp(str(entry.get(name)), form.timezone) for name in ("start_at", "end_at")
    )
    start, end = times
    if start is None or end is None or not 0 <= end - start <= _MAX_CALL_MS:
        return None
    return str((end - start) // 1000)
