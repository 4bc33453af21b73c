"""The key ring that seals and digests codes, and the key that hides numbers in names.

Each ring key gives subkeys by HKDF-SHA256 (RFC 5869), one for each use, so that no key serves two
purposes. The first key of the ring seals and digests; all of them open, so that a key is rotated
by adding it second, moving it first, and dropping the old one when nothing sealed with it is left.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_DIGEST_BYTES: Final = 16
"""128 bits: enough to tell codes apart, and the key, not the length, keeps them secret."""

MAC_BYTES: Final = 16
"""Of a client token: half of HMAC-SHA256, the least that RFC 2104, section 5, allows."""

_ATTRIBUTE_HASH_BYTES: Final = 8
_LETTERS_ONLY: Final = str.maketrans("0123456789-_", "abcdefghijkl")


class LogId(str):
    """A phone number's short id in logs: eight letters.

    The console and the commands print the same id, so operators can search the log for it.
    It is its own type because the log writer rejects any other text in this field.
    """

    __slots__ = ()

    @classmethod
    def from_hash(cls, number_hash: str) -> Self:
        """Shorten a number hash. The id has no digit, so redaction does not match it."""
        return cls(number_hash[:8].translate(_LETTERS_ONLY))


class DecryptionError(Exception):
    """No key of the ring opens it: the key was dropped, or the data is not ours."""


@dataclass(frozen=True, slots=True)
class _RingKey:
    cipher: AESGCM
    digest_key: bytes
    token_key: bytes


class KeyRing:
    """Seals text at rest, makes keyed digests of codes, and signs client tokens.

    Args:
        keys: 32 bytes each; the first signs, all open.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [
            _RingKey(
                AESGCM(_subkey(key, b"encryption")), _subkey(key, b"digest"), _subkey(key, b"token")
            )
            for key in keys
        ]

    def encrypt(self, plaintext: str, context: str) -> bytes:
        """``plain`` under AES-256-GCM, bound to the record ``owner`` it is stored in."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys[0].cipher.encrypt(nonce, plaintext.encode(), context.encode())
        return _FORMAT + nonce + sealed

    def decrypt(self, ciphertext: bytes, context: str) -> str:
        """What :meth:`seal` was given for ``owner``.

        Raises:
            DecryptionError: no key opens it for this owner.
        """
        nonce, body = ciphertext[1 : 1 + _NONCE_BYTES], ciphertext[1 + _NONCE_BYTES :]
        if ciphertext[:1] == _FORMAT and len(body) > 0:
            for key in self._keys:
                try:
                    return key.cipher.decrypt(nonce, body, context.encode()).decode()
                except InvalidTag:
                    continue
        raise DecryptionError(f"no key of the ring opens the seal of {context}")

    def digests(self, *parts: str) -> list[bytes]:
        """One keyed digest of ``parts`` for each ring key, the signing key's first.

        16 bytes of HMAC-SHA256. The parts are joined by NUL, which none of ours contains.
        """
        message = "\0".join(parts).encode()
        return [hmac.digest(k.digest_key, message, "sha256")[:_DIGEST_BYTES] for k in self._keys]

    def token_mac(self, message: bytes) -> bytes:
        """What proves that a client token is ours: 16 bytes, by the first key."""
        return _token_mac(self._keys[0], message)

    def is_token_mac(self, message: bytes, mac: bytes) -> bool:
        """Whether any key of the ring gives ``mac`` for ``message``."""
        # All are compared, so that time does not tell which one was near.
        matches = [hmac.compare_digest(mac, _token_mac(key, message)) for key in self._keys]
        return any(matches)


class NumberHasher:
    """Names numbers (and whatever else holds them) without showing them.

    It stands outside the ring: it names limits and live calls, which a rotation must not forget.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._number_key = _subkey(key, b"number")
        self._fingerprint_key = _subkey(key, b"fingerprint")
        self._attribute_key = _subkey(key, b"attribute")

    def hash(self, number: str) -> str:
        """22 characters that stand for ``number`` in key names and logs."""
        return _encode(hmac.digest(self._number_key, number.encode(), "sha256"))

    def hash_attribute(self, attribute: str, value: str) -> str:
        """11 characters that stand for what many numbers or people may share, as a prefix.

        Nothing stands for nothing.
        """
        if not value:
            return ""
        digest = hmac.digest(self._attribute_key, f"{attribute}\0{value}".encode(), "sha256")
        return _encode(digest[:_ATTRIBUTE_HASH_BYTES])

    def fingerprint(self, message: bytes) -> str:
        """22 characters that stand for a whole message which holds a number."""
        return _encode(hmac.digest(self._fingerprint_key, message, "sha256"))


def derive_receipt_key(key: bytes) -> bytes:
    """What the Ed25519 key that signs receipts is made from: 32 bytes for each ring key."""
    return _subkey(key, b"receipt")


def _token_mac(key: _RingKey, message: bytes) -> bytes:
    return hmac.digest(key.token_key, message, "sha256")[:MAC_BYTES]


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest[:_DIGEST_BYTES]).rstrip(b"=").decode()


def _subkey(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"otpvoice " + purpose).derive(key)
