"""A telephone company that only these tests know: the port and a route are all that it needs."""

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from providers.servers import ScriptedServer, http_response
from support.service import ASHA, ClientAndDialer
from werkzeug.test import TestResponse

from otpvoice.api.application import Api
from otpvoice.api.webhooks import WebhookViews
from otpvoice.container import Container
from otpvoice.core.keys import KeyRing, NumberHasher
from otpvoice.core.phone import NumberRules
from otpvoice.core.profiles import ClientProfile, CodePolicy
from otpvoice.core.service import Verifications
from otpvoice.core.speech import Flow, fill_text
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.dialer.dialer import Dialer, DialingRules
from otpvoice.http_client import Deadlines, HttpClient, RequestFailed
from otpvoice.metrics import ApiMetrics
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallQuery,
    CallReport,
    HttpRequestSpec,
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
)
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.providers.routes import CallerLine, ProviderFlows, Route
from otpvoice.settings import Settings
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

PUBLIC_URL = "https://otp.example.com"
LINE = CallerLine("4930123456", "+4930123456")
FLOWS = ProviderFlows({"default": Flow("", "{Name}: {otp}")})
KEY = b"key of the tiny company"


@dataclass(frozen=True)
class Tiny:
    """An adapter that speaks texts, and whose callbacks are signed over their address."""

    url: str
    http: HttpClient = field(default_factory=HttpClient)

    def place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Send the one request for this call."""
        request = self.preview_request(call)
        response = self.http.post(request.url, {}, request.body, deadlines)
        if isinstance(response, RequestFailed) or response.status != 200:
            return PlacementResult(PlacementOutcome.AMBIGUOUS, "no clear reply")
        return PlacementResult(PlacementOutcome.ACCEPTED, "accepted", provider_id="tiny-1")

    def preview_request(self, call: OutboundCall) -> HttpRequestSpec:
        """Return the request."""
        said = fill_text(call.text, " ".join(call.code), call.name)
        members = {"line": call.bridge, "to": call.number, "say": said, "by": call.mode}
        return HttpRequestSpec(self.url, json.dumps(members).encode())

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:
        """Know nothing of ended calls."""

    def parse_callback(self, callback: Callback) -> tuple[CallReport, ...]:
        """Parse a form that is signed over the address."""
        if callback.headers.get("x-tiny") != sign(callback.url):
            raise CallbackAuthError
        form = dict(parse_qsl(callback.body.decode()))
        report = CallReport(
            ids=(form["id"],),
            mode=None,
            bridge=None,
            number=None,
            status=CallStatus(form["status"]),
            reason=None,
            raw=form["status"],
            started_at_ms=None,
            duration_s=None,
        )
        return (report,)


def sign(url: str) -> str:
    """Return the company's signature of an address."""
    return hmac.new(KEY, url.encode(), "sha256").hexdigest()


@pytest.fixture
def company() -> Iterator[ScriptedServer]:
    """Run the company's API."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def route(company: ScriptedServer) -> Route:
    """Return the route by the company."""
    return Route("far", "tiny", Tiny(company.url), "fast", FLOWS, LINE)


@pytest.fixture
def harness(store: RedisStore, settings: Settings, route: Route) -> ClientAndDialer:
    """Create a client and a dialer with this route only."""
    ring, profile = Container(settings).key_ring, NumberRules(["IN"], ["mobile"])
    own = RedisStore(store.redis, policy=StorePolicy(routes=("far",)))
    own.sweep("a dialer that was heard of")
    client = ClientProfile(profile, "918068280000", "+918068280000", "Asha", FLOWS.common, 300)
    service = Verifications(
        store=own,
        ring=ring,
        number_hasher=NumberHasher(settings.secrets.number_key),
        profiles={"login": client},
        routes=("far",),
        policy=CodePolicy(code_length=6, max_checks=5, min_remaining_life_s=60, retention_s=600),
    )
    rules = DialingRules(
        threads=1, max_live_calls=9, live_for_ms=165_000, call_gaps_ms=[0], routes=["far"]
    )
    dialer = Dialer(own, own, {"far": route}, ring, rules)
    return ClientAndDialer(service, own, dialer)


def deliver(store: RedisStore, route: Route, ring: KeyRing, url: str, **form: Any) -> TestResponse:
    """Send a callback for this address, signed for the public one."""
    hasher = NumberHasher(b"n" * 32)
    capture = ExchangeCapture(store, ring)
    views = WebhookViews(
        "tiny", route.provider, (route,), store, hasher, (LINE.bridge,), capture, "", PUBLIC_URL
    )
    app = Api(PUBLIC_URL, [], ApiMetrics())
    app.add_endpoints(views.endpoints())
    parts = urlsplit(url)
    signature = {"X-Tiny": sign(url)}
    return app.test_client().post(f"{parts.path}?{parts.query}", data=form, headers=signature)


def dialed(harness: ClientAndDialer, company: ScriptedServer) -> Verification:
    """Create a verification, and place its call."""
    company.respond(http_response(b"{}"))
    begun = harness.create(ASHA, code="4711")
    assert harness.dial_next()
    return begun


def test_company_gets_its_line_mode_and_text(
    harness: ClientAndDialer, company: ScriptedServer
) -> None:
    """And the call has the route's name, and the line of the company."""
    begun = dialed(harness, company)
    (request,) = company.requests
    said = {"line": LINE.bridge, "to": ASHA, "say": "Asha: 4 7 1 1", "by": "fast"}
    assert json.loads(request.body) == said
    (call,) = harness.calls_of(begun)
    assert (call.route, call.status) == ("far", CallStatus.PLACED)
    assert (call.bridge, call.caller_id) == (LINE.bridge, LINE.caller_id)


def test_signature_over_the_public_address_authenticates_a_callback(
    harness: ClientAndDialer,
    company: ScriptedServer,
    store: RedisStore,
    route: Route,
    settings: Settings,
) -> None:
    """With its query string. One of another host is refused."""
    begun, ring = dialed(harness, company), Container(settings).key_ring
    members = {"id": "tiny-1", "status": "busy"}
    path = "/webhooks/tiny?call=a%20b&x=1"
    forged = deliver(store, route, ring, f"https://evil.example.com{path}", **members)
    assert forged.status_code == 401
    assert harness.calls_of(begun)[0].status is CallStatus.PLACED
    assert deliver(store, route, ring, f"{PUBLIC_URL}{path}", **members).status_code == 200
    assert harness.calls_of(begun)[0].status is CallStatus.BUSY
