"""Plivo's call records: how a call ended (docs/providers/plivo.md, section 5).

A record is looked up by the id of the request. Where that is not the id of the call, the call must
be the only one to its number at its time, because a guess might report another call's end.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlencode

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import HttpResponse, RequestFailed
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.message_body import members_of
from otpvoice.providers.plivo.callback import Members, parse_record, record_start_ms
from otpvoice.providers.plivo.reply import REQUEST_ID

Send = Callable[[str], HttpResponse | RequestFailed]
"""Sends a request without a body to a path below the account, query string included."""

_CANCELED: Final = frozenset({200, 204})
_PAGE_SIZE: Final = 20
"""The largest that the provider allows. The newest records come first."""
_MAX_CLOCK_LAG_MS: Final = 120_000
"""By which the provider's clock may be behind."""
_MAX_START_DELAY_MS: Final = 300_000
"""Between the request and the start of the call, including the error of the provider's clock."""


def cancel_request(query: CallQuery, delete: Send) -> bool:
    """Cancel a request whose call was not answered; return whether the provider confirmed it."""
    # Without an id, the address would mean other calls.
    if not REQUEST_ID.fullmatch(query.provider_id or ""):
        return False
    response = delete(f"Request/{query.provider_id}/")
    return isinstance(response, HttpResponse) and response.status in _CANCELED


def fetch_report(query: CallQuery, get: Send) -> CallReport | None:
    """Search for the call; return None unless a record surely is this call and it has ended."""
    record = _fetch_by_id(query, get) or _fetch_by_details(query, get)
    if record is None:
        return None
    report = parse_record(record)
    if report.status is CallStatus.UNKNOWN:
        return None
    ids = (query.call_id, *report.ids)
    return replace(report, ids=ids, mode=query.mode, bridge=query.bridge, number=query.number)


def _fetch_by_id(query: CallQuery, get: Send) -> Members | None:
    if not query.provider_id:
        return None
    record = members_of(get(f"Call/{quote(query.provider_id, safe='')}/"))
    return record if _is_to_recipient(record, query) else None


def _fetch_by_details(query: CallQuery, get: Send) -> Members | None:
    parameters = {
        "to_number": query.number.removeprefix("+"),
        "from_number": query.bridge,
        "limit": _PAGE_SIZE,
    }
    page = members_of(get(f"Call/?{urlencode(parameters)}")).get("objects")
    records = [each for each in page if isinstance(each, dict)] if isinstance(page, list) else []
    matches = [each for each in records if _matches(each, query)]
    # A full page may hide a further match.
    is_complete = len(records) < _PAGE_SIZE or not _matches(records[-1], query)
    return matches[0] if len(matches) == 1 and is_complete else None


def _matches(record: Members, query: CallQuery) -> bool:
    """Whether a record is of a call to this number that began when the request was sent."""
    started_at = record_start_ms(record)
    return (
        _is_to_recipient(record, query)
        and started_at is not None
        and -_MAX_CLOCK_LAG_MS <= started_at - query.sent_at_ms <= _MAX_START_DELAY_MS
    )


def _is_to_recipient(record: Members, query: CallQuery) -> bool:
    report = parse_record(record)
    return report.number == query.number and report.bridge in {None, query.bridge}
