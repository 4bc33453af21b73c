"""What an answered call speaks: fetched once, by the provider alone, while the call is live."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from providers.plivo_samples import TEXT, adapter, encode_form, hangup_form, sign
from structlog.testing import capture_logs
from support.service import ASHA
from werkzeug.test import TestResponse

from otpvoice.api.answers import AnswerViews
from otpvoice.api.application import Api
from otpvoice.api.call_documents import CallDocuments
from otpvoice.container import Container
from otpvoice.core.keys import CallTokens, KeyRing
from otpvoice.core.requests import CreateRequest
from otpvoice.core.speech import Flow
from otpvoice.metrics import ApiMetrics
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.exchange_capture import CapturedAnswer, ExchangeCapture
from otpvoice.providers.plivo.document import EMPTY_DOCUMENT
from otpvoice.providers.routes import ProviderFlows, Route
from otpvoice.settings import Settings
from otpvoice.store.models import Claim
from otpvoice.store.redis_store import RedisStore

PUBLIC_URL = "https://otp.example.com"
FORM = hangup_form(CallStatus="in-progress", HangupCause=None, HangupCauseName=None)
Answer = Callable[..., TestResponse]


@pytest.fixture
def ring(settings: Settings) -> KeyRing:
    """Return the key ring of the settings."""
    return Container(settings).key_ring


@pytest.fixture
def addresses(ring: KeyRing) -> CallAddresses:
    """Return the addresses that the provider gets."""
    return CallAddresses(PUBLIC_URL, "plivo", CallTokens(ring))


@pytest.fixture
def answer(store: RedisStore, ring: KeyRing, addresses: CallAddresses) -> Answer:
    """Return a function that sends the signed request for a call's document."""

    def answer(
        url: str,
        flows: ProviderFlows | None = None,
        company: str = "plivo",
        **headers: str,
    ) -> TestResponse:
        texts = flows or ProviderFlows({"default": Flow("", TEXT)})
        provider = adapter(addresses=addresses)
        routes = {"obd": Route("obd", company, provider, "", texts, 165)}
        documents = CallDocuments("plivo", ring, routes, store)
        views = AnswerViews(provider, store, documents, PUBLIC_URL, ExchangeCapture(store, ring))
        app = Api(PUBLIC_URL, [], ApiMetrics())
        app.add_endpoints(views.endpoints())
        parts = urlsplit(url)
        return app.test_client().post(
            f"{parts.path}?{parts.query}",
            data=encode_form(FORM),
            headers=sign(url, FORM) | headers,
        )

    return answer


@pytest.fixture
def placed(api: ApiClient, dialer: ManualDialer) -> Claim:
    """Return a live call that speaks 471102."""
    api.create(code="471102", name="Asha")
    return dialer.place()


def test_live_call_gets_its_code_once(
    answer: Answer, placed: Claim, addresses: CallAddresses
) -> None:
    """Then nothing, so that a copied request is of no use."""
    url = addresses.answer(placed.call_id)
    with capture_logs() as logged:
        first, second = answer(url), answer(url)
    digits = '<break time="400ms"/>'.join("471102")
    assert first.status_code == 200
    assert first.content_type == "application/xml"
    assert first.headers["Cache-Control"] == "no-store"
    assert first.text.count(f"ACME. Your login code, Asha, is {digits}.") == 3
    assert (second.status_code, second.data) == (200, EMPTY_DOCUMENT)
    events = [line["event"] for line in logged if line["event"].startswith("call.")]
    assert events == ["call.spoken", "call.not_spoken"]
    assert "471102" not in str(logged)
    assert urlsplit(url).path not in str(logged)


def test_document_speaks_the_payment(
    api: ApiClient, dialer: ManualDialer, answer: Answer, addresses: CallAddresses
) -> None:
    """Nothing of the payee is markup, and no transaction speaks nothing."""
    texts = ProviderFlows({"default": Flow("", "Pay {amount} to {payee}. {otp}")})
    rent = {"amount": "2500.00", "currency": "INR", "payee": "<break/>{otp} O'Brien & Sons"}
    for transaction, spoken in (
        (rent, "Pay 2500 rupees to breakotp O'Brien Sons. 4<break"),
        (None, "Pay  to . 4<break"),
    ):
        api.create(code="471102", transaction=transaction, reference=spoken)
        call_id = dialer.place().call_id
        assert answer(addresses.answer(call_id), texts).text.count(spoken) == 3
        assert api.send_callback(id=call_id, status="ANSWER").status_code == 200
        api.advance_time(90)


def test_stranger_gets_404_and_leaves_the_code(
    answer: Answer, placed: Claim, addresses: CallAddresses
) -> None:
    """Without the signature, with another account's, or at another call's address."""
    url = addresses.answer(placed.call_id)
    path, _, query = url.partition("?")
    other = addresses.answer("call_" + "0" * 32)
    strangers = [
        answer(url, **{"x-plivo-signature-v3": ""}),
        answer(url, **sign(url, FORM, "another-token")),
        answer(url, **sign(other, FORM)),
        answer(f"{path[:-1]}x?{query}"),
        answer(f"{other.partition('?')[0]}?{query}"),
        answer(f"{path}?call="),
        answer(path + "?x=1"),
    ]
    for response in strangers:
        assert_problem(response, 404, "not_found")
    assert b"<break" in answer(url).data


def test_call_that_was_not_sent_gets_nothing(
    api: ApiClient, dialer: ManualDialer, answer: Answer, addresses: CallAddresses
) -> None:
    """Too early."""
    api.create()
    url = addresses.answer(dialer.claim().call_id)
    assert (response := answer(url)).data == EMPTY_DOCUMENT
    assert response.status_code == 200


def test_call_answered_too_late_gets_nothing(
    api: ApiClient, placed: Claim, answer: Answer, addresses: CallAddresses
) -> None:
    """The provider queued it, or it rang for too long."""
    api.advance_time(166)
    assert answer(addresses.answer(placed.call_id)).data == EMPTY_DOCUMENT


def test_call_of_a_canceled_verification_gets_nothing(
    api: ApiClient, dialer: ManualDialer, answer: Answer, addresses: CallAddresses
) -> None:
    """Its code is of no use any more."""
    created = api.create()
    claim = dialer.place()
    api.act(created, "cancel")
    assert answer(addresses.answer(claim.call_id)).data == EMPTY_DOCUMENT


@pytest.mark.parametrize("flow", [Flow("24"), Flow("", "x" * 3_001)])
def test_call_without_a_text_ends_and_is_logged(
    answer: Answer,
    placed: Claim,
    addresses: CallAddresses,
    flow: Flow,
) -> None:
    """This process may have other settings than the dialer that placed the call."""
    with capture_logs() as logged:
        response = answer(addresses.answer(placed.call_id), ProviderFlows({"default": flow}))
    assert (response.status_code, response.data) == (200, EMPTY_DOCUMENT)
    (line,) = [each for each in logged if each["event"] == "call.unspeakable"]
    assert line["log_level"] == "error"
    assert line["reason"]


@pytest.mark.parametrize(("client", "said"), [("login", b"Own: 4"), ("bank", b"All: 4")])
def test_client_with_texts_of_its_own_is_spoken_for_in_them(
    answer: Answer, placed: Claim, addresses: CallAddresses, client: str, said: bytes
) -> None:
    """Calls of other clients speak the provider's texts."""
    own = {client: {"default": Flow("", "Own: {otp}")}}
    flows = ProviderFlows({"default": Flow("", "All: {otp}")}, own)
    assert said in answer(addresses.answer(placed.call_id), flows).data


@pytest.mark.parametrize(("client", "brand"), [("login", b"ACME Pay"), ("bank", b"")])
def test_brand_of_the_client_is_spoken(
    answer: Answer, placed: Claim, addresses: CallAddresses, client: str, brand: bytes
) -> None:
    """Nothing of a client whose brand this process does not know."""
    flows = ProviderFlows({"default": Flow("", "{brand}: {otp}")}, {}, {client: "ACME Pay"})
    assert b">" + brand + b": 4" in answer(addresses.answer(placed.call_id), flows).data


def test_call_of_another_company_is_not_spoken(
    answer: Answer, placed: Claim, addresses: CallAddresses
) -> None:
    """Each company gets the codes of its own calls."""
    response = answer(addresses.answer(placed.call_id), company="another")
    assert response.data == EMPTY_DOCUMENT


def test_requests_of_a_live_test_call_are_captured(
    api: ApiClient,
    dialer: ManualDialer,
    ring: KeyRing,
    answer: Answer,
    addresses: CallAddresses,
    settings: Settings,
) -> None:
    """With names of headers and without their values; those of other calls are not."""
    Container(settings, api.store).service.create_live_test("login", CreateRequest(ASHA))
    live = dialer.place()
    url = addresses.answer(live.call_id)
    assert b"<break" in answer(url).data
    assert answer(url).data == EMPTY_DOCUMENT
    kept = [each for _, each in ExchangeCapture(api.store, ring).load(live.call_id)]
    assert all(isinstance(each, CapturedAnswer) for each in kept)
    assert [getattr(each, "outcome", "") for each in kept] == ["found", "fetched"]
    shown = str([getattr(each, name) for each in kept for name in each.__struct_fields__])
    assert "x-plivo-signature-v3" in shown
    assert sign(url, FORM)["x-plivo-signature-v3"] not in shown
    api.create("+919876500001")
    other = dialer.place().call_id
    assert b"<break" in answer(addresses.answer(other)).data
    assert not ExchangeCapture(api.store, ring).load(other)
