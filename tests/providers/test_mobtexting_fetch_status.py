"""Asking Mobtexting how a call ended: docs/provider.md, section 2, on real sockets."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
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

from otpvoice.core.verification import CallStatus, Route
from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import CallQuery, CallReport, OutboundCall
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.sandbox import ReplyStyle, RunningSandbox, SandboxConfig

TOKEN = "38e896f55670311982434e929559bxxxx"

# What is asked


class ProviderStub(ThreadingHTTPServer):
    """Answers each question with the next of ``will``, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/api/v2/"
        self.responses: list[tuple[int, bytes]] = []
        self.headers: dict[str, str] = {}
        self.byte_interval_s = 0.0
        """Seconds between two bytes of an answer."""
        self.closing = threading.Event()
        self.requests: list[tuple[str, dict[str, str]]] = []

    def queries(self) -> list[tuple[str, dict[str, list[str]]]]:
        """Give path and query of each question."""
        parts = [urlsplit(path) for path, _ in self.requests]
        return [(part.path.removeprefix("/api/v2/"), parse_qs(part.query)) for part in parts]


class _Handler(BaseHTTPRequestHandler):
    server: ProviderStub

    def do_GET(self) -> None:
        """Record and answer."""
        self.server.requests.append((self.path, dict(self.headers)))
        status, body = self.server.responses.pop(0) if self.server.responses else (200, NO_CALLS)
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not self.server.byte_interval_s:
            self.wfile.write(body)
            return
        for position in range(len(body)):
            if self.server.closing.wait(self.server.byte_interval_s):
                return
            self.wfile.write(body[position : position + 1])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def http() -> HttpClient:
    """One client for all tests."""
    return HttpClient()


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    """A stub on a real socket."""
    with ProviderStub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def fetch_status(
    url: str, http: HttpClient, inquiry: CallQuery, seconds: float = 5
) -> CallReport | None:
    """Ask the stub within so many seconds."""
    moment = time.monotonic() + seconds
    provider = Mobtexting(base_url=url, token=TOKEN, http=http)
    return provider.fetch_status(inquiry, Deadlines(send_by=moment, finish_by=moment))


def test_request(stub: ProviderStub, http: HttpClient) -> None:
    """A GET without a body; the token stands in the header and never in the query."""
    stub.responses = [(200, NEWER_STATUS)]
    assert fetch_status(stub.url, http, OBD_QUERY)
    [(path, headers)] = stub.requests
    assert path == f"/api/v2/outgoing/callstatus?mobile={RECIPIENT}"
    assert headers == {
        "Host": f"127.0.0.1:{stub.server_port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {TOKEN}",
        "User-Agent": "otpvoice",
    }


def test_obd_by_id(stub: ProviderStub, http: HttpClient) -> None:
    """A known id is asked for, and what it finds is enough, even a call that still rings."""
    named = replace(OBD_QUERY, provider_id=OBD_ID)
    ringing = calls_response(OBD_ENTRY | {"status": "queued"})
    stub.responses = [(200, NEWER_STATUS), (200, ringing)]
    assert fetch_status(stub.url, http, named)
    assert fetch_status(stub.url, http, named) is None
    assert stub.queries() == [("outgoing/callstatus", {"id": [OBD_ID]})] * 2


@pytest.mark.parametrize("nothing", [(200, NO_CALLS), (404, b"{}"), (200, b'{"status":404}')])
def test_obd_by_id_then_number(
    stub: ProviderStub, http: HttpClient, nothing: tuple[int, bytes]
) -> None:
    """If the stub knows its id only with the tail, the number's calls show it."""
    tailed = calls_response(OBD_ENTRY | {"id": f"{OBD_ID}:1"}, OBD_ENTRY | {"id": "other"})
    stub.responses = [nothing, (200, tailed)]
    report = fetch_status(stub.url, http, replace(OBD_QUERY, provider_id=OBD_ID))
    assert report
    assert report.ids == (CALL_ID, OBD_ID)
    assert [query for _, query in stub.queries()] == [{"id": [OBD_ID]}, {"mobile": [RECIPIENT]}]


@pytest.mark.parametrize(
    ("sent_at", "days"),
    [
        ("2026-11-21 12:00:00", "Nov 21, 2026 - Nov 21, 2026"),
        ("2026-11-21 23:30:00", "Nov 21, 2026 - Nov 22, 2026"),
        ("2026-12-01 00:01:59", "Nov 30, 2026 - Dec 01, 2026"),
    ],
)
def test_days_of_the_log(stub: ProviderStub, http: HttpClient, sent_at: str, days: str) -> None:
    """The log is asked for the days, in the vendor's zone, on which the call can have ended."""
    fetch_status(stub.url, http, replace(C2C_QUERY, sent_at_ms=kolkata_ms(sent_at)))
    assert stub.queries() == [("voice/calls", {"datetime[end_at]": [days], "page": ["1"]})]


def full_page(start: int, *entries: dict[str, Any]) -> bytes:
    """Write a page of fifteen, filled up with calls of others."""
    others = [C2C_ENTRY | {"id": f"o{start + n}", "call_from": "911111111111"} for n in range(15)]
    return calls_response(*entries, *others[len(entries) :])


def test_pages(stub: ProviderStub, http: HttpClient) -> None:
    """Full pages are turned; an entry that moved to the next page is one call."""
    stub.responses = [(200, full_page(n, C2C_ENTRY)) for n in (0, 15, 30)] + [
        (200, calls_response())
    ]
    assert fetch_status(stub.url, http, C2C_QUERY)
    assert [query["page"] for _, query in stub.queries()] == [["1"], ["2"], ["3"], ["4"]]


def test_pages_end_before_the_call(stub: ProviderStub, http: HttpClient) -> None:
    """A page of calls that all began long before ours is the last one that is turned to."""
    old = C2C_ENTRY | {"start_at": "2001-01-01 00:00:00", "call_from": "911111111111"}
    past = calls_response(*(old | {"id": f"p{n}"} for n in range(15)))
    stub.responses = [(200, full_page(0, C2C_ENTRY)), (200, past), (500, b"")]
    assert fetch_status(stub.url, http, C2C_QUERY)
    assert [query["page"] for _, query in stub.queries()] == [["1"], ["2"]]


def test_two_fit_on_two_pages(stub: ProviderStub, http: HttpClient) -> None:
    """Without an id all pages are looked at before a call is taken for the only one."""
    stub.responses = [
        (200, full_page(0, C2C_ENTRY)),
        (200, calls_response(C2C_ENTRY | {"id": "second"})),
    ]
    assert fetch_status(stub.url, http, C2C_QUERY) is None


def test_unread_page(stub: ProviderStub, http: HttpClient) -> None:
    """With a page missing nobody knows whether there is only one; the id needs no more pages."""
    stub.responses = [(200, full_page(0, C2C_ENTRY)), (500, b""), (200, full_page(0, C2C_ENTRY))]
    assert fetch_status(stub.url, http, C2C_QUERY) is None
    assert fetch_status(stub.url, http, replace(C2C_QUERY, provider_id=C2C_ID))
    assert len(stub.requests) == 3


# What can not be read


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
@pytest.mark.parametrize("known", [None, OBD_ID])
def test_unreadable(
    stub: ProviderStub, http: HttpClient, status: int, body: bytes, known: str | None
) -> None:
    """A refusal, garbage and more than 64 KiB tell nothing, whatever else stands in them."""
    stub.responses = [(status, body)] * 2
    assert fetch_status(stub.url, http, replace(OBD_QUERY, provider_id=known)) is None


@pytest.mark.parametrize("inquiry", [replace(OBD_QUERY, provider_id=OBD_ID), C2C_QUERY])
def test_trickle(stub: ProviderStub, http: HttpClient, inquiry: CallQuery) -> None:
    """An answer that trickles in is given up in time, and so is the question after it."""
    stub.byte_interval_s = 0.05
    before = time.monotonic()
    assert fetch_status(stub.url, http, inquiry, seconds=0.3) is None
    assert 0.25 < time.monotonic() - before < 1


def test_nobody_there(http: HttpClient) -> None:
    """No connection: nothing is known."""
    assert fetch_status("http://127.0.0.1:1/", http, C2C_QUERY) is None


def test_nothing_is_logged(
    stub: ProviderStub, http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    """No line of any library holds the address: its query string holds the number."""
    caplog.set_level(logging.DEBUG)
    stub.headers = {"Bad header": "x", "": "y"}
    fetch_status(stub.url, http, OBD_QUERY)
    fetch_status("http://127.0.0.1:1/", http, OBD_QUERY)
    assert stub.requests
    assert RECIPIENT not in caplog.text
    assert RECIPIENT not in repr(OBD_QUERY)


# The pretend run_sandbox


@pytest.fixture
def run_sandbox() -> Iterator[Callable[..., RunningSandbox]]:
    """Starts a fast sandbox, and stops it after the test."""
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


def placed(sandbox: RunningSandbox, http: HttpClient, route: Route) -> CallQuery:
    """Place a call, and give what is known of it then."""
    order = OutboundCall(CALL_ID, route, f"+{RECIPIENT}", BRIDGE, "24", "Asha", "1, 2, 3, 4, 5, 6")
    sent_at, finish_by = round(time.time() * 1000), time.monotonic() + 5
    provider = Mobtexting(base_url=sandbox.api_url, token=TOKEN, http=http)
    known = provider.place(order, Deadlines(finish_by, finish_by)).provider_id
    return CallQuery(CALL_ID, route, order.number, BRIDGE, known, sent_at)


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
def test_placed_ended_asked(
    run_sandbox: Callable[..., RunningSandbox],
    http: HttpClient,
    route: Route,
    style: dict[str, str],
    behaviour: str,
    status: CallStatus,
) -> None:
    """A call that ended without a callback is reported, whether its id is known or not."""
    sandbox = run_sandbox(**style)
    behave = {"behaviour": behaviour}
    assert requests.put(f"{sandbox.url}/phones/{RECIPIENT}", json=behave, timeout=5).ok
    inquiry = placed(sandbox, http, route)
    calls = sandbox.state.network.list_calls
    assert sandbox.state.wait_until(lambda: all(call.ended_at for call in calls()), 5)
    [call] = calls()

    told = [
        fetch_status(sandbox.api_url, http, i)
        for i in (inquiry, replace(inquiry, provider_id=None))
    ]

    assert told[0] == told[1]
    assert told[0]
    assert told[0].ids == (CALL_ID, call.id.partition(":")[0])
    assert (told[0].status, told[0].route) == (status, route)
    assert (inquiry.provider_id is None) == ("bare" in style.values())


@pytest.mark.parametrize("route", Route)
def test_while_it_rings(
    run_sandbox: Callable[..., RunningSandbox], http: HttpClient, route: Route
) -> None:
    """A call that rings has no result, whether its id is known or not."""
    sandbox = run_sandbox(ring_seconds=60)
    inquiry = placed(sandbox, http, route)
    assert [call.status for call in sandbox.state.network.list_calls()] == ["ringing"]
    assert fetch_status(sandbox.api_url, http, inquiry) is None
    assert fetch_status(sandbox.api_url, http, replace(inquiry, provider_id=None)) is None
