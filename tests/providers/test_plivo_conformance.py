"""What one call shows of Plivo: docs/providers/plivo.md, section 8."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from providers.plivo_samples import (
    CALL_ID,
    CALL_UUID,
    FIRED,
    LINE,
    NUMBER,
    RECORD,
    REQUEST_UUID,
    encode_form,
    hangup_form,
)

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import CapturedResponse, HttpResponse
from otpvoice.providers.base import CallQuery
from otpvoice.providers.conformance import CheckResult, CheckStatus
from otpvoice.providers.exchange_capture import CapturedAnswer, CapturedCallback
from otpvoice.providers.plivo.conformance import PlivoEvidence, check_conformance
from otpvoice.providers.plivo.queries import fetch_report

C, D, U = CheckStatus
SENT_AT_MS = round(datetime(2026, 11, 30, 12, 22, tzinfo=UTC).timestamp() * 1000)
QUERY = CallQuery(CALL_ID, "", f"+{NUMBER}", LINE, REQUEST_UUID, SENT_AT_MS)
FORM = "application/x-www-form-urlencoded"
SIGNED = ("x-plivo-signature-v3", "x-plivo-signature-v3-nonce")
FETCHED = CapturedAnswer("POST", FORM, SIGNED, b"", "found")
KEY = CapturedAnswer("POST", "", (), b"", "speak", is_key=True)


def reply(members: Any, status: int = 201) -> CapturedResponse:
    """Return the captured reply to a request for a call."""
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    return CapturedResponse(
        "POST", "https://api.plivo.com/v1/Account/MA/Call/", status, body, "", 1
    )


def callback(headers: tuple[str, ...] = SIGNED, **changes: str | None) -> dict[str, Any]:
    """Return the evidence of a callback; None leaves a member out."""
    body = encode_form(hangup_form(**{"BillDuration": "19", **changes}))
    return {"callback": CapturedCallback("POST", FORM, "", False, "", body, "applied", headers)}


def queried(*pages: Any) -> dict[str, Any]:
    """Return the evidence of status queries that lead to these responses; None: 404."""
    captured: list[CapturedResponse] = []
    rest = [*pages]

    def get(path: str) -> HttpResponse:
        page = rest.pop(0)
        status, body = (404, b"{}") if page is None else (200, json.dumps(page).encode())
        url = f"https://api.plivo.com/v1/Account/MA/{path}"
        captured.append(CapturedResponse("GET", url, status, body, "", 0.1))
        return HttpResponse(status, body)

    report = fetch_report(QUERY, get)
    return {"query_responses": captured, "query_report": report}


DOCUMENTED = PlivoEvidence(
    query=QUERY,
    status=CallStatus.ANSWERED,
    reply=reply(FIRED),
    callback_at_ms=SENT_AT_MS + 31_000,
    answers=[FETCHED],
    **callback(),
    **queried(RECORD),
)
WITHOUT_ID = replace(QUERY, provider_id=None)
BY_NUMBERS = queried(None, {"objects": [{**RECORD, "call_uuid": CALL_UUID}]})


def result_of(evidence: PlivoEvidence, name: str) -> CheckResult:
    """Return the result of one check."""
    (result,) = [each for each in check_conformance(evidence) if each.name == name]
    return result


def test_documented_call_has_no_difference() -> None:
    """Everything but a refusal is confirmed; no number is shown."""
    results = [*check_conformance(DOCUMENTED)]
    assert {each.name: each.status for each in results if each.status is not C} == {
        "reply.refuses": U,
        "key": U,
    }
    assert not [each for each in results if NUMBER in str(each) or LINE in str(each)]


def test_every_check_is_documented() -> None:
    """In the same order, and no other."""
    page = Path(__file__).parents[2] / "docs" / "providers" / "plivo.md"
    section = page.read_text(encoding="utf-8").partition("\n## 8. ")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `([a-z.0-9_]+)`", section, re.MULTILINE)
    assert documented == [each.name for each in check_conformance(DOCUMENTED)]


@pytest.mark.parametrize(
    ("name", "changes", "status", "observation"),
    [
        (
            "reply.accepts",
            {"reply": reply({"message": "call fired"}), "query": WITHOUT_ID},
            D,
            "without a request_uuid",
        ),
        ("reply.accepts", {"reply": reply({"error": "no"}, 400)}, U, "refused, HTTP 400"),
        ("reply.refuses", {"reply": reply({"error": "no"}, 400)}, C, "HTTP 400 with error"),
        ("reply.refuses", {"reply": reply(b"no", 400)}, D, "without error"),
        ("reply.id", {"reply": reply({**FIRED, "request_uuid": [REQUEST_UUID]})}, D, "a list"),
        ("document", {"answers": []}, D, "was not fetched"),
        (
            "document",
            {"answers": [FETCHED, CapturedAnswer("POST", FORM, SIGNED, b"", "fetched")]},
            D,
            "found, fetched",
        ),
        ("document", {"answers": [], "status": CallStatus.BUSY}, U, "not answered"),
        ("key", {"is_gated": True, "answers": [KEY]}, C, "speak"),
        (
            "key",
            {
                "is_gated": True,
                "answers": [KEY, CapturedAnswer("POST", "", (), b"", "pressed", is_key=True)],
            },
            D,
            "speak, pressed",
        ),
        ("key", {"is_gated": True, "answers": [FETCHED]}, U, "no key came"),
        ("callback", {"callback": None, "callback_at_ms": None}, U, "callback.unauthorized"),
        ("callback.signature", callback(("x-plivo-signature-ma-v3",)), C, "ma-v3"),
        ("callback.signature", callback(("x-plivo-signature-v2",)), U, "not captured"),
        ("callback.id", callback(RequestUUID=None), C, "ALegRequestUUID"),
        ("callback.id", callback(RequestUUID=None, ALegRequestUUID=None), D, "neither"),
        ("callback.id", callback(RequestUUID=CALL_UUID, ALegRequestUUID=CALL_UUID), D, "another"),
        ("callback.numbers", callback(To="12025550100"), D, "To is text of 11 digits"),
        ("callback.status", callback(CallStatus="vanished"), D, "vanished: the call is unknown"),
        ("callback.status", callback(CallStatus="ringing"), D, "has not ended"),
        ("callback.cause", callback(HangupCauseName=None), C, "HangupCause NORMAL_CLEARING"),
        ("callback.cause", callback(HangupCauseName=None, HangupCause=None), D, "it has none"),
        (
            "callback.cause",
            {"status": CallStatus.BUSY, **callback(HangupCauseName="Line On Fire")},
            D,
            "Line On Fire is not known",
        ),
        ("callback.duration", callback(BillDuration="0:19"), D, "BillDuration is text of 4"),
        ("callback.times", callback(EndTime="2026-11-30 17:53:29"), D, "79 s from AnswerTime"),
        ("callback.times", callback(EndTime=None), U, "no times"),
        ("query", {"query_report": None}, D, "was not found"),
        ("query.id", BY_NUMBERS, D, "another id"),
        ("query.state", queried({**RECORD, "call_state": "CLOSED"}), D, "CLOSED"),
        ("query.state", callback(CallStatus="busy"), D, "unlike the callback"),
        ("query.duration", callback(Duration="7", BillDuration="7"), D, "in the callback 7 s"),
        (
            "query.time",
            queried({**RECORD, "initiation_time": "2026-11-30 17:52:01"}),
            D,
            "5 h 30 min after the request: set the console's time zone",
        ),
    ],
)
def test_check_reports_status_and_observation(
    name: str, changes: dict[str, Any], status: CheckStatus, observation: str
) -> None:
    """Each check has what confirms it, what differs, and what this call cannot show."""
    result = result_of(replace(DOCUMENTED, **changes), name)
    assert (result.status, observation in result.observation) == (status, True), result


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"[1]", b'{"objects": [7, null]}', b"=&&=", b"{" * 99]
)
def test_garbage_stops_no_check(body: bytes) -> None:
    """Every row has a result."""
    captured = CapturedCallback("POST", "", "", False, "", body, "applied")
    response = CapturedResponse("GET", "https://…", 200, body, "", 0.1)
    evidence = replace(
        DOCUMENTED,
        reply=reply(body),
        callback=captured,
        query_responses=[response],
        query_report=None,
    )
    assert len([*check_conformance(evidence)]) == len([*check_conformance(DOCUMENTED)])
