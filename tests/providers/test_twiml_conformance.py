"""What one call shows of a TwiML vendor: docs/providers/twiml.md, section 8."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from providers.twiml_samples import (
    BRIDGE,
    CALLBACK,
    COMPLETED,
    CREATED,
    NUMBER,
    SENT_AT_MS,
    SID,
    TELNYX_CREATED,
    account,
    query,
)

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import CapturedResponse, HttpResponse
from otpvoice.providers.conformance import CheckResult, CheckStatus
from otpvoice.providers.exchange_capture import CapturedAnswer, CapturedCallback
from otpvoice.providers.twiml.conformance import TwimlEvidence, check_conformance
from otpvoice.providers.twiml.queries import fetch_report
from otpvoice.providers.twiml.vendors import VENDORS

C, D, U = CheckStatus
FETCHED = CapturedAnswer("POST", "application/x-www-form-urlencoded", (), b"", "found")
KEY = CapturedAnswer("POST", "", (), b"", "speak", is_key=True)


def response(members: Any, status: int = 201) -> CapturedResponse:
    """Return a captured response."""
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    return CapturedResponse("POST", "https://…", status, body, "", 0.3)


def callback(headers: tuple[str, ...] = ("x-twilio-signature",), **changes: Any) -> dict[str, Any]:
    """Return the evidence of a callback; None leaves a member out."""
    members = {name: value for name, value in {**CALLBACK, **changes}.items() if value is not None}
    form = "application/x-www-form-urlencoded"
    body = urlencode(members).encode()
    captured = CapturedCallback("POST", form, "", True, "", body, "applied", headers)
    return {"callback": captured}


def queried(members: Any, **changes: Any) -> dict[str, Any]:
    """Return the evidence of a status query."""
    captured = response(members, 200)
    found = HttpResponse(200, captured.body)
    report = fetch_report(query(**changes), account(), lambda _: found)
    return {"query_responses": [captured], "query_report": report}


DOCUMENTED = TwimlEvidence(
    vendor=VENDORS["twilio"],
    query=query(provider_id=SID),
    status=CallStatus.ANSWERED,
    reply=response(CREATED),
    callback_at_ms=SENT_AT_MS + 31_000,
    **callback(),
    **queried(COMPLETED, provider_id=SID),
)
WITHOUT_ID = replace(DOCUMENTED.query, provider_id=None)


def result_of(evidence: TwimlEvidence, name: str) -> CheckResult:
    """Return the result of one check."""
    (result,) = [each for each in check_conformance(evidence) if each.name == name]
    return result


def test_documented_call_has_no_difference() -> None:
    """Everything but a refusal and a fetched document is confirmed; no number is shown."""
    results = [*check_conformance(DOCUMENTED)]
    others = {each.name: each.status for each in results if each.status is not C}
    assert others == {"reply.refuses": U, "document": U, "key": U}
    assert not [each for each in results if NUMBER[1:] in str(each) or BRIDGE in str(each)]


def test_every_check_is_documented() -> None:
    """In the same order, and no other."""
    page = Path(__file__).parents[2] / "docs" / "providers" / "twiml.md"
    section = page.read_text(encoding="utf-8").partition("\n## 8. ")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `([a-z.0-9_]+)`", section, re.MULTILINE)
    assert documented == [each.name for each in check_conformance(DOCUMENTED)]


@pytest.mark.parametrize(
    ("name", "changes", "status", "observation"),
    [
        ("reply.accepts", {"reply": response(b"<html>")}, D, "unknown format"),
        ("reply.accepts", {"reply": None}, U, "none captured"),
        ("reply.accepts", {"reply": response({"code": 21211}, 400)}, U, "refused, HTTP 400"),
        ("reply.accepts", {"reply": response({**CREATED, "status": "failed"})}, U, "failed"),
        ("reply.refuses", {"reply": response({"code": 21211}, 400)}, C, "code 21211"),
        ("reply.refuses", {"reply": response(b"no", 400)}, D, "without a code"),
        ("reply.id", {"reply": response(TELNYX_CREATED), "query": WITHOUT_ID}, D, "it has none"),
        ("reply.number", {"reply": response({**CREATED, "to": "+12025550100"})}, D, "another"),
        ("reply.number", {"reply": response({**CREATED, "to": None})}, U, "no to"),
        ("document", {"vendor": VENDORS["signalwire"]}, D, "was not fetched"),
        ("document", {"vendor": VENDORS["signalwire"], "answers": [FETCHED]}, C, "POST, found"),
        (
            "document",
            {"vendor": VENDORS["signalwire"], "status": CallStatus.BUSY},
            U,
            "not answered",
        ),
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
        ("callback.format", {"callback": None}, U, "no callback"),
        ("callback.signature", callback(headers=()), U, "not captured"),
        (
            "callback.signature",
            {"vendor": VENDORS["signalwire"], **callback()},
            D,
            "x-twilio-signature",
        ),
        (
            "callback.signature",
            {"vendor": VENDORS["telnyx"], **callback(("telnyx-signature-ed25519",))},
            C,
            "ed25519",
        ),
        ("callback.id", callback(CallSid=None), D, "no CallSid"),
        ("callback.id", callback(CallSid="CA" + "7" * 32), D, "another id"),
        ("callback.id", {"query": WITHOUT_ID}, U, "the reply had no id"),
        ("callback.numbers", callback(To="+12025550100"), D, "To is text of a + and 11 digits"),
        ("callback.numbers", callback(From=None), D, "no From"),
        ("callback.status", callback(CallStatus="vanished"), D, "vanished"),
        ("callback.status", callback(CallStatus="ringing"), D, "has not ended"),
        ("callback.sip", callback(SipResponseCode=None), D, "none"),
        ("callback.duration", callback(CallDuration="0:17"), D, "text of 4 characters"),
        ("callback.duration", {"status": CallStatus.BUSY}, U, "not answered"),
        ("query", {"query_report": None}, D, "was not found"),
        ("query", {"query_report": None, "query_responses": []}, U, "no query was sent"),
        ("query.status", callback(CallStatus="busy"), D, "completed"),
        ("query.duration", callback(CallDuration="7"), D, "17 s, in the callback 7 s"),
        (
            "query.time",
            queried({**COMPLETED, "date_created": "Mon, 30 Nov 2026 17:30:01 +0000"}),
            D,
            "5 h 30 min after",
        ),
        ("query.time", queried({**COMPLETED, "date_created": "soon", "start_time": 7}), U, "valid"),
    ],
)
def test_check_reports_status_and_observation(
    name: str, changes: dict[str, Any], status: CheckStatus, observation: str
) -> None:
    """Each check has what confirms it, what differs, and what this call cannot show."""
    result = result_of(replace(DOCUMENTED, **changes), name)
    assert (result.status, observation in result.observation) == (status, True), result


def test_document_that_is_fetched_again_is_a_difference() -> None:
    """The second request gets nothing to speak."""
    again = [FETCHED, CapturedAnswer("POST", "", (), b"", "fetched")]
    evidence = replace(DOCUMENTED, vendor=VENDORS["signalwire"], answers=again)
    assert result_of(evidence, "document").status is D


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"[1]", b'{"calls": [7, null]}', b"=&&=", b"{" * 999]
)
def test_garbage_stops_no_check(body: bytes) -> None:
    """Every row has a result."""
    captured = CapturedCallback("POST", "", "", False, "", body, "applied")
    evidence = replace(
        DOCUMENTED,
        reply=response(body),
        callback=captured,
        query_responses=[response(body, 200)],
        query_report=None,
    )
    assert len([*check_conformance(evidence)]) == len([*check_conformance(DOCUMENTED)])
