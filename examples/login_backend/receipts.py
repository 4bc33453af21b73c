"""Proof that a code was right, verified without a request: see docs/receipts.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

VALIDITY_S: Final = 320
"""Seconds for which a receipt could be shown again: its life, and the leeway at both ends."""
_LEEWAY_S: Final = 10


class InvalidReceipt(Exception):
    """It is not genuine, not for us, or over."""


class KeysUnavailable(Exception):
    """The keys could not be fetched: nothing is known about the receipt."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the service has signed."""

    id: str
    """Of the verification."""
    number: str = field(repr=False)
    reference: str | None
    claims: Mapping[str, object] = field(repr=False)
    """All that it says, for the eyes of this example."""


class ReceiptVerifier:
    """Reads receipts of one service for one of its clients.

    The service's keys are fetched for the first receipt, and kept for five minutes.
    """

    def __init__(self, otpvoice_url: str, client: str) -> None:
        self._issuer = otpvoice_url
        self._client = client
        self._keys = jwt.PyJWKClient(f"{otpvoice_url}/.well-known/jwks.json", timeout=5)

    def verify(self, receipt: str) -> Receipt:
        """What it says. Whether it fits this login, and is new, is for the caller to see.

        Raises:
            NoReceipt, KeysAway: as they say.
        """
        try:
            found = self._decode(receipt)
        except jwt.PyJWKClientConnectionError as error:
            raise KeysUnavailable from error
        except jwt.PyJWTError as error:
            raise InvalidReceipt from error
        if found["header"].get("typ") != "otpvoice-receipt+jwt":
            raise InvalidReceipt
        claims = found["payload"]
        return Receipt(claims["jti"], claims["sub"], claims.get("reference"), claims)

    def _decode(self, receipt: str) -> dict[str, dict[str, Any]]:
        return jwt.decode_complete(
            receipt,
            self._keys.get_signing_key_from_jwt(receipt),
            algorithms=["EdDSA"],  # whatever the receipt itself would like
            issuer=self._issuer,
            audience=self._client,
            leeway=_LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "jti", "iat", "exp"]},
        )
