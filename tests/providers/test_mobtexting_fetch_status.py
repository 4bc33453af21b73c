"""Status queries to Mobtexting on real sockets: docs/provider.md, section 2."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from providers.provider_stub import ProviderStub
from providers.reply_samples import TOKEN, outbound_call
from providers.status_samples import (
    BRIDGE,
    C2C_ENTRY,
    C2C_ID,
    C2C_QUERY,
    CALL_ID,
    NEWER_STATUS,
    NO_CALLS,
    OBD_ENTRY,
    OBD_ID,
    OBD_QUERY,
    RECIPIENT,
    calls_response,
    kolkata_ms,
)
from support.timing import finishes_within

from otpvoice.core.verification import CallStatus, Route
from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.sandbox import ReplyStyle, RunningSandbox, SandboxConfig


def fetch_status(
    url: str, http: HttpClient, query: CallQuery, seconds: float = 5
) -> CallReport | None:
    """Query the provider at this address."""
    provider = Mobtexting(base_url=url, token=TOKEN, http=http)
    return provider.fetch_status(query, Deadlines.within(seconds))


def parameters(stub: ProviderStub) -> list[tuple[str, dict[str, list[str]]]]:
    """Return path and query parameters of each request."""
    parts = [urlsplit(request.path) for request in stub.requests]
    return [(part.path.removeprefix("/api/v2/"), parse_qs(part.query)) for part in parts]


def respond(stub: ProviderStub, *responses: bytes | tuple[int, bytes]) -> None:
    """Send these responses, then lists without calls."""
    stub.responses = [each if isinstance(each, tuple) else (200, each) for each in responses]
    stub.responses.append((200, NO_CALLS))


def test_query_has_token_in_header_only(stub: ProviderStub, http: HttpClient) -> None:
    """A GET without a body; query strings end up in logs."""
    respond(stub, NEWER_STATUS)
    assert fetch_status(stub.url, http, OBD_QUERY)
    (request,) = stub.requests
    assert request.path == f"/api/v2/outgoing/callstatus?mobile={RECIPIENT}"
    assert request.headers == {
        "Host": f"127.0.0.1:{stub.server_port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {TOKEN}",
        "User-Agent": "otpvoice",
    }


def test_obd_query_by_id(stub: ProviderStub, http: HttpClient) -> None:
    """The entry with the id is enough, even if the call still rings."""
    named = replace(OBD_QUERY, provider_id=OBD_ID)
    ringing = calls_response(OBD_ENTRY | {"status": "queued"})
    respond(stub, NEWER_STATUS, ringing)
    assert fetch_status(stub.url, http, named)
    assert fetch_status(stub.url, http, named) is None
    assert parameters(stub) == [("outgoing/callstatus", {"id": [OBD_ID]})] * 2


@pytest.mark.parametrize("nothing", [(200, NO_CALLS), (404, b"{}"), (200, b'{"status":404}')])
def test_obd_query_by_number_if_id_finds_nothing(
    stub: ProviderStub, http: HttpClient, nothing: tuple[int, bytes]
) -> None:
    """The provider may know its id only with the tail that is cut off here."""
    tailed = calls_response(OBD_ENTRY | {"id": f"{OBD_ID}:1"}, OBD_ENTRY | {"id": "other"})
    respond(stub, nothing, tailed)
    report = fetch_status(stub.url, http, replace(OBD_QUERY, provider_id=OBD_ID))
    assert report
    assert report.ids == (CALL_ID, OBD_ID)
    assert [query for _, query in parameters(stub)] == [{"id": [OBD_ID]}, {"mobile": [RECIPIENT]}]


@pytest.mark.parametrize(
    ("sent_at", "days"),
    [
        ("2026-11-21 12:00:00", "Nov 21, 2026 - Nov 21, 2026"),
        ("2026-11-21 23:30:00", "Nov 21, 2026 - Nov 22, 2026"),
        ("2026-12-01 00:01:59", "Nov 30, 2026 - Dec 01, 2026"),
    ],
)
def test_c2c_query_covers_days_of_the_call(
    stub: ProviderStub, http: HttpClient, sent_at: str, days: str
) -> None:
    """The days, in the provider's zone, on which the call can have ended."""
    respond(stub)
    fetch_status(stub.url, http, replace(C2C_QUERY, sent_at_ms=kolkata_ms(sent_at)))
    assert parameters(stub) == [("voice/calls", {"datetime[end_at]": [days], "page": ["1"]})]


def full_page(start: int, *entries: dict[str, Any]) -> bytes:
    """Return a page of fifteen, filled with other calls."""
    others = [C2C_ENTRY | {"id": f"o{start + n}", "call_from": "911111111111"} for n in range(15)]
    return calls_response(*entries, *others[len(entries) :])


def test_c2c_query_reads_every_page(stub: ProviderStub, http: HttpClient) -> None:
    """An entry that moved to the next page is one call."""
    respond(stub, *(full_page(n, C2C_ENTRY) for n in (0, 15, 30)), calls_response())
    assert fetch_status(stub.url, http, C2C_QUERY)
    assert [query["page"] for _, query in parameters(stub)] == [["1"], ["2"], ["3"], ["4"]]


def test_c2c_query_ends_at_page_from_before_the_call(stub: ProviderStub, http: HttpClient) -> None:
    """No later page can have the call."""
    old = C2C_ENTRY | {"start_at": "2001-01-01 00:00:00", "call_from": "911111111111"}
    past = calls_response(*(old | {"id": f"p{n}"} for n in range(15)))
    respond(stub, full_page(0, C2C_ENTRY), past, (500, b""))
    assert fetch_status(stub.url, http, C2C_QUERY)
    assert [query["page"] for _, query in parameters(stub)] == [["1"], ["2"]]


def test_c2c_query_without_id_finds_none_of_two_matches(
    stub: ProviderStub, http: HttpClient
) -> None:
    """Every page is read before a match counts as the only one."""
    respond(stub, full_page(0, C2C_ENTRY), calls_response(C2C_ENTRY | {"id": "second"}))
    assert fetch_status(stub.url, http, C2C_QUERY) is None


def test_c2c_query_without_id_needs_every_page(stub: ProviderStub, http: HttpClient) -> None:
    """A failed page may have another match; an id needs no further page."""
    respond(stub, full_page(0, C2C_ENTRY), (500, b""), full_page(0, C2C_ENTRY))
    assert fetch_status(stub.url, http, C2C_QUERY) is None
    assert fetch_status(stub.url, http, replace(C2C_QUERY, provider_id=C2C_ID))
    assert len(stub.requests) == 3


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
        (200, NEWER_STATUS + b" " * 70_000),
    ],
)
@pytest.mark.parametrize("provider_id", [None, OBD_ID])
def test_invalid_response_reports_nothing(
    stub: ProviderStub, http: HttpClient, status: int, body: bytes, provider_id: str | None
) -> None:
    """A refusal, garbage or more than 64 KiB, whatever else is in it."""
    stub.respond(body, status)
    assert fetch_status(stub.url, http, replace(OBD_QUERY, provider_id=provider_id)) is None


@pytest.mark.parametrize("query", [replace(OBD_QUERY, provider_id=OBD_ID), C2C_QUERY])
def test_trickling_response_is_abandoned_at_deadline(
    stub: ProviderStub, http: HttpClient, query: CallQuery
) -> None:
    """The deadline holds for all requests of a query together."""
    respond(stub)
    stub.byte_interval_s = 0.05
    with finishes_within(0.5):
        assert fetch_status(stub.url, http, query, seconds=0.3) is None


def test_refused_connection_reports_nothing(http: HttpClient) -> None:
    """The status stays unknown."""
    assert fetch_status("http://127.0.0.1:1/", http, C2C_QUERY) is None


def test_number_is_not_logged(
    stub: ProviderStub, http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    """No library logs the address, whose query string has the number."""
    respond(stub, NEWER_STATUS)
    caplog.set_level(logging.DEBUG)
    stub.headers = {"Bad header": "x", "": "y"}
    fetch_status(stub.url, http, OBD_QUERY)
    fetch_status("http://127.0.0.1:1/", http, OBD_QUERY)
    assert stub.requests
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


def place(sandbox: RunningSandbox, http: HttpClient, route: Route) -> CallQuery:
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
        (Route.OBD, {"obd_reply": "older"}),
        (Route.OBD, {"obd_reply": "newer"}),
        (Route.C2C, {"c2c_reply": "with_id"}),
        (Route.C2C, {"c2c_reply": "bare"}),
    ],
)
def test_ended_call_is_reported(
    run_sandbox: Callable[..., RunningSandbox],
    http: HttpClient,
    route: Route,
    style: dict[str, str],
    behaviour: str,
    status: CallStatus,
) -> None:
    """With or without its id."""
    sandbox = run_sandbox(**style)
    behave = {"behaviour": behaviour}
    assert requests.put(f"{sandbox.url}/phones/{RECIPIENT}", json=behave, timeout=5).ok
    query = place(sandbox, http, route)
    calls = sandbox.state.network.list_calls
    assert sandbox.state.wait_until(lambda: all(call.ended_at for call in calls()), 5)
    [call] = calls()

    report = fetch_status(sandbox.api_url, http, query)

    assert report
    assert report.ids == (CALL_ID, call.id.partition(":")[0])
    assert (report.status, report.route) == (status, route)
    assert fetch_status(sandbox.api_url, http, replace(query, provider_id=None)) == report
    assert (query.provider_id is None) == ("bare" in style.values())


@pytest.mark.parametrize("route", Route)
def test_ringing_call_is_not_reported(
    run_sandbox: Callable[..., RunningSandbox], http: HttpClient, route: Route
) -> None:
    """With or without its id."""
    sandbox = run_sandbox(ring_seconds=60)
    query = place(sandbox, http, route)
    assert [call.status for call in sandbox.state.network.list_calls()] == ["ringing"]
    assert fetch_status(sandbox.api_url, http, query) is None
    assert fetch_status(sandbox.api_url, http, replace(query, provider_id=None)) is None
