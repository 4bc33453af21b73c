"""Checks of the provider's undocumented behaviour: docs/providers/mobtexting.md, section 4."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import CapturedResponse
from otpvoice.providers.base import CallQuery
from otpvoice.providers.conformance import CheckResult, CheckStatus
from otpvoice.providers.exchange_capture import CapturedCallback
from otpvoice.providers.mobtexting.callback import CallbackFormat
from otpvoice.providers.mobtexting.conformance import MobtextingEvidence, check_conformance
from otpvoice.providers.mobtexting.modes import Mode

ID = "70fa87e0-9df9-4327-bc80-a561c48703d8"
CALL = "call_0123456789abcdef0123456789abcdef"
NUMBER = "+918919525224"
SENT_AT = 1_617_965_859_000
"""2021-04-09 16:27:39 in India."""
OBD = b'{"status":200,"message":"1 accepted","data":[{"id":"%s:1"}]}' % ID.encode()
OBD_CALLBACK: dict[str, Any] = {
    "bridge": 918068280000,
    "from": 918068280000,
    "to": 918919525224,
    "source": "OBD",
    "mid": ID,
    "start_at": "2021-04-09 16:27:40",
    "end_at": "2021-04-09 16:27:55",
    "duration": "12",
    "status": "ANSWER",
    "recording_url": "",
}
C2C_CALLBACK: dict[str, Any] = {
    **OBD_CALLBACK,
    "from": 918919525224,
    "to": "flow:24",
    "source": "C2C",
    "billing": "12",
    "status": "COMPLETED",
    "status1": "RECEIVED",
}
del C2C_CALLBACK["mid"]


def reply(body: bytes, status: int | None = 200, error: str = "") -> CapturedResponse:
    """Return the captured reply to a request."""
    return CapturedResponse("POST", "https://…/outgoing/send", status, body, error, 0.3)


def callback(members: dict[str, Any] | bytes, **changes: Any) -> CapturedCallback:
    """Return a captured callback."""
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    default = CapturedCallback("POST", "application/json", "Bearer", False, "", body, "applied")
    return CapturedCallback(
        **{name: getattr(default, name) for name in default.__struct_fields__} | changes
    )


DOCUMENTED = MobtextingEvidence(
    query=CallQuery(CALL, Mode.OBD, NUMBER, "918068280000", ID, SENT_AT),
    form=CallbackFormat(ZoneInfo("Asia/Kolkata")),
    status=CallStatus.ANSWERED,
    reply=reply(OBD),
    callback=callback(OBD_CALLBACK),
    callback_at_ms=SENT_AT + 12_000,
)
WITHOUT_ID = replace(DOCUMENTED.query, provider_id=None)
C2C = replace(
    DOCUMENTED,
    query=replace(DOCUMENTED.query, mode=Mode.C2C),
    reply=reply(b'{"callId":"%s","status":200}' % ID.encode()),
    callback=callback(C2C_CALLBACK),
)


def result_of(evidence: MobtextingEvidence, name: str) -> CheckResult:
    """Return the result of one check."""
    (result,) = [each for each in check_conformance(evidence) if each.name == name]
    return result


def test_documented_call_has_no_difference() -> None:
    """By either route; C2C has no documented id in its callback."""
    for evidence in (DOCUMENTED, C2C):
        different = {
            a.name for a in check_conformance(evidence) if a.status is CheckStatus.DIFFERENT
        }
        assert different <= ({"callback.id"} if evidence is C2C else set())


def test_every_check_is_documented() -> None:
    """In the same order, and no other."""
    text = (Path(__file__).parents[2] / "docs" / "providers" / "mobtexting.md").read_text(
        encoding="utf-8"
    )
    section = text.partition("\n## 4. ")[2]
    documented = re.findall(r"^\| `([a-z.0-9_]+)`", section, re.MULTILINE)
    names = [each.name for each in check_conformance(DOCUMENTED)]
    assert [name for name in documented if not name.startswith("phone.")] == names


A, D, U = CheckStatus.CONFIRMED, CheckStatus.DIFFERENT, CheckStatus.NOT_OBSERVED


@pytest.mark.parametrize(
    ("name", "changes", "status", "observation"),
    [
        ("reply.accepts", {"reply": reply(b'{"status":"OK"}')}, A, "as OBD, newer"),
        ("reply.accepts", {"reply": reply(b"<html>")}, D, "unknown format"),
        ("reply.accepts", {"reply": reply(b"", None, "TimeoutError")}, U, "TimeoutError"),
        ("reply.accepts", {"reply": None}, U, "none captured"),
        ("reply.accepts", {"reply": reply(b"{}", 401)}, U, "HTTP 401"),
        ("reply.refuses", {"reply": reply(b'{"status":401}')}, A, "status 401"),
        ("reply.refuses", {"reply": reply(b'{"status":"no"}')}, D, "text of 2 characters"),
        ("reply.refuses", {"reply": reply(b'{"status":401}', 401)}, U, "did not refuse the call"),
        ("reply.id", {}, A, "data[0].id"),
        ("reply.id", {"query": WITHOUT_ID}, D, "no data[0].id"),
        ("callback", {}, A, "POST, 12.0 s after the request"),
        ("callback", {"callback": None, "callback_at_ms": None}, U, "callback.unauthorized"),
        ("callback.bearer", {}, A, "Bearer"),
        (
            "callback.bearer",
            {"callback": callback(OBD_CALLBACK, scheme="", has_path_token=True)},
            D,
            "the secret in the path",
        ),
        ("callback.format", {"callback": callback(b"status=ANSWER")}, D, "a form"),
        (
            "callback.format",
            {"callback": callback(b"", query="status=A")},
            D,
            "the query string only",
        ),
        ("callback.id", {}, A, "mid is the id of the reply"),
        ("callback.id", {"callback": callback({"id": CALL})}, A, "id is the id of this service"),
        ("callback.id", {"callback": callback({"mid": "another"})}, D, "mid is another id"),
        ("callback.id", {"callback": callback({"status": "ANSWER"})}, D, "it has none"),
        ("callback.id", {"query": WITHOUT_ID}, U, "the reply had no id"),
        ("callback.recipient", {}, A, "to is the called number"),
        ("callback.recipient", {"callback": callback({"to": 918068280000})}, D, "12 digits"),
        ("callback.recipient", {"callback": callback({"id": "x"})}, U, "it has no to"),
        ("callback.status", {"callback": callback({"status": "RINGING"})}, D, "RINGING"),
        ("callback.status", {"callback": callback({"id": "x"})}, D, "it has none"),
        ("callback.times", {}, A, "within 2 s"),
        (
            "callback.times",
            {"form": CallbackFormat(ZoneInfo("UTC"))},
            D,
            "5 h 30 min after the request",
        ),
        ("callback.times", {"callback": callback({"id": "x"})}, U, "no valid start_at"),
        ("callback.duration", {}, A, "duration, 12 s"),
        ("callback.duration", {"callback": callback({"duration": "0:12"})}, D, "4 characters"),
        ("callback.duration", {"status": CallStatus.BUSY}, U, "not answered"),
        (
            "callback.recording",
            {"callback": callback({**OBD_CALLBACK, "recording_url": "https://…/1.mp3"})},
            D,
            "it has the code",
        ),
        ("query", {}, U, "no query was sent"),
        (
            "query",
            {"query_responses": [reply(b'{"status":200,"data":[]}')]},
            D,
            "was not found",
        ),
        ("query", {"query_responses": [reply(b"<html>", 404)]}, U, "no response"),
    ],
)
def test_check_reports_status_and_observation(
    name: str, changes: dict[str, Any], status: CheckStatus, observation: str
) -> None:
    """Each check of a call that differs from the documented one."""
    result = result_of(replace(DOCUMENTED, **changes), name)
    assert (result.status, observation in result.observation) == (status, True), result


@pytest.mark.parametrize(
    ("status", "status1", "expected"),
    [("BUSY", "BUSY", A), ("NOANSWER", "BUSY", D), ("COMPLETED", "RECEIVED", U), ("X", "BUSY", U)],
)
def test_disagreeing_legs_are_different(status: str, status1: str, expected: CheckStatus) -> None:
    """Only if the call was not picked up; otherwise either leg proves it."""
    members = {**C2C_CALLBACK, "status": status, "status1": status1}
    result = result_of(replace(C2C, callback=callback(members)), "callback.status1")
    assert result.status is expected, result
    assert result_of(DOCUMENTED, "callback.status1").observation == "this call used obd"


@pytest.mark.parametrize(
    ("minutes", "expected"), [([3, 2, 1], A), ([1, 2, 3], D), ([2, 3, 1], D), ([1], U), ([1, 1], U)]
)
def test_order_of_the_log_is_observed(minutes: list[int], expected: CheckStatus) -> None:
    """It needs two calls that ended at different times."""
    log = {"status": "OK", "data": [{"end_at": f"2021-04-09 16:0{m}:00"} for m in minutes]}
    result = result_of(
        replace(C2C, query_responses=[reply(json.dumps(log).encode())]), "query.order"
    )
    assert result.status is expected, result


@pytest.mark.parametrize(("start", "expected"), [("16:27:43", A), ("16:27:35", D), ("", U)])
def test_meaning_of_start_at_is_observed(start: str, expected: CheckStatus) -> None:
    """It is when the call was picked up, if the time to the end is the conversation."""
    day = f"2021-04-09 {start}"
    entry = {"id": ID, "start_at": day, "end_at": "2021-04-09 16:27:55", "status": "ANSWER"}
    responses = [reply(json.dumps({"status": 200, "data": [entry]}).encode())]
    result = result_of(replace(DOCUMENTED, query_responses=responses), "query.start_at")
    assert result.status is expected


HOSTILE = [
    b"",
    b"[]",
    b"null",
    b'{"status":{}}',
    b'{"data":"x","status":[]}',
    b"\xff{",
    b'{"id":1e999}',
]


@pytest.mark.parametrize("route", [*Mode])
@pytest.mark.parametrize("body", HOSTILE)
def test_any_content_is_checked_without_leaking(route: Mode, body: bytes) -> None:
    """Every check has a result, and no result has the number."""
    evidence = replace(
        DOCUMENTED,
        query=replace(DOCUMENTED.query, mode=route),
        reply=reply(body),
        callback=callback(body),
        query_responses=[reply(body)],
    )
    results = [*check_conformance(evidence)]
    assert len(results) == len([*check_conformance(DOCUMENTED)])
    assert NUMBER[3:] not in "".join(map(str, results))


def test_results_do_not_have_the_number() -> None:
    """The repr of the evidence does not show it either."""
    assert NUMBER[3:] not in repr(DOCUMENTED)
    for evidence in (DOCUMENTED, C2C):
        assert NUMBER[3:] not in "".join(map(str, check_conformance(evidence)))


@pytest.mark.parametrize(
    ("key", "expected", "observation"),
    [("1", A, "a key was pressed"), ("", A, "no key"), (None, D, "no dtmf")],
)
def test_key_in_a_status_query_is_observed(
    key: str | None, expected: CheckStatus, observation: str
) -> None:
    """Of a flow with a key gate; the key itself is not shown."""
    report = replace(DOCUMENTED.callback_report, key=key)
    gated = replace(DOCUMENTED, is_gated=True, query_report=report)
    result = result_of(gated, "query.key")
    assert (result.status, observation in result.observation) == (expected, True)
    assert result_of(replace(gated, is_gated=False), "query.key").status is U
    assert result_of(replace(gated, query_report=None), "query.key").status is U
