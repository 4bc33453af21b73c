"""Query how a call ended (docs/providers/twiml.md, section 6).

A call whose id is known is found by its id only. Without one it must be the only call to the
number, from the caller line, at its time, because a guess might report another call's end.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import structlog

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import HttpResponse, RequestFailed
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.message_body import members_of
from otpvoice.providers.timestamps import parse_timestamp
from otpvoice.providers.twiml.account import Account, parse_sid
from otpvoice.providers.twiml.reply import is_about_number, sid_of
from otpvoice.providers.twiml.status import (
    is_canceled,
    parse_reason,
    parse_seconds,
    parse_status,
    safe_raw_status,
)

_LOG = structlog.get_logger(__name__)

Get = Callable[[str], HttpResponse | RequestFailed]
"""Sends a GET to an address."""
Entry = dict[str, Any]

_PAGE_SIZE: Final = 100
_MAX_CLOCK_LAG_MS: Final = 120_000
"""By which the vendor's clock may be behind."""
_MAX_START_DELAY_MS: Final = 300_000
"""Between the request and the start of the call, including the error of the vendor's clock."""
_NEXT_PAGE_MEMBERS: Final = ("next_page_uri", "next_page_url")
_TIME_MEMBERS: Final = ("date_created", "start_time")
"""Moments close to the request, the closest first."""


def fetch_report(query: CallQuery, account: Account, get: Get) -> CallReport | None:
    """Return how the call ended; None if it has not ended, or was not found for certain."""
    sid = parse_sid(query.provider_id)
    entry = _fetch_by_sid(query, sid, account, get) if sid else _search(query, account, get)
    if entry is None:
        return None
    status, is_known = parse_status(entry.get("status"), entry.get("sip_response_code"))
    raw = safe_raw_status(entry.get("status"))
    if status is CallStatus.UNKNOWN:
        if not is_known:
            _LOG.warning("call.unknown_status_word", call=query.call_id, provider_status=raw)
        return None
    own_sid = sid or sid_of(entry)
    return CallReport(
        ids=(query.call_id, own_sid) if own_sid else (query.call_id,),
        mode=query.mode,
        bridge=query.bridge,
        number=query.number,
        status=status,
        reason=parse_reason(entry.get("status")),
        raw=raw,
        started_at_ms=time_of(entry),
        duration_s=parse_seconds(entry.get("duration")),
    )


def cancel_call(
    query: CallQuery, account: Account, post: Callable[[str, bytes], HttpResponse | RequestFailed]
) -> bool:
    """Cancel a call that is queued or rings; return whether the vendor confirmed it.

    Args:
        query: the call. Without the vendor's id of it nothing is sent.
        account: the account that placed it.
        post: sends a form to an address.
    """
    sid = parse_sid(query.provider_id)
    if not sid:
        return False
    # This word has no effect on a call that was answered, unlike "completed".
    entry = members_of(post(account.calls_url(sid), b"Status=canceled"))
    return sid_of(entry) == sid and is_canceled(entry.get("status"))


def _fetch_by_sid(query: CallQuery, sid: str, account: Account, get: Get) -> Entry | None:
    entry = members_of(get(account.calls_url(sid)))
    is_this_call = sid_of(entry) == sid and is_about_number(entry, query.number)
    return entry if is_this_call else None


def _search(query: CallQuery, account: Account, get: Get) -> Entry | None:
    """Search among the calls to the number since the day of the request."""
    earliest_ms = query.sent_at_ms - _MAX_CLOCK_LAG_MS
    day = datetime.fromtimestamp(earliest_ms / 1000, UTC)
    filters = {"To": query.number, "StartTime>": f"{day:%Y-%m-%d}", "PageSize": str(_PAGE_SIZE)}
    page = members_of(get(account.calls_url(**filters)))
    entries = page.get("calls")
    if not isinstance(entries, list) or any(page.get(name) for name in _NEXT_PAGE_MEMBERS):
        return None  # a further page may have another match
    matches = [each for each in entries if isinstance(each, dict) and _matches(each, query)]
    return matches[0] if len(matches) == 1 else None


def _matches(entry: Entry, query: CallQuery) -> bool:
    numbers = {name: str(entry.get(name)).removeprefix("+") for name in ("to", "from")}
    time_ms = time_of(entry)
    return (
        numbers == {"to": query.number.removeprefix("+"), "from": query.bridge}
        and time_ms is not None
        and -_MAX_CLOCK_LAG_MS <= time_ms - query.sent_at_ms <= _MAX_START_DELAY_MS
    )


def time_of(entry: Mapping[str, Any]) -> int | None:
    """Return the start of a call in milliseconds since 1970: RFC 2822 or ISO 8601, UTC."""
    texts = (entry.get(name) for name in _TIME_MEMBERS)
    for text in texts:
        if isinstance(text, str) and (time_ms := _parse_time(text)) is not None:
            return time_ms
    return None


def _parse_time(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return parse_timestamp(text, UTC)
    in_zone = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(in_zone.timestamp() * 1000)
