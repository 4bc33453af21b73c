"""Status queries to vendors of the TwiML family: docs/providers/twiml.md, section 6."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from providers.twiml_samples import (
    ACCOUNT_ID,
    BRIDGE,
    CALL_ID,
    COMPLETED,
    CREATED,
    NUMBER,
    SENT_AT_MS,
    SID,
    TELNYX_SID,
    account,
    encode,
    query,
)
from structlog.testing import capture_logs

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import HttpResponse, RequestFailed
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.twiml.queries import cancel_call, fetch_report

STATUS_WORDS_OF_CALLS = [
    *("queued", "initiated", "ringing", "in-progress"),
    *("completed", "busy", "no-answer", "failed", "canceled"),
]


UNREADABLE: list[Any] = [b"", b"null", b"<html>", b"\xff", [COMPLETED], {}, b"[" * 60_000]


def fetch(
    searched: CallQuery, body: Any, status: int = 200, vendor: str = "twilio"
) -> tuple[CallReport | None, list[str]]:
    """Return the report from this response, and the addresses that were queried."""
    urls: list[str] = []

    def get(url: str) -> HttpResponse | RequestFailed:
        urls.append(url)
        return HttpResponse(status, encode(body))

    return fetch_report(searched, account(vendor), get), urls


def test_call_is_fetched_by_its_id() -> None:
    """The report has this service's id first, and what the query knows."""
    report, urls = fetch(query(), COMPLETED)
    assert urls == [f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_ID}/Calls/{SID}.json"]
    assert report == CallReport(
        ids=(CALL_ID, SID),
        mode="",
        bridge=BRIDGE,
        number=NUMBER,
        status=CallStatus.ANSWERED,
        reason=None,
        raw="completed",
        started_at_ms=SENT_AT_MS + 1000,
        duration_s=17,
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("busy", CallStatus.BUSY),
        ("no-answer", CallStatus.NO_ANSWER),
        ("failed", CallStatus.FAILED),
        ("canceled", CallStatus.NO_ANSWER),
        *((word, None) for word in ("queued", "initiated", "ringing", "in-progress")),
        *((word, None) for word in ("voicemail", "", None, 7, ["completed"])),
    ],
)
@pytest.mark.parametrize("is_searched", [False, True])
def test_status_words(word: Any, status: CallStatus | None, is_searched: bool) -> None:
    """A call that has not ended has no report, nor has an unknown word."""
    entry = {**COMPLETED, "status": word, "duration": None}
    searched = query(provider_id=None) if is_searched else query()
    with capture_logs() as logged:
        report, _ = fetch(searched, {"calls": [entry]} if is_searched else entry)
    assert (report.status if report else None) is status
    assert bool(logged) == (word not in STATUS_WORDS_OF_CALLS)


def cancel(
    response: HttpResponse | RequestFailed, canceled: CallQuery
) -> tuple[bool, list[tuple[str, bytes]]]:
    """Return whether this response confirms a cancellation, and the forms that were sent."""
    sent: list[tuple[str, bytes]] = []

    def post(url: str, body: bytes) -> HttpResponse | RequestFailed:
        sent.append((url, body))
        return response

    return cancel_call(canceled, account(), post), sent


def test_cancel_spares_a_call_that_was_answered() -> None:
    """Another status than ``canceled`` would hang up on a person."""
    canceled = HttpResponse(200, encode(CREATED | {"status": "canceled"}))
    url = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_ID}/Calls/{SID}.json"
    assert cancel(canceled, query()) == (True, [(url, b"Status=canceled")])


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(200, encode(CREATED | {"status": "in-progress"})),
        HttpResponse(200, encode(COMPLETED)),
        HttpResponse(200, encode(CREATED | {"status": "canceled", "sid": "CA" + "0" * 32})),
        HttpResponse(400, encode({"code": 21220, "status": 400})),
        HttpResponse(404, encode({"code": 20404, "status": 404})),
        HttpResponse(200, b"canceled"),
        RequestFailed(sent=True, reason="TimeoutError"),
    ],
)
def test_other_response_confirms_no_cancellation(response: HttpResponse | RequestFailed) -> None:
    """The call may ring, or may have been answered."""
    assert not cancel(response, query())[0]


@pytest.mark.parametrize("provider_id", [None, "", "../x"])
def test_cancel_without_an_id_sends_nothing(provider_id: str | None) -> None:
    canceled = HttpResponse(200, encode(CREATED | {"status": "canceled"}))
    assert cancel(canceled, query(provider_id=provider_id)) == (False, [])


@pytest.mark.parametrize("vendor", ["twilio", "telnyx", "signalwire", "somleng"])
def test_call_without_id_is_searched(vendor: str) -> None:
    """By number and day, in one page; the id that is found is reported."""
    report, (url,) = fetch(query(provider_id=None), {"calls": [COMPLETED]}, vendor=vendor)
    assert urlsplit(url).path.endswith("/Calls" if vendor == "telnyx" else "/Calls.json")
    assert parse_qs(urlsplit(url).query) == {
        "To": [NUMBER],
        "StartTime>": ["2026-11-30"],
        "PageSize": ["100"],
    }
    assert report is not None
    assert (report.ids, report.status) == ((CALL_ID, SID), CallStatus.ANSWERED)


def test_search_begins_before_midnight_for_a_call_just_after_it() -> None:
    """The vendor's clock may be behind. Days are UTC."""
    midnight = SENT_AT_MS - 12 * 3_600_000
    _, (url,) = fetch(query(provider_id=None, sent_at_ms=midnight + 60_000), {"calls": []})
    assert parse_qs(urlsplit(url).query)["StartTime>"] == ["2026-11-29"]


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [
        ({}, True),
        ({"sid": None, "call_sid": TELNYX_SID}, True),
        ({"sid": None}, True),
        ({"to": NUMBER[1:], "from": BRIDGE}, True),
        ({"date_created": "2026-11-30T12:00:01Z"}, True),
        ({"date_created": None}, True),
        ({"date_created": "x", "start_time": "Mon, 30 Nov 2026 12:04:59 +0000"}, True),
        ({"date_created": "Mon, 30 Nov 2026 11:58:01 +0000"}, True),
        ({"date_created": "Mon, 30 Nov 2026 17:30:01 +0530"}, True),
        ({"date_created": "Mon, 30 Nov 2026 12:00:01 -0000"}, True),
        ({"date_created": "Mon, 30 Nov 2026 11:57:59 +0000"}, False),
        ({"date_created": "Mon, 30 Nov 2026 12:05:01 +0000"}, False),
        ({"date_created": None, "start_time": None}, False),
        ({"date_created": 7, "start_time": "yesterday"}, False),
        ({"to": "+14155550100"}, False),
        ({"from": "+14155550100"}, False),
        ({"from": None}, False),
        ({"to": None}, False),
    ],
)
def test_searched_call_has_number_line_and_time(changes: dict[str, Any], is_found: bool) -> None:
    """Times are RFC 2822 or ISO 8601, and a call that was not picked up may have only one."""
    report, _ = fetch(query(provider_id=None), {"calls": [{**COMPLETED, **changes}]})
    assert (report is not None) is is_found


@pytest.mark.parametrize(
    "page",
    [
        {"calls": [COMPLETED, {**COMPLETED, "sid": "CA00000000000000000000000000000043"}]},
        {"calls": [COMPLETED, {**CREATED, "sid": "CA00000000000000000000000000000043"}]},
        {"calls": [COMPLETED], "next_page_uri": "/2010-04-01/Accounts/x/Calls.json?Page=1"},
        {"calls": [COMPLETED], "next_page_url": "https://x/"},
        *({"calls": []}, {"calls": None}, {"calls": {}}, {"calls": ["x", None, [COMPLETED]]}),
        *({}, [], COMPLETED),
    ],
)
def test_no_report_unless_one_call_matches(page: Any) -> None:
    """A guess might report another call's end; a further page may have another match."""
    assert fetch(query(provider_id=None), page)[0] is None


def test_other_calls_do_not_matter() -> None:
    """A page has calls to the number from other lines and at other times."""
    others = [
        {**COMPLETED, "from": "+14155550100"},
        {**COMPLETED, "date_created": "Mon, 30 Nov 2026 06:00:01 +0000", "status": "busy"},
    ]
    page = {"calls": [*others, COMPLETED], "next_page_uri": None, "page": 0}
    report, _ = fetch(query(provider_id=None), page)
    assert report is not None
    assert report.status is CallStatus.ANSWERED


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((body, 200) for body in UNREADABLE),
        *((COMPLETED, status) for status in (201, 301, 401, 404, 429, 500)),
        ({**COMPLETED, "sid": "CA00000000000000000000000000000043"}, 200),
        ({**COMPLETED, "sid": None}, 200),
        ({**COMPLETED, "to": "+14155550100"}, 200),
    ],
)
def test_response_about_no_certain_call_has_no_report(body: Any, status: int) -> None:
    """Another id, another number, no JSON, or an error."""
    assert fetch(query(), body, status)[0] is None


@pytest.mark.parametrize("sid", ["x", "a/b", "x" * 200, ""])
def test_id_of_another_form_is_not_used(sid: str) -> None:
    """It would be part of an address; the call is searched."""
    report, (url,) = fetch(query(provider_id=sid), {"calls": [COMPLETED]})
    assert "StartTime" in url
    assert report is not None


def test_failed_request_has_no_report() -> None:
    """The next query follows later."""
    assert fetch_report(query(), account(), lambda _: RequestFailed(True, "TimeoutError")) is None


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("17", 17), (17, 17), (None, None), ("0:17", None), ([], None), (-1, None), (1.5, None)],
)
def test_duration_of_any_type(duration: Any, seconds: int | None) -> None:
    """Text or a number, in seconds."""
    report, _ = fetch(query(), {**COMPLETED, "duration": duration})
    assert report is not None
    assert report.duration_s == seconds


def test_started_at_is_the_creation_of_the_call() -> None:
    """In milliseconds."""
    report, _ = fetch(query(), {**COMPLETED, "date_created": None})
    assert report is not None
    assert report.started_at_ms == SENT_AT_MS + 14_000
