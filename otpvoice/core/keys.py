"""Keys and what they protect: numbers, names and codes, API keys and client tokens.

HKDF-SHA256 (RFC 5869) derives a subkey for each purpose from each key of the ring. The first key
encrypts and signs; all decrypt and verify. To rotate, add a key as the second one, move it to the
front, and remove the old one when no data encrypted with it is left.
"""

import base64
import hashlib
import hmac
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from msgspec.structs import replace

from otpvoice.core.errors import TokenExpired, TokenInvalid
from otpvoice.core.transactions import Transaction
from otpvoice.core.verification import Verification

_TOKEN_GRACE_S: Final = 600
"""How long a client token outlives its code, so that the app can read the outcome."""

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_HASH_BYTES: Final = 16
_CODE_DIGEST_BYTES: Final = 8
"""The key keeps a code secret, not the length. A wrong code is taken for the right one with
probability 2**-64; NIST SP 800-107, section 5.3.4, asks for 2**-32 where attempts are limited."""
_ATTRIBUTE_HASH_BYTES: Final = 8
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""NIST SP 800-186, section 3.2.1.3."""
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


def mask_number(number: str) -> str:
    """Mask ``+919876543210`` as ``+91******3210``: recognizable, but it cannot be called."""
    visible = 3 if len(number) > 9 else 1
    return number[:visible] + "*" * (len(number) - visible - 4) + number[-4:]


class DecryptionError(Exception):
    """No key of the ring decrypts the data: its key was removed, or it is other data."""


class _Mac:
    """HMAC-SHA256 with one key, which is prepared once: that costs more than a short message."""

    def __init__(self, key: bytes) -> None:
        self._prepared = HMAC(key, SHA256())

    def __call__(self, message: bytes) -> bytes:
        mac = self._prepared.copy()
        mac.update(message)
        return mac.finalize()


class KeyRing:
    """Encrypts text and makes keyed digests of codes.

    Args:
        keys: 32 bytes each.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(_subkey(key, b"encryption")) for key in keys]
        self._code_macs = [_Mac(_subkey(key, b"digest")) for key in keys]
        self.token_keys = [_subkey(key, b"token") for key in keys]
        """For signing client tokens; the first signs."""
        self.call_keys = [_subkey(key, b"call") for key in keys]
        """For call tokens; the first makes them."""

    def encrypt(self, plaintext: str, context: str) -> bytes:
        """Encrypt with AES-256-GCM. Decryption needs the same ``context``."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = self._ciphers[0].encrypt(nonce, plaintext.encode(), context.encode())
        return _FORMAT + nonce + ciphertext

    def decrypt(self, ciphertext: bytes, context: str) -> str:
        """Decrypt what :meth:`encrypt` returned for ``context``.

        Raises:
            DecryptionError: no key decrypts it for this context.
        """
        nonce, body = ciphertext[1 : 1 + _NONCE_BYTES], ciphertext[1 + _NONCE_BYTES :]
        if ciphertext[:1] == _FORMAT and body:
            for cipher in self._ciphers:
                try:
                    return cipher.decrypt(nonce, body, context.encode()).decode()
                except InvalidTag:
                    continue
        raise DecryptionError(f"no key of the ring decrypts {context}")

    def digests(self, *parts: str) -> list[bytes]:
        """Return 8 bytes of HMAC-SHA256 for each ring key, the signing key's first.

        The parts are joined by NUL, which no part contains.
        """
        message = "\0".join(parts).encode()
        return [mac(message)[:_CODE_DIGEST_BYTES] for mac in self._code_macs]


# What a record contains in encrypted form only. Each field is encrypted for its own purpose and its
# own verification, so that one cannot replace another. Decryption raises as `KeyRing.decrypt`.


def encrypt_speech(ring: KeyRing, verification_id: str, code: str, name: str) -> bytes:
    """Encrypt code and name for their verification."""
    return ring.encrypt(f"{code} {name}", f"{verification_id} speech")


def decrypt_speech(ring: KeyRing, verification_id: str, ciphertext: bytes) -> tuple[str, str]:
    """Return code and name."""
    code, _, name = ring.decrypt(ciphertext, f"{verification_id} speech").partition(" ")
    return code, name


def encrypt_number(ring: KeyRing, verification_id: str, number: str) -> bytes:
    """Encrypt an E.164 number for its verification."""
    return ring.encrypt(number, f"{verification_id} number")


def decrypt_number(ring: KeyRing, verification_id: str, ciphertext: bytes) -> str:
    """Return the E.164 number."""
    return ring.decrypt(ciphertext, f"{verification_id} number")


def encrypt_transaction(ring: KeyRing, verification_id: str, transaction: Transaction) -> bytes:
    """Encrypt a transaction for its verification."""
    return ring.encrypt(transaction.to_text(), f"{verification_id} transaction")


def decrypt_transaction(
    ring: KeyRing, verification_id: str, ciphertext: bytes
) -> Transaction | None:
    """Return the transaction; None if there is no ciphertext."""
    if not ciphertext:
        return None
    return Transaction.from_text(ring.decrypt(ciphertext, f"{verification_id} transaction"))


def with_transaction(ring: KeyRing, verification: Verification) -> Verification:
    """Return the verification with its transaction decrypted, if it has one."""
    if not verification.encrypted_transaction:
        return verification
    transaction = decrypt_transaction(ring, verification.id, verification.encrypted_transaction)
    return replace(verification, transaction=transaction)


class NumberHasher:
    """Keyed hashes of phone numbers and of what identifies people, for key names.

    The key is not part of the ring: limits and number locks must survive a rotation.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._number_mac = _Mac(_subkey(key, b"number"))
        self._fingerprint_mac = _Mac(_subkey(key, b"fingerprint"))
        self._attribute_mac = _Mac(_subkey(key, b"attribute"))

    def hash(self, number: str) -> str:
        """Return the number hash: 22 characters."""
        return _encode(self._number_mac(number.encode()))

    def hash_attribute(self, attribute: str, value: str) -> str:
        """Hash a value that several numbers can share, such as a prefix: 11 characters.

        An empty value has an empty hash.
        """
        if not value:
            return ""
        digest = self._attribute_mac(f"{attribute}\0{value}".encode())
        return _encode(digest[:_ATTRIBUTE_HASH_BYTES])

    def fingerprint(self, message: bytes) -> str:
        """Hash a whole message that can contain numbers: 22 characters."""
        return _encode(self._fingerprint_mac(message))


class KeyHashes:
    """SHA-256 hashes of API keys in hex, by holder.

    A plain hash is enough, because a key is 256 random bits.
    """

    def __init__(self, hashes: Mapping[str, Iterable[str]]) -> None:
        self._hashes = [
            (holder, bytes.fromhex(digest)) for holder, of in hashes.items() for digest in of
        ]

    def holder_of(self, key: str) -> str | None:
        """Return the holder of ``key``; None if it is unknown."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        # All hashes are compared, so the duration does not depend on which one matches.
        holders = [holder for holder, known in self._hashes if hmac.compare_digest(digest, known)]
        return holders[0] if holders else None


class ClientTokens:
    """Issues and verifies client tokens, with which an app accesses one verification.

    They are not stored, so they cannot be revoked: a token expires soon after its verification. The
    first key of ``ring`` signs, all verify.
    """

    PREFIX: Final = "vct_"
    """Distinguishes client tokens from API keys."""

    def __init__(self, ring: KeyRing) -> None:
        self._signer = Signer(
            ring.token_keys[::-1],  # the library signs with the last one
            key_derivation="none",  # the ring derives a key for this purpose alone
            digest_method=hashlib.sha256,
        )

    def issue(self, client: str, verification_id: str, expires_at_ms: int) -> str:
        """Return the token of a verification whose code expires at ``expires_at_ms``."""
        expires_at = math.ceil(expires_at_ms / 1000) + _TOKEN_GRACE_S
        body = self._signer.sign(f"{client}.{expires_at}.{verification_id}")
        return self.PREFIX + body.decode()

    def verify(self, token: str, now: float) -> tuple[str, str]:
        """Return the client and the id of the verification that ``token`` opens.

        Args:
            token: the client token.
            now: seconds since 1970.

        Raises:
            TokenInvalid: the token was not issued by this service, or was changed.
            TokenExpired: the token was issued by this service and has expired.
        """
        body = token.removeprefix(self.PREFIX)
        try:
            if body == token or not token.isascii() or not _is_canonical(body):
                raise TokenInvalid("This client token is not known.")
            client, expires_at, verification_id = self._signer.unsign(body).decode().split(".")
        except BadData as error:
            raise TokenInvalid("This client token is not known.") from error
        if now >= int(expires_at):
            raise TokenExpired("The client token has expired, and its verification with it.")
        return client, verification_id


def _is_canonical(body: str) -> bool:
    """Return whether the signature has its only canonical spelling; base64 allows others."""
    signature = body.rpartition(".")[2]
    return base64_encode(base64_decode(signature)).decode() == signature


class CallTokens:
    """Tokens with which a provider fetches what one call speaks: 22 characters.

    They are not stored. The first key of ``ring`` makes them, all verify.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._macs = [_Mac(key) for key in ring.call_keys]

    def issue(self, call_id: str) -> str:
        """Return the token of a call."""
        return _encode(self._macs[0](call_id.encode()))

    def is_valid(self, call_id: str, token: str) -> bool:
        """Return whether a ring key made this token for this call."""
        offered = token.encode(errors="surrogatepass")
        own = (_encode(mac(call_id.encode())).encode() for mac in self._macs)
        # All are compared, so the duration does not depend on which one matches.
        return sum(hmac.compare_digest(offered, each) for each in own) > 0


def derive_receipt_seed(key: bytes) -> bytes:
    """Derive the seed of the Ed25519 key that signs receipts from a ring key: 32 bytes."""
    return _subkey(key, b"receipt")


def derive_receipt_scalar(key: bytes) -> int:
    """Derive the scalar of the P-256 key that signs receipts from a ring key.

    FIPS 186-5, A.2.1: 128 bits more than the order has, so that no scalar is more likely.
    """
    return int.from_bytes(_subkey(key, b"receipt es256", 48)) % (_P256_ORDER - 1) + 1


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest[:_HASH_BYTES]).rstrip(b"=").decode()


def _subkey(key: bytes, purpose: bytes, length: int = 32) -> bytes:
    return HKDF(SHA256(), length=length, salt=None, info=b"otpvoice " + purpose).derive(key)
