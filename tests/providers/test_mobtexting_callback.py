"""Reading Mobtexting's callbacks: docs/provider.md, section 3."""

import json
import string
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.callback_bodies import as_multipart

from otpvoice.core.verification import CallReason, CallStatus, Route, normalize_status_word
from otpvoice.http_client import HttpClient
from otpvoice.providers.base import (
    Callback,
    CallbackError,
    CallbackParseError,
    CallReport,
)
from otpvoice.providers.message_body import decode_body
from otpvoice.providers.mobtexting.callback import CallbackFormat, parse_report
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.mobtexting.vocabulary import _MEANINGS, STATUS_WORDS, StatusWords

SECRET = "hook-secret"
BEARER = f"Bearer {SECRET}"
HTTP = HttpClient()
INDIA = ZoneInfo("Asia/Kolkata")

# The documented callbacks, byte for byte but for the digits that the vendor crossed out.
C2C = b"""{
"bridge": 918068280000,
"from": 918919520000,
"to": 918867130000,
"source": "C2C",
"start_at": "2021-04-09 16:27:39",
"end_at": "2021-04-09 16:27:55",
"date": "2021-04-09 16:27:55",
"unixtime": "1653455555",
"duration": "23",
"billing": "23",
"status": "COMPLETED",
"status1": "RECEIVED",
"status2": "ANSWER",
"recording_url": "https://youraudiofilelocation/",
"hangup_by": "caller"
}"""
OBD = (
    b'{"bridge":918068280000,"from":918068280000,"to":918867130000,"source":"OBD",'
    b'"mid":"1234-1333-XXXXX","flow_id":123,"start_at":"2021-04-09 16:27:39",'
    b'"end_at":"2021-04-09 16:27:55","duration":"23","status":"ANSWER","recording_url":null}'
)
STARTED = 1617965859_000  # 2021-04-09 10:57:39 UTC = 16:27:39 in Kolkata

C2C_REPORT = CallReport(
    ids=(),
    route=Route.C2C,
    bridge="918068280000",
    number="+918919520000",
    status=CallStatus.ANSWERED,
    reason=None,
    raw="RECEIVED",
    started_at_ms=STARTED,
    duration_s=23,
)
OBD_REPORT = CallReport(
    ids=("1234-1333-XXXXX",),
    route=Route.OBD,
    bridge="918068280000",
    number="+918867130000",
    status=CallStatus.ANSWERED,
    reason=None,
    raw="ANSWER",
    started_at_ms=STARTED,
    duration_s=23,
)
NOTHING = CallReport((), None, None, None, CallStatus.UNKNOWN, None, None, None, None)


def provider(**settings: Any) -> Mobtexting:
    """Build the adapter with one known secret."""
    usual = {"base_url": "http://x/", "token": "t", "http": HTTP, "webhook_secrets": (SECRET,)}
    return Mobtexting(**{**usual, **settings})


def parse_one(
    body: bytes = b"", query: dict[str, str] | None = None, **settings: Any
) -> CallReport:
    """Read a callback that shows the right secret."""
    (told,) = parse_all(body, query, **settings)
    return told


def parse_all(
    body: bytes, query: dict[str, str] | None = None, **settings: Any
) -> tuple[CallReport, ...]:
    """Read a callback that holds any number of messages."""
    told = provider(**settings).parse_callback(Callback(body, query or {}, authorization=BEARER))
    assert isinstance(told, tuple)
    return told


def report_of(**members: Any) -> CallReport:
    """Read the members of a message, whether it names a call or not."""
    return parse_report(decode_body(json.dumps(members).encode()), CallbackFormat(INDIA))


# Shapes


def test_c2c_as_documented() -> None:
    """C2C: the person is ``from``, and picked up."""
    assert parse_one(C2C) == C2C_REPORT


def test_obd_as_documented() -> None:
    """OBD: the person is ``to``, and ``mid`` names the call."""
    assert parse_one(OBD) == OBD_REPORT


@pytest.mark.parametrize(("body", "report"), [(C2C, C2C_REPORT), (OBD, OBD_REPORT)])
def test_same_in_every_shape(body: bytes, report: CallReport) -> None:
    """Integers or strings, with or without +, JSON, form or query string: the same is said."""
    members = {name: str(value) for name, value in json.loads(body).items()}
    plus = {**members, "bridge": f"+{members['bridge']}", "from": f"+{members['from']}"}
    spaced = {name: f" {value} " for name, value in members.items()}
    for told in (members, plus, spaced):
        assert parse_one(json.dumps(told).encode()) == report
        assert parse_one(urlencode(told).encode()) == report
        assert parse_one(query=told) == report
    assert parse_one(b"\xef\xbb\xbf\n " + body) == report
    assert parse_one(body.replace(b"\n}", b",\n}").replace(b"null}", b"null , }")) == report


def test_unencoded_plus_in_a_form() -> None:
    """A + that a form did not encode comes as a space and is no harm."""
    assert parse_one(b"source=OBD&to=+918867130000&").number == "+918867130000"


def test_body_wins_over_query() -> None:
    """What body and query string both tell is taken from the body."""
    told = parse_one(b'{"status": "BUSY"}', {"status": "ANSWER", "id": "abc"})
    assert (told.status, told.ids) == (CallStatus.BUSY, ("abc",))


def test_repeated_member() -> None:
    """Of a repeated member the last counts."""
    assert parse_one(b'{"id": "x", "status": "ANSWER", "status": "BUSY"}').status is CallStatus.BUSY
    assert parse_one(b"id=x&status=ANSWER&status=BUSY").status is CallStatus.BUSY


def test_missing_and_unknown_members() -> None:
    """What is missing is not told, and what is unknown is passed over."""
    assert report_of(hello="world", webhook_id=7) == NOTHING


@pytest.mark.parametrize("value", [None, True, [], {}, ["x"], {"x": 1}, "", "?", 1e300, -1])
def test_members_that_make_no_sense(value: object) -> None:
    """A member that makes no sense is not told; the others are."""
    names = ("bridge", "from", "to", "source", "mid", "start_at", "duration", "billing")
    told = report_of(**dict.fromkeys(names, value), status="BUSY")
    assert asdict(told) | {"ids": ()} == asdict(NOTHING) | {
        "status": CallStatus.BUSY,
        "raw": "BUSY",
    }


def test_trailing_commas_leave_texts_alone() -> None:
    """Only commas outside of texts are taken for trailing ones."""
    told = parse_one(rb'{"id": "a", "x": ["b,]", ",}", "\",}",], "status": ",} ,]" , }')
    assert told.raw == ",} ,]"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{}",
        b"{,}",
        b"[]",
        b"[5]",
        b"[{}]",
        b'{"data": []}',
        b'{"data": {}, "event": "ANSWER"}',
        b'[{"status": "ANSWER"}]',
        b'{"status": "ANSWER"}',
        b'{"status": "ANSWER", "source": "OBD", "from": "918919520000"}',
        b'{"status": "ANSWER", "to": "918867130000", "from": "918919520000"}',
        b"status=ANSWER&mid=%7B%7Bid%7D%7D",
        b'{"status": "ANSWER"',
        b'{"status": ANSWER}',
        b'{"status": "ANSWER",,}',
        b'"ANSWER"',
        b"null",
        b"ANSWER",
        b"\xff\xfe=\xff",
        b'{"status": "\xff"}',
        b'{"a":' * 4000,
        b"[" * 16_000,
        b"&".join([b"a=b"] * 200),
        b'{"' + b'\\"' * 8_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_unreadable(body: bytes) -> None:
    """What is neither an object nor a form, or names no call, is unreadable."""
    with pytest.raises(CallbackParseError) as caught:
        parse_one(body)
    assert "ANSWER" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5_000, "-0"])
def test_strange_numbers(number: str) -> None:
    """Numbers that are none, or too large, are not told; the rest of the callback counts."""
    told = parse_one(
        f'{{"id": "x", "duration": {number}, "to": {number}, "status": "BUSY"}}'.encode()
    )
    assert (told.duration_s, told.number, told.status) == (None, None, CallStatus.BUSY)


# Words


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("ANSWER", CallStatus.ANSWERED, None),
        ("COMPLETED", CallStatus.ANSWERED, None),
        ("RECEIVED", CallStatus.ANSWERED, None),
        ("MISSED", CallStatus.UNKNOWN, None),
        ("BUSY", CallStatus.BUSY, None),
        ("NOANSWER", CallStatus.NO_ANSWER, None),
        ("CANCEL", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("CONGESTION", CallStatus.FAILED, None),
        ("CHANUNAVAIL", CallStatus.FAILED, None),
        ("answer", CallStatus.ANSWERED, None),
        ("HANGUP", CallStatus.UNKNOWN, None),
        ("ANSWERED", CallStatus.ANSWERED, None),
        ("NO ANSWER", CallStatus.NO_ANSWER, None),
        ("no-answer", CallStatus.NO_ANSWER, None),
        ("No_Answered", CallStatus.NO_ANSWER, None),
        ("CANCELLED", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("canceled", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("FAILED", CallStatus.FAILED, None),
        ("DND", CallStatus.FAILED, None),
        ("SWITCHED OFF", CallStatus.FAILED, None),
        ("SwitchedOff", CallStatus.FAILED, None),
        ("NOT REACHABLE", CallStatus.FAILED, None),
        ("USER BUSY", CallStatus.BUSY, None),
        ("BUSY_LEG1", CallStatus.BUSY, None),
        ("LEG1-BUSY", CallStatus.BUSY, None),
        ("CANCEL_LEG1", CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("ANSWERED_LEG1", CallStatus.ANSWERED, None),
        ("BUSY_LEG2", CallStatus.UNKNOWN, None),
        ("NOANSWER_LEG2", CallStatus.UNKNOWN, None),
        ("{{status}}", CallStatus.UNKNOWN, None),
    ],
)
@pytest.mark.parametrize("source", ["OBD", "C2C", None])
def test_status(
    source: str | None, word: str, status: CallStatus, reason: CallReason | None
) -> None:
    """Each word means what the table says, on every route; the word itself is kept."""
    told = report_of(source=source, status=word)
    assert (told.status, told.reason, told.raw) == (status, reason, word)


@pytest.mark.parametrize("members", [{}, {"status": None}, {"status": ""}, {"status": ["BUSY"]}])
def test_no_status(members: dict[str, Any]) -> None:
    """No word is unknown, never "not answered"."""
    told = report_of(source="OBD", **members)
    assert (told.status, told.raw) == (CallStatus.UNKNOWN, None)


@pytest.mark.parametrize(
    ("status1", "status", "ours", "raw"),
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
def test_two_legs(status1: str | None, status: str | None, ours: CallStatus, raw: str) -> None:
    """Either word may prove that the person picked up; else their own leg tells more."""
    told = report_of(source="C2C", status1=status1, status=status, status2="CHANUNAVAIL")
    assert (told.status, told.raw) == (ours, raw)


def test_raw_is_short_and_printable() -> None:
    """The kept word has at most 40 characters, and none that could forge a log line."""
    assert report_of(status="A\nB\x1b[31m\u202e\ud800C" + "x" * 99).raw == "AB[31mC" + "x" * 33


# Which call, whose, when, how long


def test_ids() -> None:
    """A composed id comes first, then theirs; tails are cut, repeats dropped, strange ones too."""
    assert report_of(id="call_0a", mid="70fa-87:1", callId="70fa-87:12").ids == (
        "call_0a",
        "70fa-87",
    )
    assert report_of(id=71, mid="{{id}}", callId="x" * 65).ids == ("71",)
    assert report_of(id="a b", mid=":1", callId="a:b").ids == ()


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
    ],
)
def test_number(members: dict[str, Any], number: str | None) -> None:
    """Without a source it is the one number beside the bridge; of two, neither."""
    assert report_of(**members).number == number


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("Asia/Kolkata", "2021-04-09 16:27:39", STARTED),
        ("UTC", "2021-04-09 10:57:39", STARTED),
        ("America/New_York", "2021-04-09 06:57:39", STARTED),
        ("Asia/Kolkata", "2021-04-09T10:57:39.054164Z", STARTED + 54),
        ("Asia/Kolkata", "0000-00-00 00:00:00", None),
        ("Asia/Kolkata", "2021-02-30 00:00:00", None),
        ("Asia/Kolkata", "1617965859", STARTED),
        ("Asia/Kolkata", 1617965859000, STARTED),
        ("Asia/Kolkata", 1617965859.0, STARTED),
        ("Asia/Kolkata", "09/04/2021 04:27:39 PM", STARTED),
        ("UTC", "09/04/2021 16:27:39 IST", STARTED),
        ("America/New_York", "9999-12-31 23:59:59", 253402318799_000),
    ],
)
def test_started_at(zone: str, text: object, moment: int | None) -> None:
    """A time without a zone is in the set one."""
    assert (
        parse_one(json.dumps({"id": "x", "start_at": text}).encode(), timezone=zone).started_at_ms
        == moment
    )


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
def test_duration(members: dict[str, Any], seconds: int | None) -> None:
    """In C2C the shorter leg is the conversation: both have to be there."""
    assert report_of(**members).duration_s == seconds


@pytest.mark.parametrize("start", [None, "", "0", 0, "0000-00-00 00:00:00", "null", "-"])
@pytest.mark.parametrize(
    "ends",
    [
        {"end_at": "2021-04-09 16:27:55", "date": "2020-01-01 00:00:00", "unixtime": "1653455555"},
        {"end_at": "0000-00-00 00:00:00", "date": "2021-04-09 16:27:55"},
        {"unixtime": 1617965875},
        {"end_at": None, "date": "", "unixtime": "1617965875"},
    ],
)
@pytest.mark.parametrize("word", ["BUSY", "NO ANSWER", "CANCEL", "CONGESTION"])
def test_report_not_picked_up_without_start_end_counts(
    word: str, ends: dict[str, Any], start: object
) -> None:
    """The first of ``end_at``, ``date`` and ``unixtime`` that is a time stands in for the start."""
    assert report_of(status=word, start_at=start, **ends).started_at_ms == STARTED + 16_000


@pytest.mark.parametrize("word", ["ANSWER", "COMPLETED", "RECEIVED", "MISSED", "?", ""])
def test_report_picked_up_without_start_end_does_not_count(word: str) -> None:
    """An answer must say when the call began; so must a word without a result."""
    ends = {"end_at": "2021-04-09 16:27:55", "date": "2021-04-09 16:27:55", "unixtime": 1617965875}
    assert report_of(status=word, start_at=None, **ends).started_at_ms is None


def test_report_start_and_end_start_counts() -> None:
    """A start that is there is not replaced, however far off it is."""
    told = report_of(status="BUSY", start_at="2021-04-08 16:27:39", end_at="2021-04-09 16:27:55")
    assert told.started_at_ms == STARTED - 86_400_000


# Further words


def test_report_word_of_settings_is_result() -> None:
    """Whatever its spelling; a word of the table means what the settings say."""
    words = StatusWords({"OUT OF ZONE": CallStatus.FAILED, "Missed": CallStatus.NO_ANSWER})
    for word, status in {
        "out-of_zone": CallStatus.FAILED,
        "OUTOFZONE_LEG1": CallStatus.FAILED,
        "MISSED": CallStatus.NO_ANSWER,
        "BUSY": CallStatus.BUSY,
    }.items():
        told = parse_report({"status": word}, CallbackFormat(INDIA, words))
        assert (told.status, told.is_known_status) == (status, True)


@pytest.mark.parametrize(
    ("word", "is_known"),
    [("BUSY", True), ("MISSED", True), ("QUEUED", True), ("", True), ("OUT OF ZONE", False)],
)
def test_report_word_known_or_not(word: str, is_known: bool) -> None:
    """Only a word that is there and in no table is reported to the operator."""
    assert report_of(status=word).is_known_status is is_known


def test_status_words_table_is_consistent() -> None:
    """No word stands in it twice with two meanings, and none begins or ends with LEG1."""
    spelled = [word for _, words in _MEANINGS for word in words]
    assert len(STATUS_WORDS) == len({normalize_status_word(word) for word in spelled})
    assert len(STATUS_WORDS) == len(spelled)
    assert not any(word.startswith("LEG1") or word.endswith("LEG1") for word in STATUS_WORDS)


def test_status_words_documented() -> None:
    """docs/provider.md lists every word of the table, in the row of its result."""
    page = (Path(__file__).parents[2] / "docs" / "provider.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for meaning, words in _MEANINGS:
        results = [str(meaning.status), *([str(meaning.reason)] if meaning.reason else [])]
        for word in words:
            spellings = {f"`{word}`", f"`{normalize_status_word(word)}`"}
            listed = [row for row in rows if any(spelling in row for spelling in spellings)]
            assert any(all(result in row for result in results) for row in listed), word


# Anything at all

NAMES = ("id", "mid", "callId", "bridge", "from", "to", "source", "start_at", "duration",
         "billing", "status", "status1", "status2", "validation_key", "challenge")  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(string.digits + "+-:.eE {}", max_size=30),
    st.sampled_from(["C2C", "OBD", "ANSWER", "BUSY", "CANCEL", "9999-12-31 23:59:59", "key"]),
    st.datetimes().map(str),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
MEMBERS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), VALUES, max_size=12)
BODIES = st.one_of(
    MEMBERS.map(lambda members: json.dumps({"event": "x", "payload": members}).encode()),
    st.lists(MEMBERS, max_size=3).map(lambda each: json.dumps({"data": each}).encode()),
    st.tuples(MEMBERS, st.binary(max_size=40)).map(lambda each: as_multipart(each[0]) + each[1]),
    st.binary(max_size=200),
    st.text(string.printable, max_size=100).map(str.encode),
    MEMBERS.map(lambda members: json.dumps(members).encode()),
    MEMBERS.map(lambda members: json.dumps(members).replace("}", ",}").encode()),
    MEMBERS.map(lambda members: urlencode(members, errors="replace").encode()),
)


@given(body=BODIES, query=st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=3))
@example(body=b'{"start_at": "0001-01-01 00:00:00"}', query={})
@example(body=b'{"validation_key": "key", "challenge": "\\ud800"}', query={})
def test_anything(body: bytes, query: dict[str, str]) -> None:
    """Whatever comes, it is a report in our words, a challenge, or refused as a callback."""
    adapter = provider(validation_key="key", timezone="America/New_York")
    try:
        told = adapter.parse_callback(Callback(body, query, authorization=BEARER))
    except CallbackError:
        return
    ours = (CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.UNKNOWN)
    for each in told if isinstance(told, tuple) else ():
        assert each.status in {CallStatus.ANSWERED, *ours}
        assert each.ids or each.number
        assert each.number is None or each.number.removeprefix("+").isdecimal()
        assert each.raw is None or (len(each.raw) <= 40 and each.raw.isprintable())
        assert each.duration_s is None or 0 <= each.duration_s < 100_000


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
def test_number_written_as_in_its_country_is_the_person(
    written: str | int, name: str, source: str
) -> None:
    """A callback without an id finds its call by the number, however the vendor writes it."""
    members = {name: written, "source": source, "status": "BUSY"}
    fields = decode_body(json.dumps(members).encode())
    assert parse_report(fields, CallbackFormat(INDIA, region="IN")).number == "+919876543210"


def test_number_of_a_service_for_several_regions_has_its_calling_code() -> None:
    """Ten digits could belong to any of them."""
    assert parse_report({"to": "14155550123"}, CallbackFormat(INDIA)).number == "+14155550123"
    assert parse_report({"to": "09876543210"}, CallbackFormat(INDIA)).number is None


def test_bridge_written_otherwise_than_in_its_member_is_not_the_person() -> None:
    """One of both may lack the calling code."""
    fields = {"bridge": "918068280000", "from": "08068280000", "to": "9876543210"}
    assert parse_report(fields, CallbackFormat(INDIA, region="IN")).number == "+919876543210"
