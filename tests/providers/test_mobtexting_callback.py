"""Reading Mobtexting's callbacks: docs/provider.md, section 3."""

import json
import string
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.providers.base import (
    Callback,
    CallbackError,
    CallReport,
    UnreadableCallbackError,
)
from otpvoice.providers.http import HttpClient
from otpvoice.providers.mobtexting import Mobtexting

SECRET = "hook-secret"
BEARER = f"Bearer {SECRET}"
HTTP = HttpClient()

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
    started_at=STARTED,
    duration=23,
)
OBD_REPORT = CallReport(
    ids=("1234-1333-XXXXX",),
    route=Route.OBD,
    bridge="918068280000",
    number="+918867130000",
    status=CallStatus.ANSWERED,
    reason=None,
    raw="ANSWER",
    started_at=STARTED,
    duration=23,
)
NOTHING = CallReport((), None, None, None, CallStatus.UNKNOWN, None, None, None, None)


def provider(**settings: Any) -> Mobtexting:
    """Build the adapter with one known secret."""
    usual = {"base_url": "http://x/", "token": "t", "http": HTTP, "webhook_secrets": (SECRET,)}
    return Mobtexting(**{**usual, **settings})


def read(body: bytes = b"", query: dict[str, str] | None = None, **settings: Any) -> CallReport:
    """Read a callback that shows the right secret."""
    told = provider(**settings).read_callback(Callback(body, query or {}, authorization=BEARER))
    assert isinstance(told, CallReport)
    return told


def says(**members: Any) -> CallReport:
    """Read a JSON callback with these members."""
    return read(json.dumps(members).encode())


# Shapes


def test_c2c_as_documented() -> None:
    """C2C: the person is ``from``, and picked up."""
    assert read(C2C) == C2C_REPORT


def test_obd_as_documented() -> None:
    """OBD: the person is ``to``, and ``mid`` names the call."""
    assert read(OBD) == OBD_REPORT


@pytest.mark.parametrize(("body", "report"), [(C2C, C2C_REPORT), (OBD, OBD_REPORT)])
def test_same_in_every_shape(body: bytes, report: CallReport) -> None:
    """Integers or strings, with or without +, JSON, form or query string: the same is said."""
    members = {name: str(value) for name, value in json.loads(body).items()}
    plus = {**members, "bridge": f"+{members['bridge']}", "from": f"+{members['from']}"}
    spaced = {name: f" {value} " for name, value in members.items()}
    for told in (members, plus, spaced):
        assert read(json.dumps(told).encode()) == report
        assert read(urlencode(told).encode()) == report
        assert read(query=told) == report
    assert read(b"\xef\xbb\xbf\n " + body) == report
    assert read(body.replace(b"\n}", b",\n}").replace(b"null}", b"null , }")) == report


def test_unencoded_plus_in_a_form() -> None:
    """A + that a form did not encode comes as a space and is no harm."""
    assert read(b"source=OBD&to=+918867130000&").number == "+918867130000"


def test_body_wins_over_query() -> None:
    """What body and query string both tell is taken from the body."""
    told = read(b'{"status": "BUSY"}', {"status": "ANSWER", "id": "abc"})
    assert (told.status, told.ids) == (CallStatus.BUSY, ("abc",))


def test_repeated_member() -> None:
    """Of a repeated member the last counts."""
    assert read(b'{"status": "ANSWER", "status": "BUSY"}').status is CallStatus.BUSY
    assert read(b"status=ANSWER&status=BUSY").status is CallStatus.BUSY


def test_missing_and_unknown_members() -> None:
    """What is missing is not told, and what is unknown is passed over."""
    assert says(hello="world", webhook_id=7) == NOTHING


@pytest.mark.parametrize("value", [None, True, [], {}, ["x"], {"x": 1}, "", "?", 1e300, -1])
def test_members_that_make_no_sense(value: object) -> None:
    """A member that makes no sense is not told; the others are."""
    names = ("bridge", "from", "to", "source", "mid", "start_at", "duration", "billing")
    told = says(**dict.fromkeys(names, value), status="BUSY")
    assert asdict(told) | {"ids": ()} == asdict(NOTHING) | {
        "status": CallStatus.BUSY,
        "raw": "BUSY",
    }


def test_trailing_commas_leave_texts_alone() -> None:
    """Only commas outside of texts are taken for trailing ones."""
    told = read(rb'{"id": "a", "x": ["b,]", ",}", "\",}",], "status": ",} ,]" , }')
    assert told.raw == ",} ,]"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{}",
        b"{,}",
        b"[]",
        b'[{"status": "ANSWER"}]',
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
    """What is neither an object nor a form, or says nothing at all, is unreadable."""
    with pytest.raises(UnreadableCallbackError) as caught:
        read(body)
    assert "ANSWER" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5_000, "-0"])
def test_strange_numbers(number: str) -> None:
    """Numbers that are none, or too large, are not told; the rest of the callback counts."""
    told = read(f'{{"duration": {number}, "to": {number}, "status": "BUSY"}}'.encode())
    assert (told.duration, told.number, told.status) == (None, None, CallStatus.BUSY)


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
        ("NO ANSWER", CallStatus.UNKNOWN, None),
        ("{{status}}", CallStatus.UNKNOWN, None),
    ],
)
@pytest.mark.parametrize("source", ["OBD", "C2C", None])
def test_status(
    source: str | None, word: str, status: CallStatus, reason: CallReason | None
) -> None:
    """Each word means what the table says, on every route; the word itself is kept."""
    told = says(source=source, status=word)
    assert (told.status, told.reason, told.raw) == (status, reason, word)


@pytest.mark.parametrize("members", [{}, {"status": None}, {"status": ""}, {"status": ["BUSY"]}])
def test_no_status(members: dict[str, Any]) -> None:
    """No word is unknown, never "not answered"."""
    told = says(source="OBD", **members)
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
    told = says(source="C2C", status1=status1, status=status, status2="CHANUNAVAIL")
    assert (told.status, told.raw) == (ours, raw)


def test_raw_is_short_and_printable() -> None:
    """The kept word has at most 40 characters, and none that could forge a log line."""
    assert says(status="A\nB\x1b[31m\u202e\ud800C" + "x" * 99).raw == "AB[31mC" + "x" * 33


# Which call, whose, when, how long


def test_ids() -> None:
    """A composed id comes first, then theirs; tails are cut, repeats dropped, strange ones too."""
    assert says(id="call_0a", mid="70fa-87:1", callId="70fa-87:12").ids == ("call_0a", "70fa-87")
    assert says(id=71, mid="{{id}}", callId="x" * 65).ids == ("71",)
    assert says(id="a b", mid=":1", callId="a:b").ids == ()


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
    assert says(**members).number == number


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("Asia/Kolkata", "2021-04-09 16:27:39", STARTED),
        ("UTC", "2021-04-09 10:57:39", STARTED),
        ("America/New_York", "2021-04-09 06:57:39", STARTED),
        ("Asia/Kolkata", "2021-04-09T10:57:39.054164Z", STARTED + 54),
        ("Asia/Kolkata", "0000-00-00 00:00:00", None),
        ("Asia/Kolkata", "2021-02-30 00:00:00", None),
        ("Asia/Kolkata", "1653455555", None),
        ("America/New_York", "9999-12-31 23:59:59", 253402318799_000),
    ],
)
def test_started_at(zone: str, text: str, moment: int | None) -> None:
    """A time without a zone is in the set one."""
    assert read(json.dumps({"start_at": text}).encode(), timezone=zone).started_at == moment


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
    assert says(**members).duration == seconds


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
        told = adapter.read_callback(Callback(body, query, authorization=BEARER))
    except CallbackError:
        return
    if isinstance(told, CallReport):
        ours = (CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.UNKNOWN)
        assert told.status in {CallStatus.ANSWERED, *ours}
        assert told.number is None or told.number.removeprefix("+").isdecimal()
        assert told.raw is None or (len(told.raw) <= 40 and told.raw.isprintable())
        assert told.duration is None or 0 <= told.duration < 100_000
