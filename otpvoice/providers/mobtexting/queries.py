"""Mobtexting's queries: how a call ended, and the state of the account (mobtexting.md, 2).

Each entry of a response is translated to a callback's members, so that one parser knows the
provider's words. A call whose id is known is found by its id only. Without an id it must be the
only entry that matches, because a guess might report another call's end.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

import structlog

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.message_body import decode_object
from otpvoice.providers.mobtexting.callback import CallbackFormat, parse_call_id, parse_report
from otpvoice.providers.mobtexting.modes import Mode

_LOG = structlog.get_logger(__name__)

Get = Callable[[str], HttpResponse | RequestFailed]
"""Sends a GET to a path below the base address, query string included."""
Entry = dict[str, Any]
Page = list[Entry] | None
"""None: no response, or one that cannot be parsed."""

_PAGE_SIZE: Final = 15
_MAX_PAGES: Final = 20
"""The newest entries seem to come first, so the search ends at entries from before the call. A log
with more pages than this hides the call.
"""
_MAX_CLOCK_LAG_MS: Final = 120_000
"""By which the provider's clock may be behind."""
_MAX_START_DELAY_MS: Final = 300_000
"""Between the request and the start of the call, including the error of the provider's clock."""
_MAX_CALL_MS: Final = 3_600_000
_OTHER_SERVICES: Final = frozenset({"IN", "OBD"})
"""In the call log: the recipient called the bridge, or outbound dialling."""
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])")
_KEY: Final = re.compile(r"[0-9*#]")
_ACCOUNT_TIMEOUT_S: Final = 7.0
_UNKNOWN_CALL_ID: Final = "00000000-0000-4000-8000-000000000000"


def fetch_report(query: CallQuery, get: Get, form: CallbackFormat) -> CallReport | None:
    """Search for the call; return None unless an entry surely is this call and it has ended."""
    pages = _query_obd(query, get) if query.mode == Mode.OBD else _query_c2c(query, get, form)
    if provider_id := parse_call_id(query.provider_id):
        report = _find_by_id(provider_id, pages, query.mode, form)
    else:
        report = _find_by_details(query, pages, form)
    if report is None or report.status is CallStatus.UNKNOWN:
        if report and not report.is_known_status:
            _LOG.warning("call.unknown_status_word", call=query.call_id, provider_status=report.raw)
        return None
    ids = (query.call_id, *report.ids)
    return replace(report, ids=ids, mode=query.mode, bridge=query.bridge, number=query.number)


def parse_page(response: HttpResponse | RequestFailed) -> Page:
    """Return the entries of a response; ``data`` is a list or a page, both documented."""
    if isinstance(response, RequestFailed) or response.status != 200:
        return None
    match decode_object(response.body):
        case {"status": "200" | "OK", "data": {"data": [*entries]} | [*entries]}:
            return entries if all(isinstance(entry, dict) for entry in entries) else None
    return None


def _query_obd(query: CallQuery, get: Get) -> Iterator[Page]:
    """Query by id, then by number: the provider may know its id only with the tail cut off here."""
    if query.provider_id:
        yield parse_page(get(f"outgoing/callstatus?{urlencode({'id': query.provider_id})}"))
    mobile = query.number.removeprefix("+")
    yield parse_page(get(f"outgoing/callstatus?{urlencode({'mobile': mobile})}"))


def _query_c2c(query: CallQuery, get: Get, form: CallbackFormat) -> Iterator[Page]:
    """Query the log of the days on which the call can have ended, page by page."""
    moments = (query.sent_at_ms - _MAX_CLOCK_LAG_MS, query.sent_at_ms + _MAX_CALL_MS)
    first, last = (datetime.fromtimestamp(ms / 1000, form.timezone) for ms in moments)
    for number in range(1, _MAX_PAGES + 1):
        page = parse_page(get(_log_path(first, last, page=number)))
        yield page
        if page is None or len(page) < _PAGE_SIZE or _precedes_call(page, query, form):
            return


def _log_path(first: date, last: date, **parameters: int) -> str:
    days = f"{first:%b %d, %Y} - {last:%b %d, %Y}"
    return f"voice/calls?{urlencode({'datetime[end_at]': days, **parameters})}"


def _precedes_call(page: list[Entry], query: CallQuery, form: CallbackFormat) -> bool:
    """Whether every call of the page began well before this one, so no later page can have it."""
    starts = [form.parse_time(entry, "start_at") for entry in page]
    earliest = query.sent_at_ms - _MAX_START_DELAY_MS
    return all(start is not None and start < earliest for start in starts)


def _find_by_id(
    provider_id: str, pages: Iterable[Page], mode: str, form: CallbackFormat
) -> CallReport | None:
    for page in pages:
        reports = [_to_report(entry, mode, form) for entry in page or ()]
        if matches := [report for report in reports if provider_id in report.ids]:
            return _single(matches)
    return None


def _find_by_details(
    query: CallQuery, pages: Iterable[Page], form: CallbackFormat
) -> CallReport | None:
    matches: list[CallReport] = []
    for page in pages:
        if page is None:
            return None  # the unread page may have another match
        candidates = (entry for entry in page if not _is_other_service(entry))
        reports = (_to_report(entry, query.mode, form) for entry in candidates)
        matches += [report for report in reports if _matches(report, query)]
    return _single(matches)


def _single(reports: Iterable[CallReport]) -> CallReport | None:
    """Return the only report; the same entry may be on two pages."""
    distinct = set(reports)
    return distinct.pop() if len(distinct) == 1 else None


def _matches(report: CallReport, query: CallQuery) -> bool:
    return (
        report.number == query.number
        and report.bridge in {None, query.bridge}
        and report.started_at_ms is not None
        and -_MAX_CLOCK_LAG_MS <= report.started_at_ms - query.sent_at_ms <= _MAX_START_DELAY_MS
    )


def _is_other_service(entry: Entry) -> bool:
    """Whether the entry is not a C2C call; a person who calls the bridge is ``call_from``, too."""
    is_inbound = "call_to" in entry and entry["call_to"] == entry.get("bridge")
    return is_inbound or str(entry.get("service")) in _OTHER_SERVICES


def _to_report(entry: Entry, mode: str, form: CallbackFormat) -> CallReport:
    members = _obd_members(entry, form) if mode == Mode.OBD else _c2c_members(entry)
    report = parse_report({**members, "id": entry.get("id"), "status": entry.get("status")}, form)
    return replace(report, key=_parse_key(entry))


def _parse_key(entry: Entry) -> str | None:
    """Return the first key that was pressed; empty for none, None if the entry does not say.

    Where no key was pressed, older samples have ``null`` and newer ones an empty text.
    """
    pressed = entry.get("dtmf")
    if pressed is None or pressed == "":
        return "" if "dtmf" in entry else None
    key = _KEY.search(pressed) if isinstance(pressed, str) else None
    return key[0] if key else None


def _obd_members(entry: Entry, form: CallbackFormat) -> Entry:
    """Translate an entry of ``outgoing/callstatus``; it has older or newer names."""
    names = ("start_at", "created_at")
    times = [entry[name] for name in names if form.parse_time(entry, name) is not None]
    return {
        "source": "OBD",
        "to": entry.get("mobile") or entry.get("to"),
        "bridge": entry.get("caller_id") or entry.get("from"),
        "start_at": times[0] if times else None,
        "duration": _clock_seconds(entry.get("duration")) or _talk_seconds(entry, form),
    }


def _c2c_members(entry: Entry) -> Entry:
    """Translate an entry of ``voice/calls``."""
    return {
        "source": "C2C",
        "from": entry.get("call_from"),
        "bridge": entry.get("bridge"),
        "start_at": entry.get("start_at"),
        "duration": _clock_seconds(entry.get("duration")),
        "billing": _clock_seconds(entry.get("billing")),
    }


def _clock_seconds(value: object) -> str | None:
    """Parse a duration such as ``00:00:12``."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    hours, minutes, seconds = map(int, match.groups())
    return str(hours * 3600 + minutes * 60 + seconds)


def _talk_seconds(entry: Entry, form: CallbackFormat) -> str | None:
    """Return the seconds from ``start_at`` to ``end_at``, which are the talk in the sample."""
    if form.meaning_of(str(entry.get("status"))).status is not CallStatus.ANSWERED:
        return None
    start, end = (form.parse_time(entry, name) for name in ("start_at", "end_at"))
    if start is None or end is None or not 0 <= end - start <= _MAX_CALL_MS:
        return None
    return str((end - start) // 1000)


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The provider's response to a query that rings no phone, changes nothing and costs nothing."""

    status: int | None
    """200, or the status that refuses, from HTTP or the body; None: no usable response."""
    detail: str
    """For operators; never a token."""
    credits: str | None = None
    """The remaining credits, if the response has them."""


def fetch_balance(base_url: str, token: str, http: HttpClient) -> AccountStatus:
    """Query the balance; raises nothing."""
    return _query_account(base_url, token, "finance/balance", http)


def try_status_query(
    base_url: str, token: str, mode: str, today: date, http: HttpClient
) -> AccountStatus:
    """Send a status query of ``mode`` without a call to find; raises nothing.

    It names an unknown call, or requests today's log, whose content is ignored.
    """
    unknown_call = f"outgoing/callstatus?{urlencode({'id': _UNKNOWN_CALL_ID})}"
    path = unknown_call if mode == Mode.OBD else _log_path(today, today)
    return _query_account(base_url, token, path, http)


def _query_account(base_url: str, token: str, path: str, http: HttpClient) -> AccountStatus:
    headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
    url = f"{base_url.rstrip('/')}/{path}"
    response = http.get(url, headers, Deadlines.within(_ACCOUNT_TIMEOUT_S))
    if isinstance(response, RequestFailed):
        return AccountStatus(None, response.reason)
    members, http_status = decode_object(response.body), response.status
    if not members:
        status = None if http_status == 200 else http_status
        return AccountStatus(status, f"HTTP {http_status}, no JSON")
    status = _account_status(http_status, members.get("status"))
    if status == 200:
        return AccountStatus(status, "accepts the token", _credits(members.get("data")))
    return AccountStatus(status, f"HTTP {http_status}, status {status}")


def _account_status(http_status: int, value: object) -> int:
    """Return the status that counts: a refusal may be HTTP 200 with the status in the body."""
    is_number = isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{2}", value)
    return int(str(value)) if http_status == 200 and is_number else http_status


def _credits(data: object) -> str | None:
    """Return the credits, if they are there: the documents do not show this member."""
    value = data.get("credits") if isinstance(data, dict) else None
    return value if isinstance(value, str) and re.fullmatch(r"-?[0-9.]{1,20}", value) else None
