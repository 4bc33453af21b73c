"""Calls found in Mobtexting's responses to status queries: mobtexting.md, section 2."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.samples import (
    BRIDGE,
    C2C_ENTRY,
    C2C_ID,
    C2C_QUERY,
    CALL_ID,
    CALL_LOG,
    INDIA,
    NEWER_STATUS,
    OBD_ENTRY,
    OBD_ID,
    OBD_QUERY,
    OLDER_STATUS,
    RECIPIENT,
    calls_response,
    kolkata_ms,
)
from providers.status_queries import fetch, status_of
from structlog.testing import capture_logs

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.mobtexting.callback import CallbackFormat
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.queries import fetch_report

# The documented responses


def test_newer_response_is_reported() -> None:
    """With both ids, and the seconds from start to end."""
    assert fetch(OBD_QUERY, NEWER_STATUS) == CallReport(
        ids=(CALL_ID, OBD_ID),
        mode=Mode.OBD,
        bridge=BRIDGE,
        number=f"+{RECIPIENT}",
        status=CallStatus.ANSWERED,
        reason=None,
        raw="ANSWER",
        started_at_ms=kolkata_ms("2024-07-10 08:27:26"),
        duration_s=3,
        key="",
    )


@pytest.mark.parametrize(
    ("dtmf", "key"),
    [
        (b'""', ""),
        (b"null", ""),
        (b'"1"', "1"),
        (b"9", "9"),
        (b'"#"', "#"),
        (b'"19"', "1"),
        (b'"9,1"', "9"),
        (b'"none"', None),
        (b'["1"]', None),
        (b"{}", None),
        (b"true", None),
    ],
)
def test_first_pressed_key_is_reported(dtmf: bytes, key: str | None) -> None:
    """Empty if none was pressed; None if the entry does not say."""
    report = fetch(OBD_QUERY, NEWER_STATUS.replace(b'"dtmf": ""', b'"dtmf": ' + dtmf))
    assert report
    assert report.key == key
    without = fetch(OBD_QUERY, NEWER_STATUS.replace(b',\n            "dtmf": ""', b""))
    assert without
    assert without.key is None


def test_older_response_is_reported() -> None:
    """It has other members, a duration, and an id whose tail is removed."""
    query = replace(
        OBD_QUERY,
        number="+918919525224",
        bridge="918068287602",
        sent_at_ms=kolkata_ms("2019-07-16 18:13:30"),
    )
    report = fetch(query, OLDER_STATUS)
    assert report
    assert report.ids == (CALL_ID, "047d8cfc-77d1-4f6c-bfb5-e81f1a1343a7")
    assert (report.status, report.duration_s) == (CallStatus.ANSWERED, 19)
    assert report.started_at_ms == kolkata_ms("2019-07-16 18:13:44")


def test_call_in_log_is_found_by_id() -> None:
    """The log is a page within the response."""
    report = fetch(replace(C2C_QUERY, provider_id=C2C_ID), CALL_LOG)
    assert report
    assert report.ids == (CALL_ID, C2C_ID)
    assert (report.status, report.raw, report.duration_s) == (CallStatus.ANSWERED, "RECEIVED", 12)


def test_inbound_call_is_no_match() -> None:
    """A call to the bridge has its caller as ``call_from``, too."""
    query = replace(
        C2C_QUERY,
        number="+917989532456",
        bridge="918068287601",
        sent_at_ms=kolkata_ms("2019-06-11 05:57:20"),
    )
    assert fetch(query, CALL_LOG) is None
    assert fetch(query, CALL_LOG.replace(b'"service": "IN"', b'"service": "?"')) is None
    c2c_log = CALL_LOG.replace(b'"service": "IN"', b'"service": "C2C"')
    assert fetch(query, c2c_log.replace(b'"call_to": "918068287601"', b'"call_to": "flow:220"'))


# Status words


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("ANSWER", CallStatus.ANSWERED, None),
        ("NO-ANSWER", CallStatus.NO_ANSWER, None),
        ("CANCEL", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("BUSY_LEG1", CallStatus.BUSY, None),
    ],
)
@pytest.mark.parametrize(("query", "entry"), [(OBD_QUERY, OBD_ENTRY), (C2C_QUERY, C2C_ENTRY)])
def test_final_status_is_reported(
    query: CallQuery,
    entry: dict[str, Any],
    word: str,
    status: CallStatus,
    reason: CallReason | None,
) -> None:
    """With and without an id."""
    body = calls_response(entry | {"status": word})
    for each in (query, replace(query, provider_id=entry["id"])):
        report = fetch(each, body)
        assert report
        assert (report.status, report.reason, report.raw) == (status, reason, word)


def test_word_of_settings_is_reported() -> None:
    """As a word of the table."""
    form = CallbackFormat(INDIA, {"OUT OF ZONE": CallStatus.FAILED})
    reply = HttpResponse(200, calls_response(OBD_ENTRY | {"status": "out-of-zone"}))
    assert status_of(fetch_report(OBD_QUERY, lambda _: reply, form)) is CallStatus.FAILED


@pytest.mark.parametrize(("word", "is_logged"), [("OUT OF ZONE", True), ("queued", False)])
def test_unknown_word_is_logged(word: str, is_logged: bool) -> None:
    """The operator learns which word to add; a call in progress is not logged."""
    with capture_logs() as logs:
        assert fetch(OBD_QUERY, calls_response(OBD_ENTRY | {"status": word})) is None
    logged = [(each["event"], each["call"], each["provider_status"]) for each in logs]
    assert logged == [("call.unknown_status_word", CALL_ID, word)] * is_logged


@pytest.mark.parametrize("start", ["0000-00-00 00:00:00", "0", None, "-"])
def test_created_at_replaces_missing_start(start: str | None) -> None:
    """Zeros are not a time."""
    report = fetch(OBD_QUERY, calls_response(OBD_ENTRY | {"start_at": start, "status": "BUSY"}))
    assert report
    assert report.started_at_ms == kolkata_ms("2024-07-10 08:27:14")


@pytest.mark.parametrize("start", ["10/07/2024 08:27:26", "10/07/2024 08:27:26 AM IST"])
def test_start_in_other_format_matches(start: str) -> None:
    """Times may be written as in callbacks."""
    report = fetch(OBD_QUERY, calls_response(OBD_ENTRY | {"start_at": start}))
    assert report
    assert report.started_at_ms == kolkata_ms("2024-07-10 08:27:26")


@pytest.mark.parametrize("word", ["MISSED", "queued", "ringing", "", None, "ANSWERED?", 7])
@pytest.mark.parametrize(("query", "entry"), [(OBD_QUERY, OBD_ENTRY), (C2C_QUERY, C2C_ENTRY)])
def test_call_without_final_status_is_not_reported(
    query: CallQuery, entry: dict[str, Any], word: object
) -> None:
    """Any other word means that the call has not ended."""
    body = calls_response(entry | {"status": word})
    assert fetch(query, body) is None
    assert fetch(replace(query, provider_id=entry["id"]), body) is None


# Arbitrary entries

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from([RECIPIENT, "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


QUERIES = [OBD_QUERY, C2C_QUERY]


@given(
    query=st.sampled_from([*QUERIES, *(replace(each, provider_id="1") for each in QUERIES)]),
    members=st.dictionaries(st.sampled_from([*OBD_ENTRY, *C2C_ENTRY, "duration", "mobile"]), JSON),
)
def test_any_entry_is_parsed(query: CallQuery, members: dict[str, Any]) -> None:
    """The result is a report with a final status, or None."""
    entry = (OBD_ENTRY if query.mode is Mode.OBD else C2C_ENTRY) | members
    report = fetch(query, calls_response(entry), calls_response(entry))
    assert report is None or report.status is not CallStatus.UNKNOWN
