"""Requests to Plivo on a real socket."""

import base64
import json
import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from providers.plivo_samples import (
    AUTH_ID,
    CALL_ID,
    FIRED,
    LINE,
    NUMBER,
    RECORD,
    REQUEST_UUID,
    TOKEN,
    TOKENS,
    adapter,
    call_query,
    hangup_form,
    outbound_call,
    signed_callback,
)
from providers.servers import ScriptedServer, http_response
from structlog.testing import capture_logs

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import Deadlines
from otpvoice.providers.answering import AnsweringProvider
from otpvoice.providers.base import CallReport, PlacementOutcome, PlacementResult, Speech
from otpvoice.providers.canceling import CancelingProvider

AUTHORIZATION = f"Basic {base64.b64encode(f'{AUTH_ID}:{TOKEN}'.encode()).decode()}"


def reply(members: Any, status: str = "201 Created") -> bytes:
    """Return a response with these members."""
    return http_response(json.dumps(members).encode(), status)


def test_adapter_answers_calls() -> None:
    """The views find out with ``isinstance``."""
    assert isinstance(adapter(), AnsweringProvider)


# Placing


def test_request(server: ScriptedServer) -> None:
    """JSON with the addresses of this service; neither the code nor the name is in it."""
    server.respond(reply(FIRED))
    provider = adapter(base_url=server.api_url)
    result = provider.place(outbound_call(), Deadlines.within(5))
    assert result == PlacementResult(
        PlacementOutcome.ACCEPTED, "HTTP 201: call fired", REQUEST_UUID
    )
    (request,) = server.requests
    line, *headers = request.head.splitlines()
    assert line == f"POST /api/v2/Account/{AUTH_ID}/Call/ HTTP/1.1"
    assert {f"Authorization: {AUTHORIZATION}", "Content-Type: application/json"} <= {*headers}
    assert json.loads(request.body) == {
        "from": LINE,
        "to": NUMBER,
        "answer_url": f"https://otp.example.com/calls/plivo/{TOKENS.issue(CALL_ID)}?call={CALL_ID}",
        "answer_method": "POST",
        "hangup_url": f"https://otp.example.com/webhooks/plivo?call={CALL_ID}",
        "hangup_method": "POST",
        "ring_timeout": 45,
        "time_limit": 60,
    }


@pytest.mark.parametrize("text", ["", "x" * 3_001])
def test_call_without_a_text_to_speak_is_not_sent(server: ScriptedServer, text: str) -> None:
    """The person would pick up and hear nothing."""
    provider = adapter(base_url=server.api_url)
    result = provider.place(outbound_call(text=text), Deadlines.within(5))
    assert result.outcome is PlacementOutcome.MISCONFIGURED
    assert server.requests == []


def test_refused_connection_is_unsent() -> None:
    """Nothing reached the provider, so a retry is allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/"
    result = adapter(base_url=url).place(outbound_call(), Deadlines.within(5))
    assert result == PlacementResult(PlacementOutcome.UNSENT, "ConnectionRefusedError")


def test_request_without_reply_is_ambiguous() -> None:
    """The phone may ring."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/"
        result = adapter(base_url=url).place(outbound_call(), Deadlines.within(0.2))
    assert result == PlacementResult(PlacementOutcome.AMBIGUOUS, "TimeoutError")


def test_repr_shows_no_secret() -> None:
    """Neither a call nor the adapter shows a number, a name, a code or a secret."""
    text = repr(outbound_call()) + repr(adapter()) + repr(Speech("hi", "x", "Asha", "471102"))
    assert not [each for each in (NUMBER, "Asha", "471102", TOKEN) if each in text]


# Status queries


def fetch(server: ScriptedServer, *responses: bytes, **changes: Any) -> CallReport | None:
    """Return the report that these responses lead to."""
    server.respond(*responses)
    query = call_query(**changes)
    return adapter(base_url=server.api_url).fetch_status(query, Deadlines.within(5))


def page(*records: dict[str, Any]) -> bytes:
    """Return a response to a search."""
    return reply({"api_id": "x", "meta": {"limit": 20}, "objects": records}, "200 OK")


NOT_FOUND = reply({"error": "not found"}, "404 Not Found")


def test_record_is_fetched_by_the_id_of_the_request(server: ScriptedServer) -> None:
    """The report carries the ids of both sides."""
    report = fetch(server, reply(RECORD, "200 OK"))
    assert report
    assert (report.status, report.duration_s) == (CallStatus.ANSWERED, 19)
    assert report.ids == (CALL_ID, REQUEST_UUID)
    assert (report.number, report.bridge) == (f"+{NUMBER}", LINE)
    (request,) = server.requests
    assert request.head.startswith(f"GET /api/v2/Account/{AUTH_ID}/Call/{REQUEST_UUID}/ HTTP/1.1")
    assert f"Authorization: {AUTHORIZATION}" in request.head


def test_record_with_another_id_is_searched_by_number_and_time(server: ScriptedServer) -> None:
    """Where the request's id is not the call's, the only call of that time is meant."""
    report = fetch(server, NOT_FOUND, page(RECORD | {"call_uuid": "another-uuid"}))
    assert report
    assert report.ids == (CALL_ID, "another-uuid")
    target = server.requests[1].head.split()[1]
    assert parse_qs(urlsplit(target).query) == {
        "to_number": [NUMBER],
        "from_number": [LINE],
        "limit": ["20"],
    }


LATER_CALL = RECORD | {"initiation_time": "2026-11-30 18:12:01+05:30"}
OTHER_CALL = RECORD | {"initiation_time": "2026-11-30 15:52:01+05:30"}


@pytest.mark.parametrize(
    "response",
    [
        page(),
        page(RECORD, RECORD | {"call_uuid": "another-uuid"}),
        page(OTHER_CALL),
        page(RECORD | {"to_number": "919876543211"}),
        page(RECORD | {"from_number": "918047285001"}),
        page(RECORD | {"initiation_time": None}),
        page(RECORD | {"call_state": None, "answer_time": None, "end_time": None}),
        page(*[RECORD] * 20),
        page(*[LATER_CALL] * 19, RECORD),
        reply({"objects": "x"}, "200 OK"),
        reply([RECORD], "200 OK"),
        reply({"error": "x"}, "500 Error"),
        http_response(b"<html>"),
        http_response(b""),
    ],
)
def test_uncertain_record_is_no_report(server: ScriptedServer, response: bytes) -> None:
    """A guess might report another call's end."""
    assert fetch(server, response, provider_id=None) is None


def test_single_record_among_others_is_found(server: ScriptedServer) -> None:
    """Earlier calls to the number do not matter."""
    assert fetch(server, page(LATER_CALL, RECORD, *[OTHER_CALL] * 18), provider_id=None)


def test_record_of_another_number_is_ignored(server: ScriptedServer) -> None:
    """Even if it was found by id."""
    assert fetch(server, reply(RECORD | {"to_number": "15555555555"}, "200 OK"), page()) is None


# Canceling


def test_cancel_deletes_the_request(server: ScriptedServer) -> None:
    """Of this call alone."""
    server.respond(b"HTTP/1.1 204 No Content\r\n\r\n")
    provider = adapter(base_url=server.api_url)
    assert isinstance(provider, CancelingProvider)
    assert provider.cancel(call_query(), Deadlines.within(5))
    (request,) = server.requests
    path = f"/api/v2/Account/{AUTH_ID}/Request/{REQUEST_UUID}/"
    assert request.head.startswith(f"DELETE {path} HTTP/1.1")
    assert f"Authorization: {AUTHORIZATION}" in request.head


@pytest.mark.parametrize(
    "response",
    [
        NOT_FOUND,
        reply({"error": "authentication failed"}, "401 Unauthorized"),
        reply({"error": "x"}, "500 Error"),
        reply({"message": "accepted"}, "202 Accepted"),
        http_response(b"")[:20],
    ],
)
def test_other_response_confirms_no_cancellation(server: ScriptedServer, response: bytes) -> None:
    """The call may ring, or may have been answered."""
    server.respond(response)
    provider = adapter(base_url=server.api_url)
    assert not provider.cancel(call_query(), Deadlines.within(5))
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider_id", [None, "", "..", "../Call/x", "a/../../../x"])
def test_cancel_without_an_id_sends_nothing(
    server: ScriptedServer, provider_id: str | None
) -> None:
    """The address would mean other calls."""
    provider = adapter(base_url=server.api_url)
    assert not provider.cancel(call_query(provider_id=provider_id), Deadlines.within(5))
    assert server.requests == []


# The log


def test_misconfiguration_is_logged_as_an_error(server: ScriptedServer) -> None:
    """From a callback and from a query. An operator has to act: each call ends like this one."""
    cause = "violates_media_anchoring"
    form = hangup_form(CallStatus="failed", HangupCauseName=cause)
    record = RECORD | {"call_state": "FAILED", "hangup_cause_name": cause}
    with capture_logs() as logged:
        adapter().parse_callback(signed_callback(form=form))
        assert fetch(server, reply(record, "200 OK"))
    line = {"event": "provider.misconfigured", "log_level": "error", "provider_status": cause}
    assert logged == [line, line]
