"""What one call shows of all that is uncertain about the vendor."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from otpvoice.core.verification import CallStatus, Route
from otpvoice.http_client import CapturedResponse
from otpvoice.providers.exchange_capture import CapturedCallback
from otpvoice.providers.mobtexting.callback import CallbackFormat
from otpvoice.providers.mobtexting.conformance import (
    CapturedEvidence,
    CheckResult,
    CheckStatus,
    check_conformance,
)

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


def reply(body: bytes, status: int | None = 200, why: str = "") -> CapturedResponse:
    """What a request was answered."""
    return CapturedResponse("POST", "https://…/outgoing/send", status, body, why, 0.3)


def callback(members: dict[str, Any] | bytes, **changes: Any) -> CapturedCallback:
    """A message on our webhook."""
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    heard = CapturedCallback("POST", "application/json", "Bearer", False, "", body, "applied")
    return CapturedCallback(
        **{name: getattr(heard, name) for name in heard.__struct_fields__} | changes
    )


DOCUMENTED = CapturedEvidence(
    route=Route.OBD,
    call_id=CALL,
    number=NUMBER,
    sent_at_ms=SENT_AT,
    form=CallbackFormat(ZoneInfo("Asia/Kolkata")),
    status=CallStatus.ANSWERED,
    reply=reply(OBD),
    callback=callback(OBD_CALLBACK),
    callback_at_ms=SENT_AT + 12_000,
)
C2C = replace(
    DOCUMENTED,
    route=Route.C2C,
    reply=reply(b'{"callId":"%s","status":200}' % ID.encode()),
    callback=callback(C2C_CALLBACK),
)


def result_of(evidence: CapturedEvidence, name: str) -> CheckResult:
    """What is said to one question."""
    (found,) = [each for each in check_conformance(evidence) if each.name == name]
    return found


def test_a_call_as_documented_differs_in_nothing() -> None:
    """By either route."""
    for evidence in (DOCUMENTED, C2C):
        different = {
            a.name for a in check_conformance(evidence) if a.status is CheckStatus.DIFFERENT
        }
        assert different <= ({"callback.id"} if evidence is C2C else set())


def test_every_question_is_in_the_documentation() -> None:
    """And in the same order; the documentation has no other."""
    text = (Path(__file__).parents[2] / "docs" / "provider.md").read_text(encoding="utf-8")
    section = text.partition("\n## 4. ")[2]
    documented = re.findall(r"^\| `([a-z.0-9_]+)`", section, re.MULTILINE)
    ours = [each.name for each in check_conformance(DOCUMENTED)]
    assert [name for name in documented if not name.startswith("phone.")] == ours


A, D, U = CheckStatus.CONFIRMED, CheckStatus.DIFFERENT, CheckStatus.NOT_OBSERVED


@pytest.mark.parametrize(
    ("name", "changes", "verdict", "seen"),
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
        ("reply.id", {"reply": reply(b'{"status":200,"data":[{}]}')}, D, "no data[0].id"),
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
        ("callback.id", {"reply": reply(b"")}, U, "the reply had no id"),
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
def test_what_is_seen_is_told(
    name: str, changes: dict[str, Any], verdict: CheckStatus, seen: str
) -> None:
    """As assumed, different, or not seen in this call; and why."""
    found = result_of(replace(DOCUMENTED, **changes), name)
    assert (found.status, seen in found.observation) == (verdict, True), found


@pytest.mark.parametrize(
    ("status", "status1", "verdict"),
    [("BUSY", "BUSY", A), ("NOANSWER", "BUSY", D), ("COMPLETED", "RECEIVED", U), ("X", "BUSY", U)],
)
def test_of_two_legs_that_disagree_it_is_told(
    status: str, status1: str, verdict: CheckStatus
) -> None:
    """Only where nobody picked up: else either proves it."""
    members = {**C2C_CALLBACK, "status": status, "status1": status1}
    found = result_of(replace(C2C, callback=callback(members)), "callback.status1")
    assert found.status is verdict, found
    assert result_of(DOCUMENTED, "callback.status1").observation == "this call used obd"


@pytest.mark.parametrize(
    ("minutes", "verdict"), [([3, 2, 1], A), ([1, 2, 3], D), ([2, 3, 1], D), ([1], U), ([1, 1], U)]
)
def test_the_order_of_the_log_is_told(minutes: list[int], verdict: CheckStatus) -> None:
    """Only two calls that ended at different times show it."""
    log = {"status": "OK", "data": [{"end_at": f"2021-04-09 16:0{m}:00"} for m in minutes]}
    found = result_of(
        replace(C2C, query_responses=[reply(json.dumps(log).encode())]), "query.order"
    )
    assert found.status is verdict, found


@pytest.mark.parametrize(("start", "verdict"), [("16:27:43", A), ("16:27:35", D), ("", U)])
def test_what_start_at_means_is_told(start: str, verdict: CheckStatus) -> None:
    """The moment of picking up, if from there to the end it is as long as the conversation."""
    day = f"2021-04-09 {start}"
    entry = {"id": ID, "start_at": day, "end_at": "2021-04-09 16:27:55", "status": "ANSWER"}
    asked = [reply(json.dumps({"status": 200, "data": [entry]}).encode())]
    assert result_of(replace(DOCUMENTED, query_responses=asked), "query.start_at").status is verdict


HOSTILE = [
    b"",
    b"[]",
    b"null",
    b'{"status":{}}',
    b'{"data":"x","status":[]}',
    b"\xff{",
    b'{"id":1e999}',
]


@pytest.mark.parametrize("route", [*Route])
@pytest.mark.parametrize("body", HOSTILE)
def test_whatever_came_nothing_breaks_and_nothing_leaks(route: Route, body: bytes) -> None:
    """Every question is answered, and no answer holds the number."""
    evidence = replace(
        DOCUMENTED,
        route=route,
        reply=reply(body),
        callback=callback(body),
        query_responses=[reply(body)],
    )
    found = [*check_conformance(evidence)]
    assert len(found) == len([*check_conformance(DOCUMENTED)])
    assert NUMBER[1:] not in "".join(each.observation for each in found)


def test_the_number_is_in_no_answer() -> None:
    """Nor in the repr of what they are made from."""
    assert NUMBER[3:] not in repr(DOCUMENTED)
    for evidence in (DOCUMENTED, C2C):
        told = "".join(f"{each}" for each in check_conformance(evidence))
        assert NUMBER[3:] not in told
