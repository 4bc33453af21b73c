"""What every part of the vendor's API needs: who asks, and how a refusal is answered."""

import hmac
from typing import Final

from flask import Response, current_app, request

from otpvoice.sandbox.answers import refuse
from otpvoice.sandbox.bodies import Refused
from otpvoice.sandbox.company import Company

EXTENSION: Final = "otpvoice.sandbox"
"""Where an app keeps its company."""


def company() -> Company:
    """The company whose app answers this request."""
    found: Company = current_app.extensions[EXTENSION]
    return found


def authorize() -> None:
    """Lets only the account's token pass, and only in the header: URLs end up in logs.

    Raises:
        Refused: 401.
    """
    expected = f"Bearer {company().config.token}"
    offered = request.headers.get("Authorization", "")
    if not hmac.compare_digest(offered.encode(), expected.encode()):
        raise Refused(401, "Unauthenticated")


def answer_refusal(refusal: Refused) -> Response:
    """Error handler of the vendor's API."""
    return refuse(company().config.style, refusal.status, refusal.message)
