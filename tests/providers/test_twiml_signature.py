"""Signatures of callbacks of the TwiML family: docs/providers/twiml.md, section 5."""

import hmac
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from providers.twiml_callbacks import (
    BODY,
    NOW_S,
    PUBLIC_KEY,
    SIGNING_KEY,
    URL,
    receive,
    sign_ed25519,
    sign_form,
    signed_headers,
    verifier,
)
from providers.twiml_samples import CALL_ID, OTHER_CALL_ID, PATH_TOKEN, SID, account

from otpvoice.core.verification import CallStatus
from otpvoice.providers.base import Callback, CallbackAuthError, CallbackParseError
from otpvoice.providers.twiml.callback import parse_callback
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS, SignatureScheme


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_signature_of_a_vendor_is_accepted(vendor: str) -> None:
    """In each of its documented headers."""
    (url,) = account(vendor).callback_urls(CALL_ID)
    for headers in signed_headers(vendor, url, BODY):
        assert receive(url, BODY, headers, vendor).status is CallStatus.ANSWERED


@pytest.mark.parametrize("vendor", VENDORS)
def test_changed_callback_is_not_accepted(vendor: str) -> None:
    """A byte of the body, another call, another address, no signature, or an empty one."""
    (url,) = account(vendor).callback_urls(CALL_ID)
    (other,) = account(vendor).callback_urls(OTHER_CALL_ID)
    mac = parse_qs(urlsplit(url).query)["mac"][0]
    for headers in signed_headers(vendor, url, BODY):
        empty = dict.fromkeys(headers, "")
        for sent_to, body, sent in (
            (url, BODY.replace(b"completed", b"busy"), headers),
            (url, BODY + b"&x=y", headers),
            (url, b"", headers),
            (url.replace(CALL_ID, OTHER_CALL_ID), BODY, headers),
            (url.replace(mac, mac[::-1]), BODY, headers),
            (url.replace(f"&mac={mac}", ""), BODY, headers),
            (url.partition("?")[0], BODY, headers),
            (url.replace(PATH_TOKEN, "other"), BODY, headers),
            (url.replace(f"/{PATH_TOKEN}", ""), BODY, headers),
            (url, BODY, {}),
            (url, BODY, empty),
            (url, BODY, {name: f"{value}=" for name, value in headers.items()}),
            (url, BODY, dict.fromkeys(headers, "�")),
        ):
            with pytest.raises(CallbackAuthError):
                receive(sent_to, body, sent, vendor)
        if vendor != "telnyx":  # whose signature does not cover the address
            with pytest.raises(CallbackAuthError):
                receive(other, BODY, headers, vendor)


def test_replay_to_another_call_needs_an_address_of_that_call() -> None:
    """Telnyx signs only the body: the address proves for which call it was made."""
    headers = sign_ed25519(BODY)
    (url,) = account("telnyx").callback_urls(CALL_ID)
    assert receive(url, BODY, headers, "telnyx").ids[0] == CALL_ID
    with pytest.raises(CallbackAuthError):
        receive(url.replace(CALL_ID, OTHER_CALL_ID), BODY, headers, "telnyx")


@pytest.mark.parametrize("vendor", VENDORS)
def test_signature_of_another_key_is_not_accepted(vendor: str) -> None:
    """Nor an empty key, whose signatures anybody can make."""
    (url,) = account(vendor).callback_urls(CALL_ID)
    scheme = VENDORS[vendor].signature_scheme
    keys = (PUBLIC_KEY[:10] + "A" + PUBLIC_KEY[11:],) if vendor == "telnyx" else ("other", "")
    try:
        wrong = create_verifier(scheme, keys)
    except ValueError:
        wrong = create_verifier(scheme, ())
    for headers in signed_headers(vendor, url, BODY):
        with pytest.raises(CallbackAuthError):
            receive(url, BODY, headers, vendor, verify=wrong)
    if vendor != "telnyx":
        with pytest.raises(CallbackAuthError):
            receive(
                url, BODY, {"x-twilio-signature": sign_form(url, BODY, "")}, vendor, verify=wrong
            )


def test_keys_can_be_rotated() -> None:
    """A signature of any of the keys is accepted."""
    both = create_verifier(SignatureScheme.TWILIO, ("new", "old"))
    for key in ("new", "old"):
        headers = {"x-twilio-signature": sign_form(URL, BODY, key)}
        assert receive(URL, BODY, headers, verify=both).ids == (CALL_ID, SID)


@pytest.mark.parametrize("vendor", VENDORS)
def test_token_can_be_rotated_while_a_call_is_live(vendor: str) -> None:
    """Its callback comes to the address that was made with the token before."""
    before = account(vendor, tokens=("old",))
    after = account(vendor, tokens=("new", "old"))
    (new_url,) = account(vendor, tokens=("new",)).callback_urls(CALL_ID)
    assert after.callback_urls(CALL_ID)[0] == new_url
    (url,) = before.callback_urls(CALL_ID)
    for headers in signed_headers(vendor, url, BODY):
        assert receive(url, BODY, headers, vendor, after).ids == (CALL_ID, SID)
        with pytest.raises(CallbackAuthError):
            receive(url, BODY, headers, vendor, account(vendor, tokens=("new",)))


def test_header_of_another_vendor_is_ignored() -> None:
    """Twilio's account accepts Twilio's header only."""
    headers = {"x-signalwire-signature": sign_form(URL, BODY)}
    with pytest.raises(CallbackAuthError):
        receive(URL, BODY, headers)
    with pytest.raises(CallbackAuthError):
        receive(URL, BODY, sign_ed25519(BODY))


@pytest.mark.parametrize(
    ("ours", "signed"),
    [
        ("https://otp.example.com", "https://otp.example.com:443"),
        ("http://otp.example.com", "http://otp.example.com:80"),
        ("https://otp.example.com:8443", "https://otp.example.com"),
        ("https://otp.example.com:8443", "https://otp.example.com:8443"),
        ("http://[::1]:8000", "http://[::1]"),
    ],
)
def test_port_in_the_signed_address(ours: str, signed: str) -> None:
    """Vendors sign the address with or without its port."""
    chosen = account(webhook_url=f"{ours}/webhooks/voice")
    (url,) = chosen.callback_urls(CALL_ID)
    headers = {"x-twilio-signature": sign_form(url.replace(ours, signed), BODY)}
    assert receive(url, BODY, headers, chosen=chosen).ids[0] == CALL_ID


@pytest.mark.parametrize("age_s", [-301, 301, 10**9])
def test_old_or_early_timestamp_is_not_accepted(age_s: int) -> None:
    """A captured message is useless after five minutes."""
    (url,) = account("telnyx").callback_urls(CALL_ID)
    with pytest.raises(CallbackAuthError):
        receive(url, BODY, sign_ed25519(BODY, NOW_S - age_s), "telnyx")
    for close_s in (-299, 299):
        receive(url, BODY, sign_ed25519(BODY, NOW_S - close_s), "telnyx")


@pytest.mark.parametrize("timestamp", ["", "x", "-1", f"{NOW_S}.5", f" {NOW_S}", "9" * 400, "١٢"])
def test_timestamp_of_another_form_is_not_accepted(timestamp: str) -> None:
    """Although it is signed."""
    (url,) = account("telnyx").callback_urls(CALL_ID)
    with pytest.raises(CallbackAuthError):
        receive(url, BODY, sign_ed25519(BODY, timestamp), "telnyx")


@pytest.mark.parametrize("key", ["", "x", PUBLIC_KEY[:-4], PUBLIC_KEY + "AAAA", "é" * 44, "\n"])
def test_malformed_public_key_is_an_error(key: str) -> None:
    """The service does not start with it; the text says how to write it."""
    with pytest.raises(ValueError, match="44 characters of Base64"):
        create_verifier(SignatureScheme.TELNYX, (key,))


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe=\x00", b"{}", b'{"CallStatus":"completed"}', b"[" * 60_000),
        *(b"&" * 60_000, b"a=b&" * 200, b"%", b"CallStatus=completed"),
    ],
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_unsigned_body_of_any_form_is_not_accepted(vendor: str, body: bytes) -> None:
    """It is an authentication error, whatever it is."""
    (url,) = account(vendor).callback_urls(CALL_ID)
    for headers in signed_headers(vendor, url, BODY):
        with pytest.raises(CallbackAuthError):
            receive(url, body, headers, vendor)


@pytest.mark.parametrize("call", ["", "call_", f"{CALL_ID}0", f"{CALL_ID}\n", "call_" + "g" * 32])
def test_address_without_a_call_is_not_accepted(call: str) -> None:
    """Even if a proof for it was made and signed."""
    (url,) = account().callback_urls(call)
    with pytest.raises(CallbackAuthError):
        receive(url, BODY, {"x-twilio-signature": sign_form(url, BODY)})


HEADERS = (
    *("x-twilio-signature", "x-signalwire-signature", "x-signalwire-sha256-signature"),
    *("telnyx-signature-ed25519", "telnyx-timestamp"),
)
TEXTS = st.text(st.characters(codec=None), max_size=80)


@given(
    body=st.binary(max_size=200),
    query=st.dictionaries(st.sampled_from(["call", "mac", "x"]), TEXTS | st.just(CALL_ID)),
    values=st.lists(TEXTS, min_size=5, max_size=5),
    path_token=TEXTS | st.just(PATH_TOKEN),
    vendor=st.sampled_from([*VENDORS]),
)
@example(b"", {"call": "\ud800", "mac": "\ud800"}, ["\ud800"] * 5, "\ud800", "twilio")
def test_any_unsigned_request_is_refused(
    body: bytes, query: dict[str, str], values: list[str], path_token: str, vendor: str
) -> None:
    """With whatever it has in its address, its headers and its body; nothing else is raised."""
    headers = dict(zip(HEADERS, values, strict=True))
    callback = Callback(body=body, query=query, headers=headers, path_token=path_token)
    with pytest.raises(CallbackAuthError):
        parse_callback(callback, account(vendor), verifier(vendor))


@given(body=st.binary(max_size=300) | st.from_regex(rb"CallStatus=[^&]{1,20}(&[A-Za-z]+=.*)?"))
@pytest.mark.parametrize("vendor", ["telnyx", "signalwire"])
def test_any_signed_body_is_a_report_or_an_error(vendor: str, body: bytes) -> None:
    """Never another exception; the raw word has no digits. These vendors sign bodies as sent."""
    (url,) = account(vendor).callback_urls(CALL_ID)
    digest = hmac.digest(SIGNING_KEY.encode(), url.encode() + body, "sha256")
    headers = {"x-signalwire-sha256-signature": digest.hex(), **sign_ed25519(body)}
    try:
        report = receive(url, body, headers, vendor)
    except CallbackParseError:
        return
    assert report.ids[0] == CALL_ID
    assert not any(map(str.isdigit, report.raw or ""))
