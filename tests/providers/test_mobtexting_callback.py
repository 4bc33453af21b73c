"""Callbacks of Mobtexting in every encoding and envelope: mobtexting.md, section 3."""

import json
import string
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from providers.samples import BEARER, adapter, parse, parse_one
from support.callback_bodies import BOUNDARY, ENCODINGS, Encode, as_json, as_multipart

from otpvoice.core.verification import CallStatus
from otpvoice.providers.base import (
    Callback,
    CallbackError,
    CallbackParseError,
    CallReport,
    Challenge,
)
from otpvoice.providers.mobtexting.callback import MAX_MESSAGES, CallbackFormat
from otpvoice.providers.mobtexting.modes import Mode

# The documented callbacks, byte for byte, except for the digits that the provider masked.
DOCUMENTED_C2C = b"""{
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
DOCUMENTED_OBD = (
    b'{"bridge":918068280000,"from":918068280000,"to":918867130000,"source":"OBD",'
    b'"mid":"1234-1333-XXXXX","flow_id":123,"start_at":"2021-04-09 16:27:39",'
    b'"end_at":"2021-04-09 16:27:55","duration":"23","status":"ANSWER","recording_url":null}'
)
STARTED = 1617965859_000  # 2021-04-09 10:57:39 UTC = 16:27:39 in Kolkata

C2C_REPORT = CallReport(
    ids=(),
    mode=Mode.C2C,
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
    mode=Mode.OBD,
    bridge="918068280000",
    number="+918867130000",
    status=CallStatus.ANSWERED,
    reason=None,
    raw="ANSWER",
    started_at_ms=STARTED,
    duration_s=23,
)
COMPOSED = {"id": "70fa-87:1", "to": "918867130000", "status": "NO ANSWER", "duration": "0"}
C2C = {
    "bridge": 918068280000,
    "from": 918919520000,
    "to": "flow:220",
    "source": "C2C",
    "start_at": "09/04/2021 04:27:39 PM",
    "duration": "23",
    "billing": None,
    "status": "Completed",
    "status1": "received",
}


# Encodings


@pytest.mark.parametrize(
    ("body", "report"), [(DOCUMENTED_C2C, C2C_REPORT), (DOCUMENTED_OBD, OBD_REPORT)]
)
def test_documented_callback_in_any_encoding(body: bytes, report: CallReport) -> None:
    """Integers or strings, with or without +, JSON, form or query string."""
    assert parse_one(body) == report
    members = {name: str(value) for name, value in json.loads(body).items()}
    plus = {**members, "bridge": f"+{members['bridge']}", "from": f"+{members['from']}"}
    spaced = {name: f" {value} " for name, value in members.items()}
    for each in (members, plus, spaced):
        assert parse_one(json.dumps(each).encode()) == report
        assert parse_one(urlencode(each).encode()) == report
        assert parse_one(query=each) == report
    assert parse_one(b"\xef\xbb\xbf\n " + body) == report
    assert parse_one(body.replace(b"\n}", b",\n}").replace(b"null}", b"null , }")) == report


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_message_in_any_envelope_has_the_same_report(encode: Encode) -> None:
    """A challenge may be in an envelope, too."""
    composed = parse_one(encode(COMPOSED))
    assert (composed.ids, composed.number) == (("70fa-87",), "+918867130000")
    assert (composed.status, composed.raw) == (CallStatus.NO_ANSWER, "NO ANSWER")
    c2c = parse_one(encode(C2C))
    assert (c2c.ids, c2c.mode, c2c.number) == ((), Mode.C2C, "+918919520000")
    assert (c2c.bridge, c2c.started_at_ms) == ("918068280000", STARTED)
    assert (c2c.status, c2c.duration_s) == (CallStatus.ANSWERED, 23)
    challenge = {"validation_key": "key", "challenge": "a234qwe"}
    assert parse(encode(challenge), validation_key="key") == Challenge("a234qwe")


def test_unencoded_plus_in_a_form_is_a_space() -> None:
    """It does not change the number."""
    assert parse_one(b"source=OBD&to=+918867130000&").number == "+918867130000"


def test_last_of_repeated_members_counts() -> None:
    """In JSON and in a form."""
    assert parse_one(b'{"id": "x", "status": "ANSWER", "status": "BUSY"}').status is CallStatus.BUSY
    assert parse_one(b"id=x&status=ANSWER&status=BUSY").status is CallStatus.BUSY


def test_trailing_commas_within_texts_are_kept() -> None:
    """Only commas outside of texts are removed."""
    report = parse_one(rb'{"id": "a", "x": ["b,]", ",}", "\",}",], "status": ",} ,]" , }')
    assert report.raw == ",} ,]"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5_000, "-0"])
def test_number_out_of_range_counts_as_missing(number: str) -> None:
    """The rest of the callback counts."""
    report = parse_one(
        f'{{"id": "x", "duration": {number}, "to": {number}, "status": "BUSY"}}'.encode()
    )
    assert (report.duration_s, report.number, report.status) == (None, None, CallStatus.BUSY)


# Several messages


@pytest.mark.parametrize(
    "wrapped",
    [
        [COMPOSED, C2C],
        {"data": [COMPOSED, C2C]},
        {"event": "x", "payload": {"calls": [COMPOSED, C2C]}},
        [{"event": "x", "payload": COMPOSED}, {"event": "x", "payload": C2C}],
        [COMPOSED, {"data": [C2C]}],
    ],
)
def test_every_message_is_reported(wrapped: object) -> None:
    """One callback may report several calls, in their order."""
    reports = parse(as_json(wrapped))
    assert isinstance(reports, tuple)
    assert [each.number for each in reports] == ["+918867130000", "+918919520000"]


def test_query_string_belongs_to_every_message() -> None:
    """A message's own member takes precedence."""
    query = {"id": "from-the-query", "source": "C2C", "token": "x"}
    reports = parse(as_json([COMPOSED, C2C]), query)
    assert isinstance(reports, tuple)
    assert [each.ids for each in reports] == [("70fa-87",), ("from-the-query",)]
    split = parse_one(b'{"status": "BUSY"}', {"id": "from-the-query", "status": "ANSWER"})
    assert (split.ids, split.status) == (("from-the-query",), CallStatus.BUSY)


# Invalid callbacks


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"[{}]",
        b'{"data": {}, "event": "ANSWER"}',
        b'{"status": "ANSWER"}',
        b'{"status": "ANSWER", "source": "OBD", "from": "918919520000"}',
        b'{"status": "ANSWER", "to": "918867130000", "from": "918919520000"}',
        b"status=ANSWER&mid=%7B%7Bid%7D%7D",
        b'{"status": "ANSWER"',
        b"null",
        b"ANSWER",
        b"\xff\xfe=\xff",
        b'{"status": "\xff"}',
        b'{"a":' * 4000,
        b"&".join([b"a=b"] * 200),
        b'{"' + b'\\"' * 8_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_callback_without_message_is_refused(body: bytes) -> None:
    """Neither an object nor a form, or no call is named; the error shows no content."""
    with pytest.raises(CallbackParseError) as caught:
        parse_one(body)
    assert "ANSWER" not in str(caught.value)


@pytest.mark.parametrize(
    "wrapped",
    [
        [COMPOSED] * (MAX_MESSAGES + 1),
        [COMPOSED, 5],
        [COMPOSED, None],
        [COMPOSED, {}],
        [COMPOSED, {"status": "BUSY"}],
        [[[[COMPOSED]]]],
        {"a": {"b": {"c": {"d": COMPOSED}}}},
        {"one": COMPOSED, "two": C2C},
        {"payload": {"status": "BUSY"}},
        {"payload": {"id": "70fa-87"}},
        {"payload": json.dumps(COMPOSED)[:-1]},
        {"payload": "[" * 5_000},
        {"call": "70fa-87", "result": "BUSY"},
    ],
    ids=lambda each: json.dumps(each)[:30],
)
def test_callback_with_ambiguous_envelope_is_refused(wrapped: object) -> None:
    """Too many, too deep or incomplete: the whole callback is refused."""
    with pytest.raises(CallbackParseError) as caught:
        parse(as_json(wrapped))
    assert "70fa" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        as_multipart({}),
        as_multipart({"status": "BUSY"}),
        as_multipart(COMPOSED)[:-60],
        as_multipart(COMPOSED).replace(b"form-data; name=", b"form-data; x="),
        as_multipart(COMPOSED).replace(b"Content-Disposition", b"X-Other"),
        as_multipart(COMPOSED).replace(b'name="', b'filename="a" ; name="'),
        as_multipart({f"member{n}": "x" for n in range(101)}),
        f"--{BOUNDARY}\r\n".encode(),
        f"--{BOUNDARY}--\r\n".encode(),
        b"--" + b"x" * 100 + b"\r\n" + as_multipart(COMPOSED),
    ],
    ids=lambda body: repr(body[-40:]),
)
def test_broken_multipart_is_refused(body: bytes) -> None:
    """Parts without an end or a name, only files, or too many."""
    with pytest.raises(CallbackParseError):
        parse(body)


@pytest.mark.parametrize(
    ("members", "missing"),
    [
        ({"status": "BUSY"}, "id, mid or callId"),
        ({"status": "BUSY", "source": "OBD", "from": "918919520000"}, "to for outbound dialling"),
        ({"status": "BUSY", "from": "918919520000", "to": "918867130000"}, "source or bridge"),
    ],
)
def test_error_names_missing_member(members: dict[str, Any], missing: str) -> None:
    """The operator learns what to add."""
    with pytest.raises(CallbackParseError, match=missing):
        parse(as_json(members))


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
def test_any_callback_is_parsed_or_refused(body: bytes, query: dict[str, str]) -> None:
    """The result is valid reports, a challenge, or a :class:`CallbackError`."""
    provider = adapter(validation_key="key", form=CallbackFormat(ZoneInfo("America/New_York")))
    try:
        parsed = provider.parse_callback(Callback(body, query, {"authorization": BEARER}))
    except CallbackError:
        return
    others = (CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.UNKNOWN)
    for each in parsed if isinstance(parsed, tuple) else ():
        assert each.status in {CallStatus.ANSWERED, *others}
        assert each.ids or each.number
        assert each.number is None or each.number.removeprefix("+").isdecimal()
        assert each.raw is None or (len(each.raw) <= 40 and each.raw.isprintable())
        assert each.duration_s is None or 0 <= each.duration_s < 100_000
