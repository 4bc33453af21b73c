"""Vendors that share Twilio's API: where they differ, and how they sign (docs/providers/twiml.md).

Sections 1 and 5 of the page are the sources.
"""

import base64
import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Sign = Callable[[str, str, Mapping[str, str], str], Mapping[str, str]]
"""Returns the headers that sign an address, a form and its encoded text with a token."""


def telnyx_public_key(token: str) -> str:
    """Return the public key of Telnyx's signatures, as its portal shows it."""
    public_key = _telnyx_key(token).public_key()
    return base64.b64encode(public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _telnyx_key(token: str) -> Ed25519PrivateKey:
    """Derive the key from the account's token, so that it survives a restart."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(token.encode()).digest())


def _sign_as_twilio(
    url: str, _encoded: str, members: Mapping[str, str], token: str
) -> Mapping[str, str]:
    signed = url
    for name in sorted(members):
        signed += name + members[name]
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": base64.b64encode(digest).decode()}


def _sign_as_signalwire(
    url: str, encoded: str, _members: Mapping[str, str], token: str
) -> Mapping[str, str]:
    signed = (url + encoded).encode()
    return {
        "X-SignalWire-Signature": hmac.new(token.encode(), signed, hashlib.sha1).hexdigest(),
        "X-SignalWire-SHA256-Signature": hmac.new(
            token.encode(), signed, hashlib.sha256
        ).hexdigest(),
    }


def _sign_as_telnyx(
    _url: str, encoded: str, _members: Mapping[str, str], token: str
) -> Mapping[str, str]:
    timestamp = str(int(time.time()))
    signature = _telnyx_key(token).sign(f"{timestamp}|{encoded}".encode())
    return {
        "Telnyx-Timestamp": timestamp,
        "Telnyx-Signature-Ed25519": base64.b64encode(signature).decode(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TwimlVendor:
    """One of the vendors."""

    path: str
    """Before ``/Accounts``."""
    suffix: str = ".json"
    document_member: str = "Twiml"
    """Empty if the vendor fetches the document of an answered call."""
    is_telnyx: bool = False
    """Whether requests are JSON with a Bearer token, and name an application."""
    sign: Sign
    new_call_id: Callable[[], str]


TWIML_VENDORS: Final[Mapping[str, TwimlVendor]] = {
    "twilio": TwimlVendor(
        path="/2010-04-01",
        sign=_sign_as_twilio,
        new_call_id=lambda: f"CA{secrets.token_hex(16)}",
    ),
    "signalwire": TwimlVendor(
        path="/api/laml/2010-04-01",
        document_member="",
        sign=_sign_as_signalwire,
        new_call_id=lambda: str(uuid.uuid4()),
    ),
    "telnyx": TwimlVendor(
        path="/v2/texml",
        suffix="",
        document_member="Texml",
        is_telnyx=True,
        sign=_sign_as_telnyx,
        new_call_id=lambda: f"v3:{secrets.token_urlsafe(40)}",
    ),
}
"""Somleng has Twilio's paths and signatures."""
