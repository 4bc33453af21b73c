"""Signed tokens: client tokens for apps, and receipts that prove an approval.

Neither is stored, so neither can be revoked: a client token expires soon after its verification,
a receipt five minutes after the approval.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from jwt.algorithms import OKPAlgorithm

from otpvoice.core.errors import TokenExpired, TokenInvalid
from otpvoice.core.keys import KeyRing, derive_receipt_key
from otpvoice.core.verification import Status, Verification

PREFIX: Final = "vct_"
"""Distinguishes client tokens from API keys."""
GRACE_S: Final = 600
"""How long a client token outlives its code, so that the app can read the outcome."""

RECEIPT_TYPE: Final = "otpvoice-receipt+jwt"
"""Distinguishes receipts from other JWTs (RFC 8725, section 3.11)."""
RECEIPT_LIFETIME_S: Final = 300
_ALGORITHM: Final = "EdDSA"
_AMR_VOICE: Final = ("otp", "tel")
_AMR_OWN_CODE: Final = ("otp",)
"""RFC 8176. A client's own code may have been sent by SMS too, so no call is claimed for it."""


@dataclass(frozen=True, slots=True)
class ClientToken:
    """The verification that a client token opens."""

    client: str
    verification_id: str
    expires_at: int
    """Seconds since 1970: the first second in which the token is refused."""


class ClientTokens:
    """Issues and verifies client tokens. The first key of ``ring`` signs, all verify."""

    def __init__(self, ring: KeyRing) -> None:
        self._signer = Signer(
            ring.token_keys[::-1],  # the library signs with the last one
            key_derivation="none",  # the ring derives a key for this purpose alone
            digest_method=hashlib.sha256,
        )

    def issue(self, client: str, verification_id: str, expires_at_ms: int) -> str:
        """Return the token of a verification whose code expires at ``expires_at_ms``."""
        expires_at = math.ceil(expires_at_ms / 1000) + GRACE_S
        return PREFIX + self._signer.sign(f"{client}.{expires_at}.{verification_id}").decode()

    def verify(self, token: str, now: float) -> ClientToken:
        """Return what ``token`` opens at ``now`` (seconds since 1970).

        Raises:
            TokenInvalid: the token was not issued by this service, or was changed.
            TokenExpired: the token was issued by this service and has expired.
        """
        body = token.removeprefix(PREFIX)
        try:
            if body == token or not token.isascii() or not _is_canonical(body):
                raise TokenInvalid("This client token is not known.")
            client, expires_at, verification_id = self._signer.unsign(body).decode().split(".")
        except BadData as error:
            raise TokenInvalid("This client token is not known.") from error
        if now >= int(expires_at):
            raise TokenExpired("The client token has expired, and its verification with it.")
        return ClientToken(client, verification_id, int(expires_at))


def _is_canonical(body: str) -> bool:
    """Return whether the signature has its only canonical spelling; base64 allows others."""
    signature = body.rpartition(".")[2]
    return base64_encode(base64_decode(signature)).decode() == signature


class ReceiptSigner:
    """Signs approvals as JWTs (RFC 7519) with Ed25519 (RFC 8037); see docs/receipts.md.

    Signing an approval again returns the same text: the signature is deterministic (RFC 8032),
    and all claims come from the record.

    Args:
        keys: the key ring, 32 bytes each by their ids; the first signs.
        issuer: the service's public URL.
    """

    def __init__(self, keys: Mapping[str, bytes], issuer: str) -> None:
        signers = {
            key_id: Ed25519PrivateKey.from_private_bytes(derive_receipt_key(key))
            for key_id, key in keys.items()
        }
        self._issuer = issuer
        self._key_id, self._signer = next(iter(signers.items()))
        self._public_keys = [_public_key(key_id, key) for key_id, key in signers.items()]

    def sign(self, verification: Verification, number: str) -> str:
        """Return the receipt that ``number`` (E.164) was proved to the verification's client.

        Raises:
            ValueError: the verification was not approved by a check.
        """
        is_checked = verification.status is Status.APPROVED and verification.reason is None
        if not is_checked or verification.ended_at is None:
            raise ValueError(f"no check approved {verification.id}")
        approved_at = verification.ended_at // 1000
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": number,
            "aud": verification.client,
            "jti": verification.id,
            "iat": approved_at,
            "exp": approved_at + RECEIPT_LIFETIME_S,
            "amr": _AMR_OWN_CODE if verification.own_code else _AMR_VOICE,
        }
        if verification.reference is not None:
            claims["reference"] = verification.reference
        headers = {"typ": RECEIPT_TYPE, "kid": self._key_id}
        return jwt.encode(claims, self._signer, _ALGORITHM, headers)

    def jwk_set(self) -> dict[str, Any]:
        """Return the public keys of the whole ring as a JWK Set (RFC 7517, section 5)."""
        return {"keys": self._public_keys}


def _public_key(key_id: str, signer: Ed25519PrivateKey) -> dict[str, str]:
    key = OKPAlgorithm.to_jwk(signer.public_key(), as_dict=True)
    return {**key, "kid": key_id, "use": "sig", "alg": _ALGORITHM}
