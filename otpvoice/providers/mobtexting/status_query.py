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
from otpvoice.http_client.client import NoReply, Reply
from otpvoice.providers.base import CallInquiry, CallReport
from otpvoice.providers.callback_body import read_object
from otpvoice.providers.mobtexting.callback import VendorFormat, call_id, report
from otpvoice.providers.timestamps import parse_timestamp

_LOG = structlog.get_logger(__name__)

Get = Callable[[str], Reply | NoReply]
"""Asks for a path below the base address, query string included."""
_Entry = dict[str, Any]
_Page = list[_Entry] | None
"""None: not answered, or not readably."""

_PAGE_SIZE: Final = 15
_PAGES: Final = 20
"""The newest entries seem to come first, so that asking stops at entries from before the call; a
busier log than this hides it.
"""
_BEFORE: Final = 120_000
"""Milliseconds by which the vendor's clock may be behind."""
_AFTER: Final = 300_000
"""Milliseconds between our request and its call, the error of the vendor's clock included."""
_LONGEST: Final = 3_600_000
"""Milliseconds; no call of ours lasts longer."""
_OTHER_SERVICES: Final = frozenset({"IN", "OBD"})
"""In the log of calls: the person rang the bridge, or outbound dialling."""
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])")


def find_call(inquiry: CallInquiry, get: Get, vendor: VendorFormat) -> CallReport | None:
    """Ask until the call is found; None unless it surely is this one and surely has ended."""
    pages = (
        _ask_obd(inquiry, get)
        if inquiry.route is Route.OBD
        else _ask_c2c(inquiry, get, vendor.zone)
    )
    if known := call_id(inquiry.provider_id):
        found = _named(known, pages, inquiry.route, vendor)
    else:
        found = _fitting(inquiry, pages, vendor)
    if found is None or found.status is CallStatus.UNKNOWN:
        if found and not found.is_known_word:
            _LOG.warning("call.unknown_status_word", call=inquiry.call_id, word=found.raw)
        return None
    ids = (inquiry.call_id, *found.ids)
    return replace(
        found, ids=ids, route=inquiry.route, bridge=inquiry.bridge, number=inquiry.number
    )


def _ask_obd(inquiry: CallInquiry, get: Get) -> Iterator[_Page]:
    """Ask by id, then by number: the vendor may know its id only with the tail that we cut off."""
    if inquiry.provider_id:
        yield _read_page(get(f"outgoing/callstatus?{urlencode({'id': inquiry.provider_id})}"))
    mobile = inquiry.number.removeprefix("+")
    yield _read_page(get(f"outgoing/callstatus?{urlencode({'mobile': mobile})}"))


def _ask_c2c(inquiry: CallInquiry, get: Get, zone: tzinfo) -> Iterator[_Page]:
    """Ask for the log of the days on which the call can have ended, page by page."""
    moments = (inquiry.sent_at - _BEFORE, inquiry.sent_at + _LONGEST)
    first, last = (datetime.fromtimestamp(ms / 1000, zone) for ms in moments)
    days = f"{first:%b %d, %Y} - {last:%b %d, %Y}"
    for number in range(1, _PAGES + 1):
        query = urlencode({"datetime[end_at]": days, "page": number})
        page = _read_page(get(f"voice/calls?{query}"))
        yield page
        if page is None or len(page) < _PAGE_SIZE or _is_past(page, inquiry, zone):
            return


def _is_past(page: list[_Entry], inquiry: CallInquiry, zone: tzinfo) -> bool:
    """Tell a page of calls that all began well before ours, so that it can be on none after it."""
    starts = [parse_timestamp(str(entry.get("start_at")), zone) for entry in page]
    return all(start is not None and start < inquiry.sent_at - _AFTER for start in starts)


def _read_page(answer: Reply | NoReply) -> _Page:
    """Read the entries of an answer; of ``data`` both documented shapes, a list and a page."""
    if isinstance(answer, NoReply) or answer.status != 200:
        return None
    try:
        said = read_object(answer.body)
    except ValueError:
        return None
    match said:
        case {"status": "200" | "OK", "data": {"data": [*entries]} | [*entries]}:
            return entries if all(isinstance(entry, dict) for entry in entries) else None
    return None


def _named(
    known: str, pages: Iterable[_Page], route: Route, vendor: VendorFormat
) -> CallReport | None:
    for page in pages:
        told = [_report(entry, route, vendor) for entry in page or ()]
        if found := [call for call in told if known in call.ids]:
            return _only(found)
    return None


def _fitting(
    inquiry: CallInquiry, pages: Iterable[_Page], vendor: VendorFormat
) -> CallReport | None:
    found: list[CallReport] = []
    for page in pages:
        if page is None:
            return None  # on the unread page there may be another one that fits
        candidates = (entry for entry in page if not _is_another_service(entry))
        told = (_report(entry, inquiry.route, vendor) for entry in candidates)
        found += [call for call in told if _fits(call, inquiry)]
    return _only(found)


def _only(found: Iterable[CallReport]) -> CallReport | None:
    """Give the one call among them; the same entry may stand on two pages."""
    calls = set(found)
    return calls.pop() if len(calls) == 1 else None


def _fits(call: CallReport, inquiry: CallInquiry) -> bool:
    return (
        call.number == inquiry.number
        and call.bridge in {None, inquiry.bridge}
        and call.started_at is not None
        and -_BEFORE <= call.started_at - inquiry.sent_at <= _AFTER
    )


def _is_another_service(entry: _Entry) -> bool:
    """Tell calls that are none of ours: who calls the bridge is ``call_from`` as well."""
    rang_us = "call_to" in entry and entry["call_to"] == entry.get("bridge")
    return rang_us or str(entry.get("service")) in _OTHER_SERVICES


def _report(entry: _Entry, route: Route, vendor: VendorFormat) -> CallReport:
    members = _obd(entry, vendor) if route is Route.OBD else _c2c(entry)
    return report({**members, "id": entry.get("id"), "status": entry.get("status")}, vendor)


def _obd(entry: _Entry, vendor: VendorFormat) -> _Entry:
    """Put an entry of ``outgoing/callstatus`` into a callback's members; older | newer names."""
    return {
        "source": "OBD",
        "to": entry.get("mobile") or entry.get("to"),
        "bridge": entry.get("caller_id") or entry.get("from"),
        "start_at": _first_time(entry, ("start_at", "created_at"), vendor.zone),
        "duration": _seconds(entry.get("duration")) or _between(entry, vendor),
    }


def _c2c(entry: _Entry) -> _Entry:
    """Put an entry of ``voice/calls`` into a callback's members."""
    return {
        "source": "C2C",
        "from": entry.get("call_from"),
        "bridge": entry.get("bridge"),
        "start_at": entry.get("start_at"),
        "duration": _seconds(entry.get("duration")),
        "billing": _seconds(entry.get("billing")),
    }


def _seconds(told: object) -> str | None:
    """Read a duration like ``00:00:12``."""
    found = _CLOCK.fullmatch(told) if isinstance(told, str) else None
    if not found:
        return None
    hours, minutes, seconds = map(int, found.groups())
    return str(hours * 3600 + minutes * 60 + seconds)


def _first_time(entry: _Entry, names: Iterable[str], zone: tzinfo) -> object:
    """Return the first of these members that is a time; zeros are none."""
    times = (entry.get(name) for name in names)
    return next((time for time in times if parse_timestamp(str(time), zone) is not None), None)


def _between(entry: _Entry, vendor: VendorFormat) -> str | None:
    """Give the seconds from ``start_at`` to ``end_at``: of talk, says the vendor's sample."""
    if vendor.words.status(str(entry.get("status"))) is not CallStatus.ANSWERED:
        return None
    times = (parse_timestamp(str(entry.get(name)), vendor.zone) for name in ("start_at", "end_at"))
    start, end = times
    if start is None or end is None or not 0 <= end - start <= _LONGEST:
        return None
    return str((end - start) // 1000)
