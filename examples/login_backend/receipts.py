"""Offline verification of receipts: see docs/receipts.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

_LEEWAY_S: Final = 10
VALIDITY_S: Final = 320
"""How long a receipt can be used: its lifetime of 300 s, and the leeway at both ends."""


class InvalidReceipt(Exception):
    """The receipt is not genuine, is for another client, or has expired."""


class KeysUnavailable(Exception):
    """The public keys cannot be fetched, so the receipt can be neither accepted nor rejected."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A verified receipt."""

    id: str
    """Id of the verification."""
    number: str = field(repr=False)
    reference: str | None
    claims: Mapping[str, object] = field(repr=False)
    """All claims, which this example shows."""


class ReceiptVerifier:
    """A verifier for the receipts of one client of one service.

    It fetches the service's public keys with the first receipt and caches them for five minutes.
    """

    def __init__(self, otpvoice_url: str, client: str) -> None:
        self._issuer = otpvoice_url
        self._client = client
        self._keys = jwt.PyJWKClient(f"{otpvoice_url}/.well-known/jwks.json", timeout=5)

    def verify(self, receipt: str) -> Receipt:
        """Verify a receipt. The caller compares it with the login and checks that it is new.

        Raises:
            InvalidReceipt: the receipt proves nothing.
            KeysUnavailable: the keys cannot be fetched.
        """
        try:
            token = self._decode(receipt)
        except jwt.PyJWKClientConnectionError as error:
            raise KeysUnavailable from error
        except jwt.PyJWTError as error:
            raise InvalidReceipt from error
        if token["header"].get("typ") != "otpvoice-receipt+jwt":
            raise InvalidReceipt
        claims = token["payload"]
        return Receipt(claims["jti"], claims["sub"], claims.get("reference"), claims)

    def _decode(self, receipt: str) -> dict[str, dict[str, Any]]:
        return jwt.decode_complete(
            receipt,
            self._keys.get_signing_key_from_jwt(receipt),
            algorithms=["ES256", "EdDSA"],  # a receipt's header must not choose another one
            issuer=self._issuer,
            audience=self._client,
            leeway=_LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "jti", "iat", "exp"]},
        )
