"""Receipts: signed tokens that prove an approval. They are not stored, so they expire soon."""

from collections.abc import Mapping
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from msgspec import to_builtins

from otpvoice.core.keys import derive_receipt_key
from otpvoice.core.verification import Status, Verification

RECEIPT_TYPE: Final = "otpvoice-receipt+jwt"
"""Distinguishes receipts from other JWTs (RFC 8725, section 3.11)."""
RECEIPT_LIFETIME_S: Final = 300
_ALGORITHM: Final = "EdDSA"
_AMR_VOICE: Final = ("otp", "tel")
_AMR_OWN_CODE: Final = ("otp",)
"""RFC 8176. A client's own code may have been sent by SMS too, so no call is claimed for it."""


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
        self.jwk_set = {"keys": [_public_key(key_id, key) for key_id, key in signers.items()]}
        """The public keys of the whole ring as a JWK Set (RFC 7517, section 5)."""

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
        if verification.transaction is not None:
            claims["transaction"] = to_builtins(verification.transaction)
        headers = {"typ": RECEIPT_TYPE, "kid": self._key_id}
        return jwt.encode(claims, self._signer, _ALGORITHM, headers)


def _public_key(key_id: str, signer: Ed25519PrivateKey) -> dict[str, str]:
    key = OKPAlgorithm.to_jwk(signer.public_key(), as_dict=True)
    return {**key, "kid": key_id, "use": "sig", "alg": _ALGORITHM}
