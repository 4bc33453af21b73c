"""Reading what Mobtexting tells about calls: docs/provider.md, section 2."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.answers import (
    BRIDGE,
    C2C,
    C2C_ENTRY,
    C2C_ID,
    CALL_ID,
    INDIA,
    LOG,
    NEWER,
    OBD,
    OBD_ENTRY,
    OBD_ID,
    OLDER,
    PERSON,
    answer,
    at,
)
from structlog.testing import capture_logs

from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.http_client.client import Reply
from otpvoice.providers.base import CallInquiry, CallReport
from otpvoice.providers.mobtexting.callback import VendorFormat
from otpvoice.providers.mobtexting.status_query import find_call
from otpvoice.providers.status_words import StatusWords


def find(inquiry: CallInquiry, *bodies: bytes, zone: ZoneInfo = INDIA) -> CallReport | None:
    """Read these answers, one for each question; questions beyond them are not answered."""
    left = iter(bodies)
    return find_call(inquiry, lambda _: Reply(200, next(left, b"")), VendorFormat(zone))


def status_of(report: CallReport | None) -> CallStatus | None:
    """Give the result alone."""
    return report.status if report else None


# The documented answers


def test_newer_call_status() -> None:
    """The newer answer is reported with both ids, and the seconds from start to end."""
    assert find(OBD, NEWER) == CallReport(
        ids=(CALL_ID, OBD_ID),
        route=Route.OBD,
        bridge=BRIDGE,
        number=f"+{PERSON}",
        status=CallStatus.ANSWERED,
        reason=None,
        raw="ANSWER",
        started_at=at("2024-07-10 08:27:26"),
        duration=3,
    )


def test_older_call_status() -> None:
    """The older one has other members, a duration, and an id with a tail that is cut off."""
    inquiry = replace(
        OBD, number="+918919525224", bridge="918068287602", sent_at=at("2019-07-16 18:13:30")
    )
    report = find(inquiry, OLDER)
    assert report
    assert report.ids == (CALL_ID, "047d8cfc-77d1-4f6c-bfb5-e81f1a1343a7")
    assert (report.status, report.duration) == (CallStatus.ANSWERED, 19)
    assert report.started_at == at("2019-07-16 18:13:44")


def test_call_log() -> None:
    """The log is a page within the answer; with its id, the call is found and told."""
    report = find(replace(C2C, provider_id=C2C_ID), LOG)
    assert report
    assert report.ids == (CALL_ID, C2C_ID)
    assert (report.status, report.raw, report.duration) == (CallStatus.ANSWERED, "RECEIVED", 12)


def test_who_calls_the_bridge() -> None:
    """A call to the bridge has the person as ``call_from`` too, and is not ours."""
    inquiry = replace(
        C2C, number="+917989532456", bridge="918068287601", sent_at=at("2019-06-11 05:57:20")
    )
    assert find(inquiry, LOG) is None
    assert find(inquiry, LOG.replace(b'"service": "IN"', b'"service": "?"')) is None
    ours = LOG.replace(b'"service": "IN"', b'"service": "C2C"')
    assert find(inquiry, ours.replace(b'"call_to": "918068287601"', b'"call_to": "flow:220"'))


# Which words count


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("ANSWER", CallStatus.ANSWERED, None),
        ("COMPLETED", CallStatus.ANSWERED, None),
        ("RECEIVED", CallStatus.ANSWERED, None),
        ("BUSY", CallStatus.BUSY, None),
        ("NOANSWER", CallStatus.NO_ANSWER, None),
        ("CANCEL", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("CONGESTION", CallStatus.FAILED, None),
        ("CHANUNAVAIL", CallStatus.FAILED, None),
    ],
)
@pytest.mark.parametrize(("inquiry", "entry"), [(OBD, OBD_ENTRY), (C2C, C2C_ENTRY)])
def test_ends(
    inquiry: CallInquiry,
    entry: dict[str, Any],
    word: str,
    status: CallStatus,
    reason: CallReason | None,
) -> None:
    """Every word that means an end is a result, with and without an id."""
    body = answer(entry | {"status": word})
    for asked in (inquiry, replace(inquiry, provider_id=entry["id"])):
        report = find(asked, body)
        assert report
        assert (report.status, report.reason, report.raw) == (status, reason, word)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Answered", CallStatus.ANSWERED),
        ("NO-ANSWER", CallStatus.NO_ANSWER),
        ("switched off", CallStatus.FAILED),
        ("BUSY_LEG1", CallStatus.BUSY),
    ],
)
@pytest.mark.parametrize(("inquiry", "entry"), [(OBD, OBD_ENTRY), (C2C, C2C_ENTRY)])
def test_find_call_white_label_word_is_result(
    inquiry: CallInquiry, entry: dict[str, Any], word: str, status: CallStatus
) -> None:
    """The words of brands that resell the API mean the same as in callbacks."""
    assert status_of(find(inquiry, answer(entry | {"status": word}))) is status


def test_find_call_answered_spelling_duration_counted() -> None:
    """Start and end tell the conversation of an answered call, however "answered" is spelled."""
    report = find(OBD, answer(OBD_ENTRY | {"status": "ANSWERED"}))
    assert report
    assert report.duration == 3


def test_find_call_word_of_settings_is_result() -> None:
    """A word of the settings is one of the table's."""
    vendor = VendorFormat(INDIA, StatusWords({"OUT OF ZONE": CallStatus.FAILED}))
    reply = Reply(200, answer(OBD_ENTRY | {"status": "out-of-zone"}))
    assert status_of(find_call(OBD, lambda _: reply, vendor)) is CallStatus.FAILED


@pytest.mark.parametrize(("word", "is_logged"), [("OUT OF ZONE", True), ("queued", False)])
def test_find_call_unknown_word_logged(word: str, is_logged: bool) -> None:
    """An operator learns the word to add; a call under way is no news."""
    with capture_logs() as logs:
        assert find(OBD, answer(OBD_ENTRY | {"status": word})) is None
    told = [(each["event"], each["call"], each["word"]) for each in logs]
    assert told == [("call.unknown_status_word", CALL_ID, word)] * is_logged


@pytest.mark.parametrize("start", ["0000-00-00 00:00:00", "0", None, "-"])
def test_find_call_zeros_as_start_created_at_counts(start: str | None) -> None:
    """Zeros are no start; ``created_at`` stands in for it."""
    report = find(OBD, answer(OBD_ENTRY | {"start_at": start, "status": "BUSY"}))
    assert report
    assert report.started_at == at("2024-07-10 08:27:14")


@pytest.mark.parametrize("start", ["10/07/2024 08:27:26", "10/07/2024 08:27:26 AM IST"])
def test_find_call_other_time_format_fits(start: str) -> None:
    """Times may be written as in callbacks."""
    report = find(OBD, answer(OBD_ENTRY | {"start_at": start}))
    assert report
    assert report.started_at == at("2024-07-10 08:27:26")


@pytest.mark.parametrize("word", ["MISSED", "queued", "ringing", "", None, "ANSWERED?", 7])
@pytest.mark.parametrize(("inquiry", "entry"), [(OBD, OBD_ENTRY), (C2C, C2C_ENTRY)])
def test_no_end(inquiry: CallInquiry, entry: dict[str, Any], word: object) -> None:
    """Any other word is no end: nothing is reported."""
    body = answer(entry | {"status": word})
    assert find(inquiry, body) is None
    assert find(replace(inquiry, provider_id=entry["id"]), body) is None


# Which call it is


@pytest.mark.parametrize(
    "other",
    [
        {"id": "9"},
        {"start_at": "2024-07-10 08:28:59", "id": "9", "status": "BUSY"},
        {"id": None},
    ],
)
@pytest.mark.parametrize(("inquiry", "entry"), [(OBD, OBD_ENTRY), (C2C, C2C_ENTRY)])
def test_two_fit(inquiry: CallInquiry, entry: dict[str, Any], other: dict[str, Any]) -> None:
    """Two calls that fit are none; the id decides, where it is known."""
    body = answer(entry, entry | other)
    assert find(inquiry, body) is None
    assert status_of(find(replace(inquiry, provider_id=entry["id"]), body)) is CallStatus.ANSWERED


@pytest.mark.parametrize(
    ("route", "change"),
    [
        (Route.OBD, {"to": "917619360001"}),
        (Route.OBD, {"to": None}),
        (Route.OBD, {"from": "358910000001"}),
        (Route.OBD, {"start_at": "2024-07-10 08:25:12"}),
        (Route.OBD, {"start_at": "2024-07-10 08:32:14"}),
        (Route.OBD, {"start_at": "", "created_at": "0000-00-00 00:00:00"}),
        (Route.C2C, {"call_from": "917619360001"}),
        (Route.C2C, {"call_from": BRIDGE, "call_to": PERSON}),
        (Route.C2C, {"bridge": "358910000001"}),
        (Route.C2C, {"service": "OBD"}),
        (Route.C2C, {"start_at": "2024-07-10 08:25:12"}),
        (Route.C2C, {"start_at": "2024-07-10 08:32:14"}),
        (Route.C2C, {"start_at": "yesterday"}),
    ],
)
def test_calls_of_others(route: Route, change: dict[str, Any]) -> None:
    """Another person's, bridge's or time's call is passed over; alone it is no answer."""
    inquiry, entry = (OBD, OBD_ENTRY) if route is Route.OBD else (C2C, C2C_ENTRY)
    other = entry | {"id": "other", "status": "BUSY"} | change
    assert find(inquiry, answer(other)) is None
    assert status_of(find(inquiry, answer(other, entry))) is CallStatus.ANSWERED


@pytest.mark.parametrize("start", ["2024-07-10 08:25:13", "2024-07-10 08:32:13"])
@pytest.mark.parametrize(("inquiry", "entry"), [(OBD, OBD_ENTRY), (C2C, C2C_ENTRY)])
def test_edges_of_the_time(inquiry: CallInquiry, entry: dict[str, Any], start: str) -> None:
    """From 120 seconds before to 300 seconds after the request, both included."""
    assert find(inquiry, answer(entry | {"start_at": start}))


def test_untold_bridge_and_start() -> None:
    """A bridge that is not told does not contradict; ``created_at`` stands in for a start."""
    untold = OBD_ENTRY | {"from": "", "start_at": "", "status": "NOANSWER"}
    report = find(OBD, answer(untold))
    assert report
    assert (report.bridge, report.started_at) == (BRIDGE, at("2024-07-10 08:27:14"))


def test_zone() -> None:
    """Times are read in the zone that is set: in another one the call is not of that time."""
    assert find(OBD, NEWER, zone=ZoneInfo("UTC")) is None
    there = replace(OBD, sent_at=OBD.sent_at + 19_800_000)
    assert find(there, NEWER, zone=ZoneInfo("UTC"))


@pytest.mark.parametrize(("inquiry", "entry"), [(OBD, OBD_ENTRY), (C2C, C2C_ENTRY)])
def test_the_id_alone_decides(inquiry: CallInquiry, entry: dict[str, Any]) -> None:
    """With a known id nothing else is taken, however well it fits; the tail does not count."""
    named = replace(inquiry, provider_id="other")
    assert find(named, answer(entry), answer(entry)) is None
    assert find(named, answer(entry | {"id": "other:1", "start_at": "2019-01-01 00:00:00"}))


def test_one_id_with_two_results() -> None:
    """The same id with an end and without one, as while the vendor redials: no result yet."""
    named = replace(OBD, provider_id=OBD_ID)
    busy, queued = OBD_ENTRY | {"status": "BUSY"}, OBD_ENTRY | {"status": "queued"}
    assert find(named, answer(busy, queued)) is None


# Durations


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"end_at": "2024-07-10 08:27:26"}, 0),
        ({"end_at": "2024-07-10 08:27:25"}, None),
        ({"end_at": "2024-07-10 10:27:26"}, None),
        ({"end_at": ""}, None),
        ({"end_at": None}, None),
        ({"start_at": ""}, None),
        ({"status": "NOANSWER"}, None),
        ({"duration": "01:00:12"}, 3612),
        ({"duration": "00:00:00"}, 0),
        ({"duration": "soon"}, 3),
    ],
)
def test_obd_duration(change: dict[str, Any], seconds: int | None) -> None:
    """A told duration counts, else start and end of an answered call, if they make sense."""
    report = find(OBD, answer(OBD_ENTRY | change))
    assert report
    assert report.duration == seconds


def test_c2c_duration() -> None:
    """Both legs have to talk, as in callbacks: the shorter one counts."""
    report = find(C2C, answer(C2C_ENTRY | {"billing": "00:00:05"}))
    assert report
    assert report.duration == 5


# What makes no sense

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from([PERSON, "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(
    inquiry=st.sampled_from(
        [OBD, C2C, replace(OBD, provider_id="1"), replace(C2C, provider_id="1")]
    ),
    members=st.dictionaries(st.sampled_from([*OBD_ENTRY, *C2C_ENTRY, "duration", "mobile"]), JSON),
)
def test_never_raises(inquiry: CallInquiry, members: dict[str, Any]) -> None:
    """Whatever stands in an entry, there is a report with a result, or none."""
    entry = (OBD_ENTRY if inquiry.route is Route.OBD else C2C_ENTRY) | members
    report = find(inquiry, answer(entry), answer(entry))
    assert report is None or report.status is not CallStatus.UNKNOWN
