"""Receipts: the proof of an approval that anybody can verify without asking us.

A receipt is a JWT (RFC 7519) signed with Ed25519 (RFC 8037); docs/receipts.md tells how to read
one. Signing it again gives the same text: Ed25519 draws nothing at random (RFC 8032), and all else
stands in the record.
"""

from collections.abc import Mapping
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from otpvoice.core.keys import derive_receipt_key
from otpvoice.core.verification import Status, Verification

RECEIPT_TYPE: Final = "otpvoice-receipt+jwt"
"""Tells a receipt from any other JWT (RFC 8725, section 3.11)."""
RECEIPT_LIFETIME_S: Final = 300
"""Seconds from the approval."""
_ALGORITHM: Final = "EdDSA"
_AMR_VOICE: Final = ("otp", "tel")
_AMR_OWN_CODE: Final = ("otp",)
"""Words of RFC 8176. An own code may have come by SMS as well: no call proves that it did not."""


class ReceiptSigner:
    """Signs what a check approved.

    Args:
        keys: the ring, 32 bytes each by their ids; the first signs.
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
        """The receipt that ``number`` (E.164) was proved to the verification's client.

        Raises:
            ValueError: no check approved it.
        """
        approved_at = _approved_at(verification)
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
        """The public keys of the whole ring, as a JWK Set (RFC 7517, section 5)."""
        return {"keys": self._public_keys}


def _approved_at(verification: Verification) -> int:
    by_check = verification.status is Status.APPROVED and verification.reason is None
    if not by_check or verification.ended_at is None:
        raise ValueError(f"no check approved {verification.id}")
    return verification.ended_at // 1000


def _public_key(key_id: str, signer: Ed25519PrivateKey) -> dict[str, str]:
    key = OKPAlgorithm.to_jwk(signer.public_key(), as_dict=True)
    return {**key, "kid": key_id, "use": "sig", "alg": _ALGORITHM}
