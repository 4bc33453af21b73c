"""Receipts: signed tokens that prove an approval. They are not stored, so they expire soon."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from jwt.utils import der_to_raw_signature
from msgspec import to_builtins

from otpvoice.core.keys import derive_receipt_scalar, derive_receipt_seed
from otpvoice.core.profiles import ReceiptAlgorithm
from otpvoice.core.verification import Status, Verification

RECEIPT_TYPE: Final = "otpvoice-receipt+jwt"
"""Distinguishes receipts from other JWTs (RFC 8725, section 3.11)."""
RECEIPT_LIFETIME_S: Final = 300
_AMR_VOICE: Final = ("otp", "tel")
_AMR_OWN_CODE: Final = ("otp",)
"""RFC 8176. A client's own code may have been sent by SMS too, so no call is claimed for it."""


class ReceiptSigner:
    """Signs approvals as JWTs (RFC 7519); see docs/receipts.md.

    Signing an approval again returns the same text: both signatures are deterministic (RFC 6979,
    RFC 8032), and all claims come from the record. Where OpenSSL is older than 3.2, those of ES256
    are not, and only the claims are the same.

    Args:
        keys: the key ring, 32 bytes each by their ids; the first signs.
        issuer: the service's public URL.
        algorithm: signs. The public keys of both are published.
    """

    def __init__(
        self, keys: Mapping[str, bytes], issuer: str, algorithm: ReceiptAlgorithm = "ES256"
    ) -> None:
        self._issuer = issuer
        self._algorithm = algorithm
        self._jws = PyJWS()
        self._jws.unregister_algorithm("ES256")
        self._jws.register_algorithm("ES256", _DeterministicEs256(ECAlgorithm.SHA256))
        signers: dict[tuple[str, str], EllipticCurvePrivateKey | Ed25519PrivateKey] = {}
        for key_id, key in keys.items():
            # A ring id has no dot, so the two ids of no two keys are the same.
            of_p256 = derive_private_key(derive_receipt_scalar(key), SECP256R1())
            signers["ES256", f"{key_id}.es256"] = of_p256
            of_ed25519 = Ed25519PrivateKey.from_private_bytes(derive_receipt_seed(key))
            signers["EdDSA", key_id] = of_ed25519
        self._key_id, self._signer = next(
            (key_id, signer) for (of, key_id), signer in signers.items() if of == algorithm
        )
        self.jwk_set = {"keys": [_public_key(*each, key) for each, key in signers.items()]}
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
        text = json.dumps(claims, separators=(",", ":")).encode()
        headers = {"typ": RECEIPT_TYPE, "kid": self._key_id}
        return self._jws.encode(text, self._signer, self._algorithm, headers)


class _DeterministicEs256(ECAlgorithm):
    """ES256 whose signature of a text is always the same (RFC 6979), as OpenSSL 3.2 makes it."""

    def sign(self, msg: bytes, key: EllipticCurvePrivateKey) -> bytes:
        return der_to_raw_signature(key.sign(msg, _ECDSA), key.curve)


def _deterministic_ecdsa() -> ECDSA:
    try:
        return ECDSA(SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ECDSA(SHA256())


_ECDSA: Final = _deterministic_ecdsa()


def _public_key(
    algorithm: str, key_id: str, signer: EllipticCurvePrivateKey | Ed25519PrivateKey
) -> dict[str, str]:
    if isinstance(signer, Ed25519PrivateKey):
        key = OKPAlgorithm.to_jwk(signer.public_key(), as_dict=True)
    else:
        key = ECAlgorithm.to_jwk(signer.public_key(), as_dict=True)
    return {**key, "kid": key_id, "use": "sig", "alg": algorithm}
