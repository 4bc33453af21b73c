"""Requests of telephone companies that reach the service at its public address, behind a proxy.

Each is signed for that address. What a call speaks is returned to such a request alone, once, and
while the call is live.
"""

import http.client
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest
import requests
from support.companies import TOKEN
from support.processes import TIMEOUT_S, free_port, wait_until
from system.two_companies import TwoCompanies, two_companies

from otpvoice.container import Container
from otpvoice.settings import load
from otpvoice_sandbox.calls import Call
from otpvoice_sandbox.plivo_messages import PlivoMessages

ROUTES = ("twilio", "signalwire", "telnyx", "plivo")
FETCHING = ("signalwire", "plivo")
"""Of companies that fetch what an answered call speaks."""
CODE = "602214"
_numbers = count(919876530000)


class Proxy(BaseHTTPRequestHandler):
    """A proxy that serves the service below a path, and hides the host that was asked for."""

    service_port: int

    def do_POST(self) -> None:
        """Forward the request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {**self.headers, "Host": "service.internal"}
        inner = http.client.HTTPConnection("127.0.0.1", self.service_port)
        inner.request("POST", self.path.removeprefix("/otp"), body, headers)
        response = inner.getresponse()
        content = response.read()
        self.send_response(response.status)
        self.send_header("Content-Type", response.headers["Content-Type"] or "")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        inner.close()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def companies(
    environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoCompanies]:
    """Run the service behind the proxy."""
    Proxy.service_port = free_port()
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        with two_companies(
            environ,
            tmp_path_factory.mktemp("service"),
            OTPVOICE_SERVER_BIND=f"127.0.0.1:{Proxy.service_port}",
            OTPVOICE_SERVER_PUBLIC_URL=f"http://localhost:{proxy.server_port}/otp",
            OTPVOICE_DIALER_ROUTES=",".join(ROUTES),
        ) as started:
            yield started
        proxy.shutdown()
        thread.join()


def company_call(companies: TwoCompanies, number: str) -> Call:
    """Return the only call to a number, as the company sees it."""
    digits = number.removeprefix("+")
    calls = companies.abroad.state.calls
    (call,) = wait_until(lambda: [c for c in calls if c.request.callee == digits], "the call")
    return call


def signed(call: Call, url: str = "", token: str = TOKEN) -> requests.Request:
    """Return the company's callback about a call, for another address or with another key."""
    messages = call.request.messages
    assert messages is not None
    member = "hangup_url" if isinstance(messages, PlivoMessages) else "callback_url"
    changes = {"token": token, **({member: url} if url else {})}
    callback = replace(messages, **changes).callback(call)  # type: ignore[type-var] # both are dataclasses
    assert callback is not None
    return callback


def send(request: requests.Request, url: str = "") -> requests.Response:
    """Send a request, also to another address than it was signed for."""
    return requests.post(
        url or request.url, data=request.data, headers=request.headers, timeout=TIMEOUT_S
    )


def placed(companies: TwoCompanies, route: str) -> tuple[dict[str, Any], Call]:
    """Return a verification whose call has ended at the company, without a callback."""
    number = f"+{next(_numbers)}"
    companies.phones_of(route).set_behaviour(number, "answer", copies=0)
    begun = companies.service.create(number, route=route, code=CODE)
    call = company_call(companies, number)
    wait_until(lambda: call.ended_at, "the end of the call")
    wait_until(lambda: companies.call_statuses(begun) == [(route, "placed")], "the reply")
    return begun, call


@pytest.mark.parametrize("route", ROUTES)
def test_call_is_spoken_and_reported_through_the_proxy(companies: TwoCompanies, route: str) -> None:
    """The code is in no address and in no log."""
    number = f"+{next(_numbers)}"
    begun = companies.service.create(number, route=route, code=CODE)
    wait_until(lambda: companies.call_statuses(begun) == [(route, "answered")], "the callback")
    (rung,) = companies.phones_of(route).calls(number)
    assert re.sub(r"\D", "", rung["spoken"]) == CODE * 3
    (entry,) = companies.requests_for(number)
    addresses = [each for each in entry["request"].values() if str(each).startswith("http")]
    assert addresses
    assert not [each for each in addresses if CODE in each]
    if route in FETCHING:
        assert not re.search(r"(\d\D{0,3}){6}", str(_without_ids(entry["request"])))
    for process in (companies.stack.api, companies.stack.dialer):
        log = process.log.read_text("utf-8")
        assert CODE not in re.sub(r"[0-9a-f]{16,}", "", log)
        assert number not in log


def _without_ids(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a request that are neither numbers nor addresses."""
    return {
        name: each
        for name, each in members.items()
        if name.lower() not in {"to", "from"} and not str(each).startswith("http")
    }


@pytest.mark.parametrize("route", ROUTES)
def test_only_a_callback_signed_for_the_public_address_ends_a_call(
    companies: TwoCompanies, route: str
) -> None:
    """A second delivery changes nothing, and its signature is good for nothing else."""
    begun, call = placed(companies, route)
    _, other = placed(companies, route)
    right = signed(call)
    public, _, path = right.url.partition("/otp")
    internal = f"{companies.service.url}{path}"
    assert public.startswith("http://localhost:")
    other_url = signed(other).url
    other_id = re.sub(r".*(call_[0-9a-f]{32}).*", r"\1", other_url)
    refused = {
        "another key": send(signed(call, token="another token")),
        "another call's id": send(right, re.sub(r"call_[0-9a-f]{32}", other_id, right.url)),
        "no signature": requests.post(right.url, data=right.data, timeout=TIMEOUT_S),
    }
    if route != "telnyx":  # whose signature is of a time; only the address itself is a secret
        refused["another call's address"] = send(right, other_url)
        refused["the internal address"] = send(signed(call, internal))
    statuses = {way: answer.status_code for way, answer in refused.items()}
    assert statuses == dict.fromkeys(refused, 401)
    assert companies.call_statuses(begun) == [(route, "placed")]
    assert send(right, internal).status_code == 200  # the proxy's request
    assert companies.call_statuses(begun) == [(route, "answered")]
    ended = companies.service.get_verification(begun)
    assert send(right).status_code == 200
    assert companies.service.get_verification(begun) == ended


@pytest.mark.parametrize("route", FETCHING)
def test_speech_is_returned_once_while_its_call_is_live(
    companies: TwoCompanies, route: str
) -> None:
    """Neither before, nor again, although the request is signed; and to nobody else."""
    _, call = placed(companies, route)
    queued = companies.service.create(f"+{next(_numbers)}", route=route, code=CODE, call_after=100)
    settings = load(companies.stack.variables).settings
    addresses = Container(settings).providers[route].addresses  # type: ignore[attr-defined] # both have them
    early = addresses.answer(queued["calls"][0]["id"])
    own = call.request.body["answer_url" if route == "plivo" else "Url"]
    for url in (early, own):
        answer = send(signed(call, url))
        assert answer.status_code == 200
        assert CODE not in re.sub(r"\D", "", answer.text), answer.text
    for stranger in (signed(call, own, "another token"), requests.Request("POST", own, data="a=b")):
        assert send(stranger).status_code == 404
    stolen = f"{own.partition('?')[0]}?{early.partition('?')[2]}"
    assert send(signed(call, stolen)).status_code == 404
