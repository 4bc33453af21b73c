"""``/.well-known/jwks.json``: the public keys that receipts are verified with."""

from typing import Final

import msgspec
from flask import Blueprint, Response

from otpvoice.api import schemas
from otpvoice.api.responses import json_response
from otpvoice.core.tokens import ReceiptSigner

_MAX_AGE_S: Final = 300
"""Seconds that the keys may be kept: as long as a receipt is good for."""


def jwks_routes(receipts: ReceiptSigner) -> Blueprint:
    """The one answer that is the same for all and may be kept."""
    routes = Blueprint("receipts", __name__)
    keys = msgspec.convert(receipts.jwk_set(), schemas.KeySet)

    @routes.get("/.well-known/jwks.json")
    def jwks() -> Response:
        answer = json_response(keys)
        answer.headers["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
        return answer

    return routes
