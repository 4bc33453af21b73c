"""The HTTP API of the SMS system and of the simulated SMS gateway."""

import os
from typing import Any

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue

from otpvoice_client import Client, OtpvoiceError
from sms_fallback.fallback_calls import FallbackCalls
from sms_fallback.gateway import SmsGateway
from sms_fallback.logins import LoginNotFound, Logins, NoFallbackCall


def create_app(otpvoice: Client | None = None, call_after_s: int | None = None) -> Flask:
    """Create an SMS system with its own gateway.

    Args:
        otpvoice: the service; by default from ``OTPVOICE_URL`` and ``OTPVOICE_API_KEY``.
        call_after_s: seconds from an SMS to its call; by default from ``CALL_AFTER``.
    """
    if otpvoice is None:
        otpvoice = Client(os.environ["OTPVOICE_URL"], os.environ["OTPVOICE_API_KEY"])
    if call_after_s is None:
        call_after_s = int(os.environ["CALL_AFTER"])
    app = Flask(__name__)
    gateway = SmsGateway()
    app.register_blueprint(_logins(Logins(gateway, FallbackCalls(otpvoice, call_after_s))))
    app.register_blueprint(_phones(gateway))
    return app


def _logins(logins: Logins) -> Blueprint:
    blueprint = Blueprint("logins", __name__)

    @blueprint.errorhandler(LoginNotFound)
    def handle_not_found(_: LoginNotFound) -> ResponseReturnValue:
        return {"error": "the login does not exist or has ended"}, 404

    @blueprint.errorhandler(NoFallbackCall)
    @blueprint.errorhandler(OtpvoiceError)
    def handle_no_call(_: Exception) -> ResponseReturnValue:
        return {"error": "no call can be placed at the moment"}, 503

    @blueprint.post("/logins")
    def start() -> ResponseReturnValue:
        """Send an SMS to ``{"number", "name"}``."""
        return {"id": logins.start(_string("number"), _string("name"))}, 201

    @blueprint.post("/logins/<login_id>/sms")
    def resend(login_id: str) -> ResponseReturnValue:
        """Send a new code."""
        logins.resend(login_id)
        return {"sent": True}

    @blueprint.post("/logins/<login_id>/code")
    def check(login_id: str) -> ResponseReturnValue:
        """Check ``{"code"}``, which comes from the SMS or from the call."""
        return {"logged_in": logins.check_code(login_id, _string("code"))}

    @blueprint.post("/logins/<login_id>/call")
    def call_now(login_id: str) -> ResponseReturnValue:
        """Place the call now, for a button *Call me now*."""
        logins.call_now(login_id)
        return {"calling": True}

    @blueprint.delete("/logins/<login_id>")
    def cancel(login_id: str) -> ResponseReturnValue:
        """Cancel a login at the user's request."""
        logins.cancel(login_id)
        return {"given_up": True}

    return blueprint


def _phones(gateway: SmsGateway) -> Blueprint:
    """Create the controls of the simulated gateway. A product has none of them."""
    blueprint = Blueprint("phones", __name__)

    @blueprint.get("/inbox/<number>")
    def inbox(number: str) -> ResponseReturnValue:
        """List the SMS that a phone received."""
        return gateway.inbox(number)

    @blueprint.put("/inbox/<number>")
    def set_delivery(number: str) -> ResponseReturnValue:
        """Set ``{"messages": "lost"}`` or ``"delivered"`` for future SMS."""
        if _string("messages") == "lost":
            gateway.drop_messages(number)
        else:
            gateway.deliver_messages(number)
        return {"messages": _string("messages")}

    return blueprint


def _string(member: str) -> str:
    body: Any = request.get_json(silent=True)
    return str(body.get(member) or "") if isinstance(body, dict) else ""
