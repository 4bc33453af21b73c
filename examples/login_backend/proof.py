"""Lets in whoever brings a receipt: genuine, for this very login, and new."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from login_backend import sessions
from login_backend.bodies import texts
from login_backend.database import Database
from login_backend.receipts import KeysAway, NoReceipt, Receipts


def proof(receipts: Receipts, database: Database) -> Blueprint:
    """``POST /login/receipt``."""
    blueprint = Blueprint("proof", __name__)

    @blueprint.post("/login/receipt")
    def prove() -> ResponseReturnValue:
        """``{"receipt"}`` → 204, and the session is logged in."""
        try:
            receipt = receipts.read(texts("receipt")["receipt"])
        except KeysAway:
            return {"code": "store_unavailable"}, 503
        except NoReceipt:
            return {"code": "unauthorized"}, 403
        # A receipt for somebody's own phone is genuine, and no proof about anybody else's.
        if not sessions.is_for(receipt) or not database.use(receipt.id):
            return {"code": "unauthorized"}, 403
        sessions.enter(receipt)
        return "", 204

    return blueprint
