"""Lets in whoever brings a receipt: genuine, for this very login, and new."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from login_backend import sessions
from login_backend.database import Database
from login_backend.receipts import InvalidReceipt, KeysUnavailable, ReceiptVerifier
from login_backend.request_body import body_strings


def proof(receipts: ReceiptVerifier, database: Database) -> Blueprint:
    """``POST /login/receipt``."""
    blueprint = Blueprint("proof", __name__)

    @blueprint.post("/login/receipt")
    def prove() -> ResponseReturnValue:
        """``{"receipt"}`` → 204, and the session is logged in."""
        try:
            receipt = receipts.verify(body_strings("receipt")["receipt"])
        except KeysUnavailable:
            return {"code": "store_unavailable"}, 503
        except InvalidReceipt:
            return {"code": "unauthorized"}, 403
        # A receipt for somebody's own phone is genuine, and no proof about anybody else's.
        if not sessions.matches(receipt) or not database.mark_receipt_used(receipt.id):
            return {"code": "unauthorized"}, 403
        sessions.log_in(receipt)
        return "", 204

    return blueprint
