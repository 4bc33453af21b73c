"""Reports that Mobtexting's messages mean: docs/providers/mobtexting.md, section 3."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from otpvoice.core.verification import CallReason, CallStatus, normalize_status_word
from otpvoice.providers.base import CallReport
from otpvoice.providers.message_body import decode_body
from otpvoice.providers.mobtexting.callback import (
    STATUS_MEANINGS,
    STATUS_WORDS,
    CallbackFormat,
    parse_report,
)

INDIA = ZoneInfo("Asia/Kolkata")
STARTED = 1617965859_000  # 2021-04-09 10:57:39 UTC = 16:27:39 in Kolkata
NOTHING = CallReport((), None, None, None, CallStatus.UNKNOWN, None, None, None, None)


def report_of(
    members: dict[str, Any], zone: ZoneInfo = INDIA, region: str | None = None
) -> CallReport:
    """Parse a message, whether it names a call or not."""
    message = decode_body(json.dumps(members).encode())
    return parse_report(message, CallbackFormat(zone, region=region))


# Members


def test_unknown_members_are_ignored() -> None:
    """A missing member is None in the report."""
    assert report_of({"hello": "world", "webhook_id": 7}) == NOTHING


@pytest.mark.parametrize("value", [None, True, [], {}, ["x"], {"x": 1}, "", "?", 1e300, -1])
def test_invalid_member_counts_as_missing(value: object) -> None:
    """The other members still count."""
    names = ("bridge", "from", "to", "source", "mid", "start_at", "duration", "billing")
    report = report_of(dict.fromkeys(names, value) | {"status": "BUSY"})
    expected = asdict(NOTHING) | {"status": CallStatus.BUSY, "raw": "BUSY"}
    assert asdict(report) | {"ids": ()} == expected


# Status


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("ANSWER", CallStatus.ANSWERED, None),
        ("MISSED", CallStatus.UNKNOWN, None),
        ("CANCEL", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("answer", CallStatus.ANSWERED, None),
        ("HANGUP", CallStatus.UNKNOWN, None),
        ("no-answer", CallStatus.NO_ANSWER, None),
        ("No_Answered", CallStatus.NO_ANSWER, None),
        ("CANCELLED", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("SwitchedOff", CallStatus.FAILED, None),
        ("BUSY_LEG1", CallStatus.BUSY, None),
        ("LEG1-BUSY", CallStatus.BUSY, None),
        ("CANCEL_LEG1", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("BUSY_LEG2", CallStatus.UNKNOWN, None),
        ("{{status}}", CallStatus.UNKNOWN, None),
    ],
)
@pytest.mark.parametrize("source", ["OBD", "C2C", None])
def test_status_word_has_its_meaning(
    source: str | None, word: str, status: CallStatus, reason: CallReason | None
) -> None:
    """On every route; the word itself is ``raw``."""
    report = report_of({"source": source, "status": word})
    assert (report.status, report.reason, report.raw) == (status, reason, word)


@pytest.mark.parametrize("members", [{}, {"status": None}, {"status": ""}, {"status": ["BUSY"]}])
def test_missing_status_is_unknown(members: dict[str, Any]) -> None:
    """Never "not answered"."""
    report = report_of({"source": "OBD", **members})
    assert (report.status, report.raw) == (CallStatus.UNKNOWN, None)


@pytest.mark.parametrize(
    ("status1", "status", "expected", "raw"),
    [
        ("RECEIVED", "COMPLETED", CallStatus.ANSWERED, "RECEIVED"),
        ("ANSWER", "NOANSWER", CallStatus.ANSWERED, "ANSWER"),
        ("NOANSWER", "COMPLETED", CallStatus.ANSWERED, "COMPLETED"),
        ("BUSY", "NOANSWER", CallStatus.BUSY, "BUSY"),
        ("NOANSWER", "MISSED", CallStatus.NO_ANSWER, "NOANSWER"),
        ("NOANSWER", "CONGESTION", CallStatus.NO_ANSWER, "NOANSWER"),
        ("RINGING", "BUSY", CallStatus.BUSY, "BUSY"),
        (None, "BUSY", CallStatus.BUSY, "BUSY"),
        ("BUSY", None, CallStatus.BUSY, "BUSY"),
        ("RINGING", "MISSED", CallStatus.UNKNOWN, "RINGING"),
        (None, "MISSED", CallStatus.UNKNOWN, "MISSED"),
    ],
)
def test_more_specific_of_two_statuses_counts(
    status1: str | None, status: str | None, expected: CallStatus, raw: str
) -> None:
    """Either may prove that the recipient picked up; otherwise the recipient's leg counts."""
    report = report_of(
        {"source": "C2C", "status1": status1, "status": status, "status2": "CHANUNAVAIL"}
    )
    assert (report.status, report.raw) == (expected, raw)


def test_raw_is_short_and_printable() -> None:
    """At most 40 characters, and none that could forge a log line."""
    assert report_of({"status": "A\nB\x1b[31m\u202e\ud800C" + "x" * 99}).raw == "AB[31mC" + "x" * 33


def test_status_of_settings_takes_precedence() -> None:
    """In any spelling; a word of the table gets the meaning of the settings."""
    words = {"OUT OF ZONE": CallStatus.FAILED, "Missed": CallStatus.NO_ANSWER}
    for word, status in {
        "out-of_zone": CallStatus.FAILED,
        "OUTOFZONE_LEG1": CallStatus.FAILED,
        "MISSED": CallStatus.NO_ANSWER,
        "BUSY": CallStatus.BUSY,
    }.items():
        report = parse_report({"status": word}, CallbackFormat(INDIA, words))
        assert (report.status, report.is_known_status) == (status, True)


@pytest.mark.parametrize(
    ("word", "is_known"),
    [("BUSY", True), ("MISSED", True), ("QUEUED", True), ("", True), ("OUT OF ZONE", False)],
)
def test_unknown_status_word_is_marked(word: str, is_known: bool) -> None:
    """Only a word that is in no table; a missing one is not."""
    assert report_of({"status": word}).is_known_status is is_known


def test_status_table_is_consistent() -> None:
    """Each word has one meaning, and none begins or ends with LEG1."""
    spelled = [word for _, words in STATUS_MEANINGS for word in words]
    assert len(STATUS_WORDS) == len({normalize_status_word(word) for word in spelled})
    assert len(STATUS_WORDS) == len(spelled)
    assert not any(word.startswith("LEG1") or word.endswith("LEG1") for word in STATUS_WORDS)


def test_status_table_is_documented() -> None:
    """docs/providers/mobtexting.md lists every word of the table, in the row of its result."""
    page = (Path(__file__).parents[2] / "docs" / "providers" / "mobtexting.md").read_text(
        encoding="utf-8"
    )
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for meaning, words in STATUS_MEANINGS:
        results = [str(meaning.status), *([str(meaning.reason)] if meaning.reason else [])]
        for word in words:
            spellings = {f"`{word}`", f"`{normalize_status_word(word)}`"}
            listed = [row for row in rows if any(spelling in row for spelling in spellings)]
            assert any(all(result in row for result in results) for row in listed), word


# Ids


def test_ids_are_ordered_and_without_tail() -> None:
    """A composed id comes first; repeated and invalid ids are dropped."""
    assert report_of({"id": "call_0a", "mid": "70fa-87:1", "callId": "70fa-87:12"}).ids == (
        "call_0a",
        "70fa-87",
    )
    assert report_of({"id": 71, "mid": "{{id}}", "callId": "x" * 65}).ids == ("71",)
    assert report_of({"id": "a b", "mid": ":1", "callId": "a:b"}).ids == ()


# Numbers


@pytest.mark.parametrize(
    ("members", "number"),
    [
        ({"source": "OBD", "to": "91886713", "from": "91891952"}, "+91886713"),
        ({"source": "obd", "from": "91891952"}, None),
        ({"source": "C2C", "to": "flow:220", "from": "91891952"}, "+91891952"),
        ({"source": "C2C", "to": "91886713"}, None),
        ({"to": "91886713"}, "+91886713"),
        ({"to": "flow:220", "from": "91891952"}, "+91891952"),
        ({"to": "91886713", "from": "91806828", "bridge": "91806828"}, "+91886713"),
        ({"to": "91886713", "from": "91891952"}, None),
        ({"source": "X", "to": "91886713", "from": "+91886713"}, "+91886713"),
        ({"source": "OBD", "to": "0886713000"}, None),
        ({"source": "OBD", "to": "9" * 16}, None),
        ({"source": "OBD", "to": "९१८८६७१३००"}, None),
        ({"to": "14155550123"}, "+14155550123"),
    ],
)
def test_recipient_depends_on_route(members: dict[str, Any], number: str | None) -> None:
    """Without a source it is the only number that is not the bridge."""
    assert report_of(members).number == number


@pytest.mark.parametrize(
    "written",
    [
        "919876543210",
        "+919876543210",
        "+91 98765 43210",
        "+91-9876543210",
        "9876543210",
        "09876543210",
        "98765 43210",
        "00919876543210",
        9876543210,
    ],
)
@pytest.mark.parametrize(("name", "source"), [("to", "OBD"), ("from", "C2C"), ("to", "")])
def test_recipient_is_parsed_in_national_format(written: str | int, name: str, source: str) -> None:
    """A callback without an id is matched by the number, however the provider writes it."""
    members = {name: written, "source": source, "status": "BUSY"}
    assert report_of(members, region="IN").number == "+919876543210"


def test_national_number_without_region_is_ignored() -> None:
    """Ten digits could belong to any of several regions."""
    assert report_of({"to": "09876543210"}).number is None


def test_bridge_in_national_format_is_not_the_recipient() -> None:
    """One of the two may lack the calling code."""
    members = {"bridge": "918068280000", "from": "08068280000", "to": "9876543210"}
    assert report_of(members, region="IN").number == "+919876543210"


# Times and durations


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("Asia/Kolkata", "2021-04-09 16:27:39", STARTED),
        ("America/New_York", "2021-04-09 06:57:39", STARTED),
        ("Asia/Kolkata", "0000-00-00 00:00:00", None),
        ("Asia/Kolkata", 1617965859.0, STARTED),
        ("UTC", "09/04/2021 16:27:39 IST", STARTED),
    ],
)
def test_start_is_in_timezone_of_settings(zone: str, text: object, moment: int | None) -> None:
    """Unless the text has its own zone."""
    assert report_of({"start_at": text}, ZoneInfo(zone)).started_at_ms == moment


@pytest.mark.parametrize(
    ("members", "seconds"),
    [
        ({"duration": 23}, 23),
        ({"duration": "0"}, 0),
        ({"duration": 23.9}, 23),
        ({"duration": "00:00:23"}, None),
        ({"duration": "999999"}, None),
        ({"source": "OBD", "duration": 23, "billing": 5}, 23),
        ({"source": "C2C", "duration": 23, "billing": 5}, 5),
        ({"source": "C2C", "duration": 23}, 23),
        ({"source": "C2C", "billing": "5"}, 5),
    ],
)
def test_duration_in_c2c_is_the_shorter_leg(members: dict[str, Any], seconds: int | None) -> None:
    """A conversation needs both legs."""
    assert report_of(members).duration_s == seconds


@pytest.mark.parametrize("start", [None, "", "0", 0, "0000-00-00 00:00:00", "null", "-"])
@pytest.mark.parametrize(
    "ends",
    [
        {"end_at": "2021-04-09 16:27:55", "date": "2020-01-01 00:00:00", "unixtime": "1653455555"},
        {"end_at": "0000-00-00 00:00:00", "date": "2021-04-09 16:27:55"},
        {"end_at": None, "date": "", "unixtime": "1617965875"},
    ],
)
@pytest.mark.parametrize("word", ["BUSY", "NO ANSWER", "CANCEL", "CONGESTION"])
def test_end_replaces_missing_start_of_call_not_picked_up(
    word: str, ends: dict[str, Any], start: object
) -> None:
    """The first of ``end_at``, ``date`` and ``unixtime`` that is a time."""
    members = {"status": word, "start_at": start, **ends}
    assert report_of(members).started_at_ms == STARTED + 16_000


@pytest.mark.parametrize("word", ["ANSWER", "COMPLETED", "RECEIVED", "MISSED", "?", ""])
def test_end_does_not_replace_start_of_other_calls(word: str) -> None:
    """An answered call needs its start, and so does one without a result."""
    ends = {"end_at": "2021-04-09 16:27:55", "date": "2021-04-09 16:27:55", "unixtime": 1617965875}
    assert report_of({"status": word, "start_at": None, **ends}).started_at_ms is None


def test_start_takes_precedence_over_end() -> None:
    """However far they are apart."""
    members = {"status": "BUSY", "start_at": "2021-04-08 16:27:39", "end_at": "2021-04-09 16:27:55"}
    assert report_of(members).started_at_ms == STARTED - 86_400_000
