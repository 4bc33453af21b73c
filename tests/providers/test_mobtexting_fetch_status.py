"""Status queries to Mobtexting: their requests, deadlines and the sandbox (mobtexting.md, 2)."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from providers.samples import (
    BRIDGE,
    C2C_ENTRY,
    C2C_ID,
    C2C_QUERY,
    CALL_ID,
    INDIA,
    NEWER_STATUS,
    NO_CALLS,
    OBD_ENTRY,
    OBD_ID,
    OBD_QUERY,
    RECIPIENT,
    TOKEN,
    calls_response,
    kolkata_ms,
    outbound_call,
)
from providers.servers import ScriptedServer, http_response, send_in_parts
from support.timing import finishes_within

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.mobtexting.callback import CallbackFormat
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.mobtexting.queries import fetch_report
from otpvoice_sandbox import ReplyStyle, RunningSandbox, SandboxConfig


def fetch_status(
    url: str, http: HttpClient, query: CallQuery, seconds: float = 5
) -> CallReport | None:
    """Query the provider at this address."""
    provider = Mobtexting(base_url=url, token=TOKEN, http=http)
    return provider.fetch_status(query, Deadlines.within(seconds))


class Responses:
    """Responses to the requests of queries: these in turn, then lists without calls."""

    def __init__(self, *responses: bytes | tuple[int, bytes]) -> None:
        self.requests: list[tuple[str, dict[str, list[str]]]] = []
        """Path and query parameters of each request."""
        self._left = iter(responses)

    def fetch(self, query: CallQuery) -> CallReport | None:
        """Run one query."""
        return fetch_report(query, self._get, CallbackFormat(INDIA))

    def _get(self, path: str) -> HttpResponse:
        parts = urlsplit(path)
        self.requests.append((parts.path, parse_qs(parts.query)))
        response = next(self._left, NO_CALLS)
        status, body = response if isinstance(response, tuple) else (200, response)
        return HttpResponse(status, body)


# Requests


def test_query_has_token_in_header_only(server: ScriptedServer, http: HttpClient) -> None:
    """A GET without a body; query strings end up in logs."""
    server.respond(http_response(NEWER_STATUS))
    assert fetch_status(server.api_url, http, OBD_QUERY)
    (request,) = server.requests
    line, *headers = request.head.splitlines()
    assert line == f"GET /api/v2/outgoing/callstatus?mobile={RECIPIENT} HTTP/1.1"
    assert sorted(filter(None, headers)) == [
        "Accept-Encoding: identity",
        "Accept: application/json",
        f"Authorization: Bearer {TOKEN}",
        f"Host: localhost:{server.port}",
        "User-Agent: otpvoice",
    ]


def test_obd_query_by_id() -> None:
    """The entry with the id is enough, even if the call still rings."""
    named = replace(OBD_QUERY, provider_id=OBD_ID)
    responses = Responses(NEWER_STATUS, calls_response(OBD_ENTRY | {"status": "queued"}))
    assert responses.fetch(named)
    assert responses.fetch(named) is None
    assert responses.requests == [("outgoing/callstatus", {"id": [OBD_ID]})] * 2


@pytest.mark.parametrize("nothing", [(200, NO_CALLS), (404, b"{}"), (200, b'{"status":404}')])
def test_obd_query_by_number_if_id_finds_nothing(nothing: tuple[int, bytes]) -> None:
    """The provider may know its id only with the tail that is cut off here."""
    tailed = calls_response(OBD_ENTRY | {"id": f"{OBD_ID}:1"}, OBD_ENTRY | {"id": "other"})
    responses = Responses(nothing, tailed)
    report = responses.fetch(replace(OBD_QUERY, provider_id=OBD_ID))
    assert report
    assert report.ids == (CALL_ID, OBD_ID)
    assert [query for _, query in responses.requests] == [{"id": [OBD_ID]}, {"mobile": [RECIPIENT]}]


@pytest.mark.parametrize(
    ("sent_at", "days"),
    [
        ("2026-11-21 12:00:00", "Nov 21, 2026 - Nov 21, 2026"),
        ("2026-11-21 23:30:00", "Nov 21, 2026 - Nov 22, 2026"),
        ("2026-12-01 00:01:59", "Nov 30, 2026 - Dec 01, 2026"),
    ],
)
def test_c2c_query_covers_days_of_the_call(sent_at: str, days: str) -> None:
    """The days, in the provider's zone, on which the call can have ended."""
    responses = Responses()
    responses.fetch(replace(C2C_QUERY, sent_at_ms=kolkata_ms(sent_at)))
    assert responses.requests == [("voice/calls", {"datetime[end_at]": [days], "page": ["1"]})]


def full_page(start: int, *entries: dict[str, Any]) -> bytes:
    """Return a page of fifteen, filled with other calls."""
    others = [C2C_ENTRY | {"id": f"o{start + n}", "call_from": "911111111111"} for n in range(15)]
    return calls_response(*entries, *others[len(entries) :])


def test_c2c_query_reads_every_page() -> None:
    """An entry that moved to the next page is one call."""
    responses = Responses(*(full_page(n, C2C_ENTRY) for n in (0, 15, 30)))
    assert responses.fetch(C2C_QUERY)
    assert [query["page"] for _, query in responses.requests] == [["1"], ["2"], ["3"], ["4"]]


def test_c2c_query_ends_at_page_from_before_the_call() -> None:
    """No later page can have the call."""
    old = C2C_ENTRY | {"start_at": "2001-01-01 00:00:00", "call_from": "911111111111"}
    past = calls_response(*(old | {"id": f"p{n}"} for n in range(15)))
    responses = Responses(full_page(0, C2C_ENTRY), past, (500, b""))
    assert responses.fetch(C2C_QUERY)
    assert [query["page"] for _, query in responses.requests] == [["1"], ["2"]]


def test_c2c_query_without_id_finds_none_of_two_matches() -> None:
    """Every page is read before a match counts as the only one."""
    second = calls_response(C2C_ENTRY | {"id": "second"})
    assert Responses(full_page(0, C2C_ENTRY), second).fetch(C2C_QUERY) is None


def test_c2c_query_without_id_needs_every_page() -> None:
    """A failed page may have another match; an id needs no further page."""
    responses = Responses(full_page(0, C2C_ENTRY), (500, b""), full_page(0, C2C_ENTRY))
    assert responses.fetch(C2C_QUERY) is None
    assert responses.fetch(replace(C2C_QUERY, provider_id=C2C_ID))
    assert len(responses.requests) == 3


# Invalid responses


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, NEWER_STATUS),
        (429, NEWER_STATUS),
        (500, NEWER_STATUS),
        (302, NEWER_STATUS),
        (200, NEWER_STATUS.replace(b"200", b"401")),
        (200, NEWER_STATUS.replace(b'"status": 200,', b"")),
        (200, b""),
        (200, b"<html>"),
        (200, b"[" * 5000),
        (200, b"\xff"),
        (200, b'{"status":200,"data":null}'),
        (200, b'{"status":200,"data":[1]}'),
        (200, b'{"status":200,"data":{"data":7}}'),
    ],
)
@pytest.mark.parametrize("provider_id", [None, OBD_ID])
def test_invalid_response_reports_nothing(
    status: int, body: bytes, provider_id: str | None
) -> None:
    """A refusal or garbage, whatever else is in it."""
    responses = Responses(*[(status, body)] * 2)
    assert responses.fetch(replace(OBD_QUERY, provider_id=provider_id)) is None


@pytest.mark.parametrize("query", [replace(OBD_QUERY, provider_id=OBD_ID), C2C_QUERY])
def test_trickling_response_is_abandoned_at_deadline(
    server: ScriptedServer, http: HttpClient, query: CallQuery
) -> None:
    """The deadline holds for all requests of a query together."""
    trickle = [bytes([byte]) for byte in http_response(NO_CALLS)]
    server.respond(*[send_in_parts(*trickle, interval_s=0.05)] * 2)
    with finishes_within(0.5):
        assert fetch_status(server.api_url, http, query, seconds=0.3) is None


def test_number_is_not_logged(
    server: ScriptedServer, http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    """No library logs the address, whose query string has the number."""
    response = http_response(NEWER_STATUS, "200 OK", "Bad header: x", ": y")
    server.respond(*[lambda conn: conn.sendall(response)] * 2)  # a body to the connection's end
    caplog.set_level(logging.DEBUG)
    fetch_status(server.api_url, http, OBD_QUERY)
    assert fetch_status("http://127.0.0.1:1/", http, OBD_QUERY) is None
    assert server.requests
    assert RECIPIENT not in caplog.text
    assert RECIPIENT not in repr(OBD_QUERY)


# The sandbox


@pytest.fixture
def run_sandbox() -> Iterator[Callable[..., RunningSandbox]]:
    """Start fast sandboxes, which end after the test."""
    running: list[RunningSandbox] = []

    def start(ring_seconds: float = 0.01, **style: Any) -> RunningSandbox:
        config = SandboxConfig(
            token=TOKEN,
            reply_style=ReplyStyle(**style),
            ring_seconds=ring_seconds,
            talk_seconds=0.01,
        )
        running.append(RunningSandbox(config).__enter__())
        return running[0]

    yield start
    for sandbox in running:
        sandbox.__exit__(None, None, None)


def place(sandbox: RunningSandbox, http: HttpClient, route: Mode) -> CallQuery:
    """Place a call, and return the query for it."""
    call = outbound_call(route, call_id=CALL_ID, number=f"+{RECIPIENT}", bridge=BRIDGE)
    sent_at_ms = round(time.time() * 1000)
    provider = Mobtexting(base_url=sandbox.api_url, token=TOKEN, http=http)
    provider_id = provider.place(call, Deadlines.within(5)).provider_id
    return CallQuery(CALL_ID, route, call.number, BRIDGE, provider_id, sent_at_ms)


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ("answer", CallStatus.ANSWERED),
        ("busy", CallStatus.BUSY),
        ("no_answer", CallStatus.NO_ANSWER),
    ],
)
@pytest.mark.parametrize(
    ("route", "style"),
    [
        (Mode.OBD, {"obd_reply": "older"}),
        (Mode.OBD, {"obd_reply": "newer"}),
        (Mode.C2C, {"c2c_reply": "with_id"}),
        (Mode.C2C, {"c2c_reply": "bare"}),
    ],
)
def test_ended_call_is_reported(
    run_sandbox: Callable[..., RunningSandbox],
    http: HttpClient,
    route: Mode,
    style: dict[str, str],
    behaviour: str,
    status: CallStatus,
) -> None:
    """With or without its id."""
    sandbox = run_sandbox(**style)
    behave = {"behaviour": behaviour}
    assert requests.put(f"{sandbox.url}/phones/{RECIPIENT}", json=behave, timeout=5).ok
    query = place(sandbox, http, route)
    calls = sandbox.state.calls
    assert sandbox.state.wait_until(lambda: all(call.ended_at for call in calls), 5)
    [call] = calls

    report = fetch_status(sandbox.api_url, http, query)

    assert report
    assert report.ids == (CALL_ID, call.id.partition(":")[0])
    assert (report.status, report.mode) == (status, route)
    assert fetch_status(sandbox.api_url, http, replace(query, provider_id=None)) == report
    assert (query.provider_id is None) == ("bare" in style.values())


@pytest.mark.parametrize("route", Mode)
def test_ringing_call_is_not_reported(
    run_sandbox: Callable[..., RunningSandbox], http: HttpClient, route: Mode
) -> None:
    """With or without its id."""
    sandbox = run_sandbox(ring_seconds=60)
    query = place(sandbox, http, route)
    assert [call.status for call in sandbox.state.calls] == ["ringing"]
    assert fetch_status(sandbox.api_url, http, query) is None
    assert fetch_status(sandbox.api_url, http, replace(query, provider_id=None)) is None
