"""What a gated call speaks: its prompt, and after the first key the code, or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from providers import plivo_samples, twiml_callbacks
from structlog.testing import capture_logs
from support.service import ASHA
from werkzeug.test import Client, TestResponse

from otpvoice.api.answers import AnswerViews
from otpvoice.api.application import Api
from otpvoice.api.call_documents import CallDocuments
from otpvoice.api.key_presses import KeyViews
from otpvoice.container import Container
from otpvoice.core.keys import CallTokens
from otpvoice.core.requests import CreateRequest
from otpvoice.core.speech import Flow, Gate
from otpvoice.core.verification import CallStatus
from otpvoice.metrics import ApiMetrics
from otpvoice.providers.answering import AnsweringProvider, GatingProvider
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.providers.routes import ProviderFlows, Route
from otpvoice.providers.twiml.document import Voice
from otpvoice.settings import Settings
from otpvoice.store.models import CallUpdate, Claim
from otpvoice.store.redis_store import RedisStore

PUBLIC_URL = "https://otp.example.com"
COMPANIES = ("twilio", "signalwire", "plivo")
GATED = Flow("", "Your code is {otp}.", gate=True, prompt="ACME, for {Name}. Press 1.")
CODE = "471102"


@dataclass(frozen=True, slots=True)
class Company:
    """A telephone company whose requests come to the API through a proxy."""

    name: str
    client: Client
    addresses: CallAddresses

    def sign(self, url: str, form: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of the company's signature."""
        if self.name == "plivo":
            return plivo_samples.sign(url, dict(form))
        return dict(next(twiml_callbacks.signed_headers(self.name, url, urlencode(form).encode())))

    def send(
        self, url: str, digits: str | None = "1", headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        """Send a request about a call, signed unless there are other headers."""
        form = plivo_samples.key_form(digits) | {"CallSid": "CA1"}
        if headers is None:
            headers = self.sign(url, form)
        parts = urlsplit(url)
        return self.client.post(
            f"{parts.path}?{parts.query}", data=urlencode(form), headers={**headers, **FORM_TYPE}
        )

    def press(self, call: Claim, digits: str | None = "1") -> str:
        """Report a key, and return the document that follows."""
        response = self.send(self.addresses.key(call.call_id), digits)
        assert (response.status_code, response.content_type) == (200, "application/xml")
        assert response.headers["Cache-Control"] == "no-store"
        return response.text


FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def start_company(store: RedisStore, settings: Settings) -> Callable[..., Company]:
    """Return a function that starts an API with one company."""
    ring = Container(settings).key_ring

    def start(name: str, flow: Flow = GATED) -> Company:
        addresses = CallAddresses(PUBLIC_URL, name, CallTokens(ring))
        provider = (
            plivo_samples.adapter(addresses=addresses)
            if name == "plivo"
            else twiml_callbacks.adapter(name, {"default": Voice("Polly.Aditi")}, addresses)
        )
        flows = ProviderFlows({"default": flow})
        routes = {"obd": Route("obd", name, provider, "", flows, 165)}
        documents = CallDocuments(name, ring, routes, store)
        app = Api(PUBLIC_URL, [], ApiMetrics())
        assert isinstance(provider, GatingProvider)
        parts: Any = (provider, store, documents, PUBLIC_URL, ExchangeCapture(store, ring))
        app.add_endpoints(KeyViews(*parts).endpoints())
        if isinstance(provider, AnsweringProvider):
            app.add_endpoints(AnswerViews(*parts).endpoints())
        return Company(name, app.test_client(), addresses)

    return start


@pytest.fixture(params=COMPANIES)
def company(request: pytest.FixtureRequest, start_company: Callable[..., Company]) -> Company:
    """Run an API with one company."""
    return start_company(request.param)


@pytest.fixture
def created(api: ApiClient) -> dict[str, Any]:
    """Return a verification whose code is 471102."""
    return api.create(code=CODE, name="Asha")


@pytest.fixture
def placed(created: dict[str, Any], dialer: ManualDialer) -> Claim:
    """Return a live gated call."""
    assert created
    return dialer.place(gate=Gate.DOOR)


def spells_code(document: str) -> bool:
    """Return whether a document speaks the code."""
    return "4<break" in document


def test_key_gets_the_code_once(company: Company, placed: Claim) -> None:
    """A second key, and a copy of the first request, get nothing."""
    with capture_logs() as logged:
        first, *later = (company.press(placed, key) for key in ("1", "1", "2", "9"))
    assert first.count("Your code is 4<break") == 3
    assert not [each for each in later if "Your code" in each or spells_code(each)]
    assert len({*later}) == 1
    calls = [(line["event"], line.get("outcome")) for line in logged if "call" in line]
    assert calls == [("call.spoken", None), *[("call.not_spoken", "pressed")] * 3]
    assert CODE not in str(logged)
    assert urlsplit(company.addresses.key(placed.call_id)).path not in str(logged)
    assert CODE not in company.addresses.key(placed.call_id)


def test_denial_after_the_code_changes_nothing(
    company: Company, placed: Claim, created: dict[str, Any], api: ApiClient
) -> None:
    """The first key decides."""
    company.press(placed)
    company.press(placed, "9")
    assert api.get_verification(created)["status"] == "pending"


def test_denial_ends_the_verification(
    company: Company, placed: Claim, created: dict[str, Any], api: ApiClient
) -> None:
    """The call ends without a word, and no key gets the code any more."""
    with capture_logs() as logged:
        documents = [company.press(placed, key) for key in ("9", "1", "9")]
    assert len({*documents}) == 1
    assert not spells_code(documents[0])
    outcomes = [line["outcome"] for line in logged if line["event"] == "call.not_spoken"]
    assert outcomes == ["denied", "pressed", "pressed"]
    ended = api.get_verification(created)
    assert (ended["status"], ended["reason"]) == ("canceled", "denied")


@pytest.mark.parametrize("digits", [None, "", "11", "१"])
def test_report_without_one_key_leaves_the_code(
    company: Company, placed: Claim, digits: str | None
) -> None:
    """The vendor's timeout, for example. Then a key still counts."""
    assert not spells_code(company.press(placed, digits))
    assert spells_code(company.press(placed, "#"))


def test_call_without_a_gate_takes_no_key(
    company: Company, created: dict[str, Any], dialer: ManualDialer
) -> None:
    """It speaks the code when it is answered, and nothing denies it."""
    assert created
    call = dialer.place()
    assert not spells_code(company.press(call))
    assert not spells_code(company.press(call, "9"))
    if company.name != "twilio":
        assert spells_code(company.send(company.addresses.answer(call.call_id)).text)


def test_gated_call_is_answered_with_its_prompt(
    start_company: Callable[..., Company], placed: Claim
) -> None:
    """As often as it is fetched, without the code, until a key comes."""
    for name in ("plivo", "signalwire"):
        company = start_company(name)
        url = company.addresses.answer(placed.call_id)
        with capture_logs() as logged:
            documents = [company.send(url).text for _ in range(2)]
        for document in documents:
            assert document.count("ACME, for Asha. Press 1.") == 2
            assert company.addresses.key(placed.call_id) in document
            assert "Your code" not in document
            assert not any(digit in document.replace("Press 1", "") for digit in ("471102", "4<"))
        prompted = [line for line in logged if line["event"] == "call.prompted"]
        assert len(prompted) == 2
    company.press(placed)
    assert not spells_code(company.send(url).text)
    assert "Press 1" not in company.send(url).text


def test_key_before_the_call_is_sent_gets_nothing(
    company: Company, created: dict[str, Any], dialer: ManualDialer
) -> None:
    """Too early; nothing is denied either."""
    assert created
    claim = dialer.claim()
    assert not spells_code(company.press(claim, "9"))
    assert not spells_code(company.press(claim))


def test_key_too_late_gets_nothing(company: Company, placed: Claim, api: ApiClient) -> None:
    """The call has ended without a report."""
    api.advance_time(166)
    assert not spells_code(company.press(placed))


def test_key_after_a_cancel_gets_nothing(
    company: Company, placed: Claim, created: dict[str, Any], api: ApiClient
) -> None:
    """The code is of no use any more."""
    api.act(created, "cancel")
    assert not spells_code(company.press(placed))


def test_stranger_gets_404_and_leaves_the_code(
    company: Company, placed: Claim, api: ApiClient, created: dict[str, Any]
) -> None:
    """Without the signature, with another one, or at another address."""
    url = company.addresses.key(placed.call_id)
    other = company.addresses.key("call_" + "0" * 32)
    answer = company.addresses.answer(placed.call_id)
    token, answer_token = urlsplit(url).path.split("/")[3], urlsplit(answer).path.split("/")[3]
    form = plivo_samples.key_form("9") | {"CallSid": "CA1"}
    strangers = [
        company.send(url, headers={}),
        company.send(url, "1", company.sign(url, form)),  # the signature of another key
        company.send(url, "9", company.sign(other, form)),
        company.send(other, "9", company.sign(url, form)),
        company.send(url.replace(token, answer_token), "9"),
        company.send(other.replace("call_" + "0" * 32, placed.call_id), "9"),
        company.send(url.replace("?call=", "?call=x"), "9"),
        company.send(url.partition("?")[0] + "?x=1", "9"),
    ]
    for response in strangers:
        assert_problem(response, 404, "not_found")
    if company.name != "twilio":
        assert_problem(company.send(answer.replace(answer_token, token)), 404, "not_found")
    assert api.get_verification(created)["status"] == "pending"
    assert spells_code(company.press(placed))


def test_key_of_an_unknown_call_gets_nothing(company: Company, placed: Claim) -> None:
    """Its record has expired."""
    assert placed
    response = company.send(company.addresses.key("call_" + "0" * 32))
    assert (response.status_code, spells_code(response.text)) == (200, False)


@pytest.mark.parametrize("name", ["plivo", "signalwire"])
@pytest.mark.parametrize("flow", [Flow("", "Your code is {otp}."), Flow("", "x", gate=True)])
def test_call_without_a_prompt_ends_and_is_logged(
    start_company: Callable[..., Company], placed: Claim, name: str, flow: Flow
) -> None:
    """This process may have other settings than the dialer. It never speaks the code instead."""
    company = start_company(name, flow)
    with capture_logs() as logged:
        document = company.send(company.addresses.answer(placed.call_id)).text
    assert "Your code" not in document
    (line,) = [each for each in logged if each["event"] == "call.unspeakable"]
    assert (line["log_level"], bool(line["reason"])) == ("error", True)


def test_call_without_a_text_ends_after_the_key(
    start_company: Callable[..., Company],
    placed: Claim,
    store: RedisStore,
    api: ApiClient,
    created: dict[str, Any],
) -> None:
    """It is logged as of any other call. Nobody heard the code, although a key was pressed."""
    company = start_company("twilio", Flow("", ""))
    with capture_logs() as logged:
        assert "Say" not in company.press(placed)
    assert "call.unspeakable" in [line["event"] for line in logged]
    ended: dict[str, Any] = {"status": CallStatus.ANSWERED, "raw": "completed", "duration_s": 30}
    store.apply_report(CallUpdate(fingerprint="x", call_id=placed.call_id, **ended))
    call = api.get_verification(created)["calls"][0]
    assert (call["status"], call["heard"]) == ("answered", False)


def test_key_of_a_live_test_call_is_captured(
    company: Company, api: ApiClient, dialer: ManualDialer, settings: Settings
) -> None:
    """As its other exchanges are; those of other calls are not."""
    parts = Container(settings, api.store)
    parts.service.create_live_test("login", CreateRequest(ASHA))
    live = dialer.place(gate=Gate.DOOR)
    assert "Your code" in company.press(live)
    company.press(live, "9")
    capture = ExchangeCapture(api.store, parts.key_ring)
    outcomes = [getattr(each, "outcome", "") for _, each in capture.load(live.call_id)]
    assert outcomes == ["speak", "pressed"]
    api.create("+919876500001")
    other = dialer.place(gate=Gate.DOOR)
    company.press(other)
    assert not capture.load(other.call_id)
