"""Callbacks in every body and envelope: docs/provider.md, section 3."""

import json
from typing import Any

import pytest
from support.callback_bodies import BOUNDARY, ENCODINGS, Encode, as_json, as_multipart

from otpvoice.core.verification import CallStatus, Route
from otpvoice.providers.base import (
    Callback,
    CallbackParseError,
    CallReport,
    Challenge,
)
from otpvoice.providers.message_body import describe_types
from otpvoice.providers.mobtexting.callback import MAX_MESSAGES
from otpvoice.providers.mobtexting.provider import Mobtexting

SECRET = "hook-secret"
ADAPTER = Mobtexting(
    base_url="http://x/", token="t", webhook_secrets=(SECRET,), validation_key="key"
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


def parse(body: bytes, query: dict[str, str] | None = None) -> tuple[CallReport, ...] | Challenge:
    """Parse a callback with the right secret."""
    return ADAPTER.parse_callback(Callback(body, query or {}, authorization=f"Bearer {SECRET}"))


@pytest.mark.parametrize("wrap", ENCODINGS.values(), ids=ENCODINGS)
def test_read_callback_any_wrapping_same_report(wrap: Encode) -> None:
    """Whatever it is written in or wrapped in, the same is reported."""
    (composed,) = expect_reports(parse(wrap(COMPOSED)))
    assert (composed.ids, composed.number) == (("70fa-87",), "+918867130000")
    assert (composed.status, composed.raw) == (CallStatus.NO_ANSWER, "NO ANSWER")
    (c2c,) = expect_reports(parse(wrap(C2C)))
    assert (c2c.ids, c2c.route, c2c.number) == ((), Route.C2C, "+918919520000")
    assert (c2c.bridge, c2c.started_at_ms) == ("918068280000", 1617965859_000)
    assert (c2c.status, c2c.duration_s) == (CallStatus.ANSWERED, 23)


def expect_reports(read: tuple[CallReport, ...] | Challenge) -> tuple[CallReport, ...]:
    """Return the reports; a challenge fails the test."""
    assert isinstance(read, tuple)
    return read


@pytest.mark.parametrize("wrap", ENCODINGS.values(), ids=ENCODINGS)
def test_read_callback_challenge_in_any_wrapping_answered(wrap: Encode) -> None:
    """The challenge of a new webhook may be wrapped as callbacks are."""
    assert parse(wrap({"validation_key": "key", "challenge": "a234qwe"})) == Challenge("a234qwe")


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
def test_read_callback_several_messages_each_reported(wrapped: object) -> None:
    """One callback may report several calls, in their order."""
    reports = expect_reports(parse(as_json(wrapped)))
    assert [each.number for each in reports] == ["+918867130000", "+918919520000"]


def test_read_callback_query_belongs_to_every_message() -> None:
    """What the address says holds for each, and a message's own member wins."""
    reports = expect_reports(
        parse(as_json([COMPOSED, C2C]), {"id": "from-the-query", "source": "C2C", "token": "x"})
    )
    assert [each.ids for each in reports] == [("70fa-87",), ("from-the-query",)]
    (split,) = expect_reports(parse(b'{"status": "BUSY"}', {"id": "from-the-query"}))
    assert (split.ids, split.status) == (("from-the-query",), CallStatus.BUSY)


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
def test_read_callback_not_understood_refused(wrapped: object) -> None:
    """Too many, too deep, ambiguous or incomplete: all of the callback is refused, nothing half."""
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
def test_read_callback_broken_multipart_refused(body: bytes) -> None:
    """Parts without an end or a name, only files, or too many: unreadable, never half of it."""
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
def test_read_callback_no_call_named_says_what_is_missing(
    members: dict[str, Any], missing: str
) -> None:
    """The provider's operator reads what to add."""
    with pytest.raises(CallbackParseError, match=missing):
        parse(as_json(members))


@pytest.mark.parametrize("wrap", ENCODINGS.values(), ids=ENCODINGS)
def test_shape_any_wrapping_no_values(wrap: Encode) -> None:
    """Names and types of members, no value of any: not a number, id, time or word."""
    shown = "\n".join(describe_types(wrap(COMPOSED)) + describe_types(wrap(C2C)))
    assert "status" in shown or "payload" in shown
    for value in [*COMPOSED.values(), *C2C.values()]:
        assert value is None or str(value) == "0" or str(value) not in shown


def test_shape_many_members_bounded() -> None:
    """A log line is not as long as a body may be."""
    lines = describe_types(as_json({f"a{n % 10}" * (n // 10 + 1): n for n in range(200)}))
    assert len(lines) == 21
    assert lines[-1] == "and more"
