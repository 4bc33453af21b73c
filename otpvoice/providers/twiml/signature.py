"""Signatures of callbacks (docs/providers/twiml.md, section 5)."""

import base64
import binascii
import hmac
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from otpvoice.providers.twiml.vendors import SignatureScheme

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_AGE_S: Final = 300
"""By which a timestamp may differ from this machine's clock."""
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A callback as far as it is signed. Its repr shows nothing of it."""

    urls: Sequence[str] = field(repr=False)
    """The addresses at which it may have been sent."""
    body: bytes = field(repr=False)
    form: Mapping[str, Sequence[str]] = field(repr=False)
    """The members of the body."""
    headers: Mapping[str, str] = field(repr=False)
    """By name in lower case."""


class SignatureVerifier(Protocol):
    """Verifies the signatures of one account's callbacks."""

    def is_signed(self, message: SignedMessage) -> bool:
        """Return whether the vendor sent the message; raises nothing."""
        ...


Signer = Callable[[bytes, str, SignedMessage], str]
"""Returns the signature of a message that a key made for an address."""


def _sign_form(key: bytes, url: str, message: SignedMessage) -> str:
    """Sign the address and the sorted members, without separators; equal members count once."""
    members = sorted({(name, value) for name, values in message.form.items() for value in values})
    text = url + "".join(name + value for name, value in members)
    digest = hmac.digest(key, text.encode(errors="surrogatepass"), "sha1")
    return base64.b64encode(digest).decode()


def _sign_body(key: bytes, url: str, message: SignedMessage) -> str:
    return hmac.digest(key, url.encode() + message.body, "sha1").hex()


def _sign_body_sha256(key: bytes, url: str, message: SignedMessage) -> str:
    return hmac.digest(key, url.encode() + message.body, "sha256").hex()


_SIGNERS: Final[Mapping[SignatureScheme, Mapping[str, Sequence[Signer]]]] = {
    SignatureScheme.TWILIO: {"x-twilio-signature": (_sign_form,)},
    SignatureScheme.SIGNALWIRE: {
        "x-twilio-signature": (_sign_form, _sign_body),
        "x-signalwire-signature": (_sign_form, _sign_body),
        "x-signalwire-sha256-signature": (_sign_body_sha256,),
    },
}
"""By scheme and header, what the header may contain."""


@dataclass(frozen=True, slots=True)
class HmacVerifier:
    """Verifies the signatures of Twilio, Somleng and SignalWire. An empty key never matches."""

    keys: Sequence[str] = field(repr=False)
    scheme: SignatureScheme = SignatureScheme.TWILIO

    def is_signed(self, message: SignedMessage) -> bool:
        """Return whether one of the keys made one of the signatures."""
        expected = (
            (header, sign(key.encode(), url, message))
            for header, signers in _SIGNERS[self.scheme].items()
            if header in message.headers
            for sign in signers
            for key in self.keys
            if key
            for url in _with_and_without_port(message.urls)
        )
        return any(
            hmac.compare_digest(
                message.headers[header].encode(errors="surrogatepass"), signature.encode()
            )
            for header, signature in expected
        )


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """Verifies ``telnyx-signature-ed25519``."""

    keys: Sequence[Ed25519PublicKey]
    clock: Callable[[], float] = time.time
    """Seconds since 1970."""

    def is_signed(self, message: SignedMessage) -> bool:
        """Return whether one of the keys signed the message within the last minutes."""
        timestamp = message.headers.get("telnyx-timestamp", "")
        if not _UNIX_SECONDS.fullmatch(timestamp):
            return False
        if abs(self.clock() - int(timestamp)) > _MAX_AGE_S:
            return False
        try:
            encoded = message.headers.get("telnyx-signature-ed25519", "")
            signature = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        signed = timestamp.encode() + b"|" + message.body
        return any(_verifies(key, signature, signed) for key in self.keys)


def create_verifier(scheme: SignatureScheme, keys: Iterable[str]) -> SignatureVerifier:
    """Return the verifier of a scheme.

    Args:
        scheme: the vendor's.
        keys: the auth token or the signing key; of Telnyx the public key, Base64 of 32 bytes.

    Raises:
        ValueError: a public key is malformed; the text says how it must be written.
    """
    if scheme is SignatureScheme.TELNYX:
        return Ed25519Verifier([parse_public_key(key) for key in keys])
    return HmacVerifier(tuple(keys), scheme)


def parse_public_key(text: str) -> Ed25519PublicKey:
    """Return the public key in Telnyx's portal.

    Raises:
        ValueError: it is not Base64 of 32 bytes.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError(
            "must be the account's public key: 44 characters of Base64, 32 bytes"
        ) from None


def _with_and_without_port(urls: Iterable[str]) -> Iterator[str]:
    """Yield each address as it is, and with its port added or removed: vendors differ."""
    for url in urls:
        yield url
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = f"[{host}]" if ":" in host else host
        with_port = f"{host}:{_DEFAULT_PORTS.get(parts.scheme, 443)}"
        yield parts._replace(netloc=with_port if port is None else host).geturl()


def _verifies(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
