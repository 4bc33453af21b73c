"""A telephone company that only these tests know: ports, settings and a route are all it needs."""

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec import structs
from providers.servers import ScriptedServer, http_response
from support.service import ASHA, ClientAndDialer
from werkzeug.test import TestResponse

from otpvoice.api.application import Api
from otpvoice.api.webhooks import WebhookViews
from otpvoice.cli.doctor.accounts import account_checks
from otpvoice.cli.doctor.network import provider_findings
from otpvoice.container import Container
from otpvoice.core.keys import KeyRing, NumberHasher
from otpvoice.core.lines import CallerLines
from otpvoice.core.phone import NumberRules
from otpvoice.core.profiles import ClientProfile, CodePolicy
from otpvoice.core.service import Verifications
from otpvoice.core.speech import Flow
from otpvoice.core.texts import fill_text
from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.diagnostics import Finding, failure, ok
from otpvoice.dialer.dialer import Dialer, DialingRules
from otpvoice.http_client import (
    Deadlines,
    HttpClient,
    HttpResponse,
    RequestFailed,
    create_tls_context,
)
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
    Speech,
    SpeechPlan,
)
from otpvoice.providers.check_table import CHECKS
from otpvoice.providers.checks import AccountChecks, fetch
from otpvoice.providers.conformance import CapturedEvidence, CheckResult, CheckStatus
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.providers.routes import ProviderFlows, Route
from otpvoice.sections import ProviderSection
from otpvoice.settings import Settings
from otpvoice.store import Keys
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

PUBLIC_URL = "https://otp.example.com"
LINE = "4930123456"
LINES = CallerLines((LINE,))
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
        said = fill_text(call.text, {"Name": call.name, "otp": " ".join(call.code)})
        members = {"line": call.bridge, "to": call.number, "say": said, "by": call.mode}
        return HttpRequestSpec(self.url, json.dumps(members).encode())

    def plan_speech(self, speech: Speech) -> SpeechPlan:
        """Speak for as many seconds as the text has characters."""
        return SpeechPlan(code_after_s=len(speech.text), duration_s=None)

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


class TinySettings(ProviderSection, frozen=True, kw_only=True):
    """An account with the company."""

    url: str

    def spoken_flows(self) -> Mapping[str, Flow]:
        """Return the company's texts."""
        return {"default": Flow("", "{otp}")}


class TinyChecks(AccountChecks[TinySettings]):
    """The company shows one thing of an account, and one of a call."""

    conformance_page = "the tiny page"

    @property
    def api_url(self) -> str:
        """The company's API."""
        return self.section.url

    def account_findings(self, http: HttpClient) -> Iterator[Finding]:
        """Yield whether the API welcomes the line."""
        response = fetch(http, f"{self.section.url}/lines", {})
        is_welcome = isinstance(response, HttpResponse) and response.body == b"welcome"
        subject = f"{self.table}.bridge"
        yield ok(subject, self.caller_line) if is_welcome else failure(subject, "is unknown", "ask")

    def check_call(self, evidence: CapturedEvidence) -> Iterator[CheckResult]:
        """Yield whether the call was answered."""
        yield CheckResult("answer", "comes", CheckStatus.CONFIRMED, evidence.status)


@pytest.fixture
def company() -> Iterator[ScriptedServer]:
    """Run the company's API."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def flows() -> ProviderFlows:
    """Return what the company speaks."""
    return FLOWS


@pytest.fixture
def route(company: ScriptedServer, flows: ProviderFlows) -> Route:
    """Return the route by the company."""
    return Route("far", "tiny", Tiny(company.url), "fast", flows, 90, LINES)


@pytest.fixture
def harness(store: RedisStore, settings: Settings, route: Route) -> ClientAndDialer:
    """Create a client and a dialer with this route only."""
    ring, profile = Container(settings).key_ring, NumberRules(["IN"], ["mobile"])
    own = RedisStore(store.redis, policy=StorePolicy(routes=("far",), route_lines={"far": LINES}))
    own.sweep("a dialer that was heard of")
    client = ClientProfile(profile, CallerLines(("918068280000",)), "Asha", FLOWS.common, 300)
    service = Verifications(
        store=own,
        ring=ring,
        number_hasher=NumberHasher(settings.secrets.number_key),
        profiles={"login": client},
        routes=("far",),
        policy=CodePolicy(code_length=6, max_checks=5, min_remaining_life_s=60, retention_s=600),
    )
    rules = DialingRules(threads=1, max_live_calls=9, call_gaps_ms=[0], routes=["far"])
    dialer = Dialer(own, own, {"far": route}, ring, rules)
    return ClientAndDialer(service, own, dialer)


def deliver(store: RedisStore, route: Route, ring: KeyRing, url: str, **form: Any) -> TestResponse:
    """Send a callback for this address, signed for the public one."""
    hasher = NumberHasher(b"n" * 32)
    capture = ExchangeCapture(store, ring)
    views = WebhookViews(
        "tiny", route.provider, (route,), store, hasher, (LINE,), capture, "", PUBLIC_URL
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
    said = {"line": LINE, "to": ASHA, "say": "Asha: 4 7 1 1", "by": "fast"}
    assert json.loads(request.body) == said
    (call,) = harness.calls_of(begun)
    assert (call.route, call.status) == ("far", CallStatus.PLACED)
    assert (call.bridge, call.caller_id) == (LINE, f"+{LINE}")


def test_call_is_live_as_long_as_its_route_says(
    harness: ClientAndDialer, company: ScriptedServer, store: RedisStore
) -> None:
    """Then its number is free, whatever another company's calls may take."""
    (call,) = harness.calls_of(dialed(harness, company))
    record = Keys().of("call", call.id)
    sent_at, live_until = store.redis.hmget(record, "sent_at", "live_until")
    assert int(live_until or 0) - int(sent_at or 0) == 90_000


def test_provider_decides_after_how_many_seconds_the_code_was_heard(
    harness: ClientAndDialer, company: ScriptedServer, store: RedisStore
) -> None:
    """It knows its silences and its pace."""
    (call,) = harness.calls_of(dialed(harness, company))
    heard_after = store.redis.hget(Keys().of("call", call.id), "heard_after")
    assert int(heard_after or 0) == len("{Name}: {otp}")


GATED = ProviderFlows({"default": Flow("", "{otp}", gate=True, prompt="Press 1.")})


@pytest.mark.parametrize("flows", [GATED])
def test_company_that_cannot_ask_for_a_key_places_no_gated_call(
    harness: ClientAndDialer, company: ScriptedServer
) -> None:
    """It would speak the code to anyone who lifts."""
    begun = harness.create(ASHA, code="4711")
    assert harness.dial_next()
    (call,) = harness.calls_of(begun)
    assert (call.status, call.reason) == (CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert company.requests == []


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


@pytest.mark.parametrize("reply", [b"welcome", b"who are you?"])
def test_diagnostics_find_the_checks_of_a_further_kind(
    company: ScriptedServer, settings: Settings, reply: bytes
) -> None:
    """By its settings: address, account and conformance; the doctor itself does not know it."""
    section = TinySettings(bridge=LINE, url=company.url)
    settings = structs.replace(settings, providers={"tiny": section})
    *_, tiny = account_checks(settings, {**CHECKS, TinySettings: TinyChecks})
    company.respond(http_response(reply))
    found = [*provider_findings([tiny], create_tls_context())]
    assert [(each.subject, str(each.level)) for each in found] == [
        ("providers.tiny address", "ok"),
        ("providers.tiny.bridge", "ok" if reply == b"welcome" else "FAIL"),
        ("providers.tiny callbacks", "ok"),
    ]
    assert LINE not in str(found)
    query = CallQuery("call_1", "", ASHA, LINE, None, 0)
    evidence = CapturedEvidence(
        query=query, status=CallStatus.BUSY, reply=None, callback=None, callback_at_ms=None
    )
    assert [each.observation for each in tiny.check_call(evidence)] == ["busy"]
