"""Signed callbacks of the TwiML family, as its vendors document them."""

import base64
import hmac
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from providers.twiml_samples import (
    ADDRESSES,
    CALL_ID,
    CALLBACK,
    OTHER_CALL_ID,
    SENT_AT_MS,
    TOKEN,
    account,
)

from otpvoice.providers.base import Callback, CallReport
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.callback import parse_callback
from otpvoice.providers.twiml.document import Voice
from otpvoice.providers.twiml.provider import FetchedTwiml, Twiml
from otpvoice.providers.twiml.signature import (
    Ed25519Verifier,
    SignatureVerifier,
    create_verifier,
    parse_public_key,
)
from otpvoice.providers.twiml.vendors import VENDORS

NOW_S = SENT_AT_MS // 1000
SIGNING_KEY = "PSK_signalwire"
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = base64.b64encode(
    PRIVATE_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()


def verifier(vendor: str = "twilio") -> SignatureVerifier:
    """Return the verifier of the account's keys."""
    if vendor == "telnyx":
        return Ed25519Verifier([parse_public_key(PUBLIC_KEY)], clock=lambda: NOW_S)
    key = SIGNING_KEY if vendor == "signalwire" else TOKEN
    return create_verifier(VENDORS[vendor].signature_scheme, (key,))


def adapter(
    vendor: str, voices: Mapping[str, Voice], addresses: CallAddresses = ADDRESSES
) -> Twiml:
    """Return the adapter for a vendor, which verifies the signatures of this module."""
    kind = Twiml if VENDORS[vendor].document_member else FetchedTwiml
    return kind(
        account=account(vendor, base_url="https://voice.example.com"),
        addresses=addresses,
        verifier=verifier(vendor),
        voices=voices,
    )


def sign_form(url: str, body: bytes, key: str = TOKEN) -> str:
    """Sign an address and a form without repeated members, as Twilio documents it."""
    members = parse_qs(body.decode(), keep_blank_values=True)
    text = url + "".join(name + members[name][0] for name in sorted(members))
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha1")).decode()


def sign_ed25519(body: bytes, timestamp: int | str = NOW_S) -> dict[str, str]:
    """Return the headers of Telnyx."""
    signature = PRIVATE_KEY.sign(f"{timestamp}|".encode() + body)
    return {
        "telnyx-timestamp": str(timestamp),
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
    }


def signed_headers(vendor: str, url: str, body: bytes) -> Iterator[Mapping[str, str]]:
    """Yield every documented signature of a vendor."""
    if vendor == "telnyx":
        yield sign_ed25519(body)
        return
    if vendor != "signalwire":
        yield {"x-twilio-signature": sign_form(url, body)}
        return
    for header in ("x-twilio-signature", "x-signalwire-signature"):
        yield {header: sign_form(url, body, SIGNING_KEY)}
    signed = url.encode() + body
    for header, algorithm in (
        ("x-signalwire-signature", "sha1"),
        ("x-twilio-signature", "sha1"),
        ("x-signalwire-sha256-signature", "sha256"),
    ):
        yield {header: hmac.digest(SIGNING_KEY.encode(), signed, algorithm).hex()}


def receive(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    vendor: str = "twilio",
    chosen: Account | None = None,
    verify: SignatureVerifier | None = None,
) -> CallReport:
    """Receive a callback at an address."""
    parts = urlsplit(url)
    callback = Callback(
        body=body,
        query={name: value for name, (value, *_) in parse_qs(parts.query).items()},
        headers=headers,
        path_token=parts.path.removeprefix("/webhooks/voice").removeprefix("/"),
    )
    return parse_callback(callback, chosen or account(vendor), verify or verifier(vendor))


BODY = urlencode(CALLBACK).encode()
(URL,) = account().callback_urls(CALL_ID)
(OTHER_URL,) = account().callback_urls(OTHER_CALL_ID)
