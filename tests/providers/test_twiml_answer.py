"""Documents that SignalWire fetches: docs/providers/twiml.md, section 3."""

import hmac
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from providers.twiml_callbacks import SIGNING_KEY, sign_form, verifier
from providers.twiml_samples import (
    BRIDGE,
    CALL_ID,
    NUMBER,
    OTHER_CALL_ID,
    PATH_TOKEN,
    account,
    outbound_call,
)

from otpvoice.core.keys import CallTokens, KeyRing
from otpvoice.http_client import Deadlines
from otpvoice.providers.answering import AnsweringProvider
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    PlacementOutcome,
    Speech,
    UnspeakableError,
)
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.twiml.document import Voice, render_document
from otpvoice.providers.twiml.provider import FetchedTwiml

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
BODY = urlencode({"CallSid": "7c5e1d8a", "CallStatus": "in-progress", "To": NUMBER}).encode()
SPEECH = Speech("hi", "ACME. {Name}: {otp}.", "Asha", "4710")


def provider(*keys: bytes) -> FetchedTwiml:
    """Return the adapter for SignalWire, with these keys of the ring."""
    return FetchedTwiml(
        account=account("signalwire", base_url="https://acme.signalwire.com/api/laml/2010-04-01"),
        verifier=verifier("signalwire"),
        voices={"hi": Voice("Polly.Aditi", "hi-IN")},
        addresses=CallAddresses(
            "https://otp.example.com", "abroad", CallTokens(KeyRing(keys or (NEW,)))
        ),
    )


def fetch(adapter: FetchedTwiml, url: str, headers: dict[str, str], body: bytes = BODY) -> str:
    """Request the document at an address."""
    parts = urlsplit(url)
    callback = Callback(
        body=body,
        query={name: value for name, (value,) in parse_qs(parts.query).items()},
        headers=headers,
        url=url,
        path_token=parts.path.rpartition("/")[2],
    )
    return adapter.parse_answer(callback)


def signed(url: str, body: bytes = BODY, key: str = SIGNING_KEY) -> dict[str, str]:
    """Return SignalWire's signature of a request."""
    digest = hmac.digest(key.encode(), url.encode() + body, "sha1")
    return {"x-signalwire-signature": digest.hex()}


def test_request_names_the_address_of_the_document() -> None:
    """It holds neither the code nor the name."""
    request = provider().preview_request(outbound_call())
    shown = provider().account.callback_urls(CALL_ID)[0].replace(PATH_TOKEN, "...")
    members = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
    assert members == {
        "To": NUMBER,
        "From": f"+{BRIDGE}",
        "Url": provider().addresses.answer(CALL_ID),
        "Method": "POST",
        "StatusCallback": shown,
        "StatusCallbackMethod": "POST",
        "Timeout": "45",
        "TimeLimit": "60",
    }
    assert "Asha" not in str(members)


def test_adapter_answers() -> None:
    """The service has an address for its documents."""
    assert isinstance(provider(), AnsweringProvider)


@pytest.mark.parametrize("is_form_signed", [True, False])
def test_signed_request_is_about_its_call(is_form_signed: bool) -> None:
    """Signed in either of the vendor's ways."""
    url = provider().addresses.answer(CALL_ID)
    form_signature = {"x-twilio-signature": sign_form(url, BODY, SIGNING_KEY)}
    headers = form_signature if is_form_signed else signed(url)
    assert fetch(provider(), url, headers) == CALL_ID


def test_address_stays_valid_while_keys_are_rotated() -> None:
    """A call that was placed with the former key of the ring can still be answered."""
    url = provider(OLD).addresses.answer(CALL_ID)
    assert fetch(provider(NEW, OLD), url, signed(url)) == CALL_ID
    with pytest.raises(CallbackAuthError):
        fetch(provider(NEW), url, signed(url))


def test_other_requests_are_not_authentic() -> None:
    """Unsigned, signed by somebody else, changed, or at the address of another call."""
    adapter = provider()
    url = adapter.addresses.answer(CALL_ID)
    other = adapter.addresses.answer(OTHER_CALL_ID)
    mixed = url.replace(CALL_ID, OTHER_CALL_ID)
    requests: list[tuple[str, dict[str, str], bytes]] = [
        (url, {}, BODY),
        (url, signed(url, key="other"), BODY),
        (url, signed(url), BODY + b"&x=y"),
        (url, signed(other), BODY),
        (other, signed(url), BODY),
        (mixed, signed(mixed), BODY),
        (url.partition("?")[0], signed(url.partition("?")[0]), BODY),
    ]
    for sent_to, headers, body in requests:
        with pytest.raises(CallbackAuthError):
            fetch(adapter, sent_to, headers, body)


def test_document_speaks_the_code() -> None:
    """The one of :mod:`otpvoice.providers.twiml.document`; without speech it ends the call."""
    expected = render_document(SPEECH, Voice("Polly.Aditi", "hi-IN"))
    assert provider().build_document(SPEECH) == expected.encode()
    assert provider().build_document(None) == b"<Response><Hangup/></Response>"


@pytest.mark.parametrize("text", ["", "x" * 4000])
def test_call_that_cannot_be_spoken_is_not_placed(text: Any) -> None:
    """Nothing is sent."""
    result = provider().place(outbound_call(text=text), Deadlines.within(5))
    assert result.outcome is PlacementOutcome.MISCONFIGURED
    with pytest.raises(UnspeakableError):
        provider().build_document(Speech("hi", text, "Asha", "4710"))
