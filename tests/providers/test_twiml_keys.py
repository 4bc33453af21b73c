"""Calls that ask for a key before the code: docs/providers/twiml.md, section 3."""

import hmac
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.twiml_callbacks import SIGNING_KEY, adapter, sign_ed25519, signed_headers
from providers.twiml_samples import (
    ADDRESSES,
    CALL_ID,
    CALLBACK,
    OTHER_CALL_ID,
    PROMPT,
    outbound_call,
)

from otpvoice.http_client import Deadlines
from otpvoice.providers.answering import GatingProvider
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    PlacementOutcome,
    Speech,
    UnspeakableError,
)
from otpvoice.providers.twiml.document import MAX_CHARACTERS, Voice, render_prompt
from otpvoice.providers.twiml.provider import FetchedTwiml, Twiml
from otpvoice.providers.twiml.vendors import VENDORS

KEY_URL = ADDRESSES.key(CALL_ID)
ADITI = Voice("Polly.Aditi", "hi-IN")
CALL = outbound_call(prompt=PROMPT, code="471102")


def provider(vendor: str = "twilio") -> Twiml:
    """Return the adapter for a vendor."""
    return adapter(vendor, {"hi": ADITI})


def ask(prompt: str, name: str, key_url: str = KEY_URL) -> str:
    """Return the document that asks for a key."""
    return render_prompt(Speech("", "{otp}", name, "4711", prompt), ADITI, key_url)


def form(**changes: Any) -> bytes:
    """Return the form of a pressed key."""
    members = {**CALLBACK, "CallStatus": "in-progress", "Digits": "1", **changes}
    return urlencode(members, doseq=True).encode()


def press(
    url: str, body: bytes, headers: Any = None, vendor: str = "twilio", sent_to: str | None = None
) -> tuple[str, str]:
    """Report a key at an address, signed for it or with these headers."""
    parts = urlsplit(sent_to or url)
    if headers is None:
        headers = next(iter(signed_headers(vendor, url, body)))
    callback = Callback(
        body=body,
        query={name: value for name, (value,) in parse_qs(parts.query).items()},
        headers=headers,
        url=sent_to or url,
        path_token=parts.path.removesuffix("/key").rpartition("/")[2],
    )
    return provider(vendor).parse_key(callback)


def first_document(call_prompt: str = PROMPT) -> str:
    """Return the document in a request for a call."""
    request = provider().preview_request(outbound_call(prompt=call_prompt, code="471102"))
    return str(request.members["Twiml"])


def test_first_document_asks_for_a_key() -> None:
    """Twice, and then the call ends. The code is neither in it nor elsewhere in the request."""
    said = (
        f'<Pause length="1"/><Gather numDigits="1" timeout="8" action="{KEY_URL}" method="POST">'
        f'<Say language="hi-IN" voice="Polly.Aditi">{PROMPT.replace("{Name}", "Asha")}</Say>'
        "</Gather>"
    )
    assert first_document() == f"<Response>{said * 2}<Hangup/></Response>"
    request = provider().preview_request(CALL)
    text = f"{request.url} {request.members}"
    assert "471102" not in text
    assert "4<break" not in text
    assert "login code is" not in text


def test_fetched_document_asks_for_a_key() -> None:
    """It is the one that another vendor gets inline."""
    adapter = provider("signalwire")
    assert isinstance(adapter, FetchedTwiml)
    speech = Speech("hi", "{otp}", "Asha", "", PROMPT)
    assert adapter.build_prompt(CALL_ID, speech).decode() == first_document()
    assert "Url" in adapter.preview_request(CALL).members


@pytest.mark.parametrize(
    "name", ["</Say><Hangup/>", 'O\'Neil & "Söhne"', "{otp}", "{Name}", "\x00"]
)
def test_name_is_never_markup(name: str) -> None:
    """As in the text with the code."""
    document = ET.fromstring(  # noqa: S314 - written by the code under test
        ask("A & {Name}, {otp}.", name, 'https://x/?a="<1>&b')
    )
    says = ["".join(say.itertext()) for say in document.iter("Say")]
    assert says == [f"A & {name}, .".replace("\x00", "")] * 2
    assert {gather.get("action") for gather in document.iter("Gather")} == {'https://x/?a="<1>&b'}


@pytest.mark.parametrize(("length", "times"), [(1600, 2), (1900, 1), (3700, 1)])
def test_long_prompt_is_repeated_as_often_as_it_fits(length: int, times: int) -> None:
    """A vendor refuses longer documents."""
    document = ask("x" * length, "")
    assert document.count("<Gather") == times
    assert len(document) <= MAX_CHARACTERS


@pytest.mark.parametrize("changes", [{"prompt": "x" * 4000}, {"text": "x" * 4000}, {"text": ""}])
@pytest.mark.parametrize("vendor", ["twilio", "signalwire"])
def test_call_that_cannot_be_spoken_is_not_placed(changes: dict[str, str], vendor: str) -> None:
    """Neither the prompt nor the text may be missing: nobody would hear the code."""
    call = outbound_call(**({"prompt": PROMPT} | changes))
    result = provider(vendor).place(call, Deadlines.within(5))
    assert result.outcome is PlacementOutcome.MISCONFIGURED
    with pytest.raises(UnspeakableError):
        ask("", "Asha")


@pytest.mark.parametrize("vendor", VENDORS)
def test_signed_key_is_of_its_call(vendor: str) -> None:
    """With each of the vendor's signatures, and also if a proxy changed the address."""
    assert isinstance(provider(vendor), GatingProvider)
    body = form(Digits="9")
    for headers in signed_headers(vendor, KEY_URL, body):
        assert press(KEY_URL, body, headers, vendor) == (CALL_ID, "9")
        behind = KEY_URL.replace("https://otp.example.com", "http://127.0.0.1:8000")
        assert press(KEY_URL, body, headers, vendor, sent_to=behind) == (CALL_ID, "9")


@pytest.mark.parametrize(
    ("digits", "key"),
    [
        *(("0", "0"), ("*", "*"), ("#", "#"), ("", ""), ("11", ""), ("1 ", ""), ("w", "")),
        *(("१", ""), ("1\n", ""), (["9", "1"], "")),
    ],
)
def test_only_one_key_counts(digits: Any, key: str) -> None:
    """One was asked for."""
    assert press(KEY_URL, form(Digits=digits), vendor="telnyx") == (CALL_ID, key)


def test_report_without_a_key_has_none() -> None:
    """As a vendor may send it after its timeout."""
    assert press(KEY_URL, form(Digits=[])) == (CALL_ID, "")


def test_other_reports_are_not_authentic() -> None:
    """Unsigned, changed, signed for another address, or at an address of another kind or call."""
    answer, other = ADDRESSES.answer(CALL_ID), ADDRESSES.key(OTHER_CALL_ID)
    token = urlsplit(KEY_URL).path.split("/")[-2]
    answer_token = urlsplit(answer).path.rpartition("/")[2]
    (signature,) = signed_headers("twilio", KEY_URL, form())
    with pytest.raises(CallbackAuthError):
        press(KEY_URL, form(), {})
    with pytest.raises(CallbackAuthError):
        press(KEY_URL, form(Digits="9"), signature)
    with pytest.raises(CallbackAuthError):
        press(other, form(), signature)
    for url in (
        KEY_URL.replace(token, answer_token),
        KEY_URL.replace(CALL_ID, OTHER_CALL_ID),
        KEY_URL.replace(token, token[:-1]),
        KEY_URL.partition("?")[0],
        KEY_URL.replace(CALL_ID, f"{CALL_ID} key"),
        answer,
    ):
        with pytest.raises(CallbackAuthError):
            press(url, form())
    assert press(KEY_URL, form(), signature) == (CALL_ID, "1")


def test_key_opens_no_document_of_an_answer() -> None:
    """The tokens of the two addresses differ."""
    adapter = provider("signalwire")
    assert isinstance(adapter, FetchedTwiml)
    token = urlsplit(KEY_URL).path.split("/")[-2]
    body = form()
    for call in (CALL_ID, f"{CALL_ID} key"):
        url = f"https://otp.example.com/calls/voice/{token}?call={call}"
        (headers, *_) = signed_headers("signalwire", url, body)
        callback = Callback(
            body=body, query={"call": call}, headers=headers, url=url, path_token=token
        )
        with pytest.raises(CallbackAuthError):
            adapter.parse_answer(callback)


@given(
    body=st.binary(max_size=200) | st.from_regex(rb"(Digits=[^&]{0,3}&?){1,3}", fullmatch=True),
    url=st.sampled_from([KEY_URL, ADDRESSES.answer(CALL_ID), ADDRESSES.key(OTHER_CALL_ID)]),
)
@pytest.mark.parametrize("vendor", ["telnyx", "signalwire"])
def test_any_signed_body_is_one_key_or_none(vendor: str, body: bytes, url: str) -> None:
    """Never another exception. These vendors sign bodies as sent."""
    digest = hmac.digest(SIGNING_KEY.encode(), url.encode() + body, "sha256")
    headers = {"x-signalwire-sha256-signature": digest.hex(), **sign_ed25519(body)}
    if "/key?" not in url:
        with pytest.raises(CallbackAuthError):
            press(url, body, headers, vendor)
        return
    call_id, key = press(url, body, headers, vendor)
    assert url.endswith(call_id)
    assert re.fullmatch("[0-9*#]?", key, re.ASCII)
