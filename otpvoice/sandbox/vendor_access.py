"""What every part of the vendor's API needs: who asks, and how a refusal is answered."""

import hmac
from typing import Final

from flask import Response, current_app, request

from otpvoice.sandbox.answers import error_reply
from otpvoice.sandbox.bodies import RequestRejected
from otpvoice.sandbox.company import Sandbox

EXTENSION: Final = "otpvoice.sandbox"
"""Where an app keeps its company."""


def current_sandbox() -> Sandbox:
    """The company whose app answers this request."""
    found: Sandbox = current_app.extensions[EXTENSION]
    return found


def authenticate() -> None:
    """Lets only the account's token pass, and only in the header: URLs end up in logs.

    Raises:
        Refused: 401.
    """
    expected = f"Bearer {current_sandbox().config.token}"
    offered = request.headers.get("Authorization", "")
    if not hmac.compare_digest(offered.encode(), expected.encode()):
        raise RequestRejected(401, "Unauthenticated")


def handle_rejection(refusal: RequestRejected) -> Response:
    """Error handler of the vendor's API."""
    return error_reply(current_sandbox().config.reply_style, refusal.status, refusal.message)
