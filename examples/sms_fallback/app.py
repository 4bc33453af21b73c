"""The SMS system's HTTP API, and the pretend gateway's."""

from typing import Any

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue

from otpvoice.client import Client, OtpvoiceError
from sms_fallback.fallback_calls import FallbackCalls
from sms_fallback.gateway import SmsGateway
from sms_fallback.logins import LoginNotFound, Logins, NoFallbackCall


def create_app(otpvoice: Client, call_after: int) -> Flask:
    """An SMS system with a gateway of its own. ``call_after``: seconds that an SMS is given."""
    app = Flask(__name__)
    gateway = SmsGateway()
    app.register_blueprint(_logins(Logins(gateway, FallbackCalls(otpvoice, call_after))))
    app.register_blueprint(_phones(gateway))
    return app


def _logins(logins: Logins) -> Blueprint:
    blueprint = Blueprint("logins", __name__)

    @blueprint.errorhandler(LoginNotFound)
    def answer_nothing(_: LoginNotFound) -> ResponseReturnValue:
        return {"error": "no such login, or it is over"}, 404

    @blueprint.errorhandler(NoFallbackCall)
    @blueprint.errorhandler(OtpvoiceError)
    def answer_no_call(_: Exception) -> ResponseReturnValue:
        return {"error": "no call can come now"}, 503

    @blueprint.post("/logins")
    def begin() -> ResponseReturnValue:
        """``{"number", "name"}``: sends an SMS."""
        return {"id": logins.start(_text("number"), _text("name"))}, 201

    @blueprint.post("/logins/<login_id>/sms")
    def send_again(login_id: str) -> ResponseReturnValue:
        """Sends a newer code."""
        logins.resend(login_id)
        return {"sent": True}

    @blueprint.post("/logins/<login_id>/code")
    def enter(login_id: str) -> ResponseReturnValue:
        """``{"code"}``: what the person typed, wherever it was read or heard."""
        return {"logged_in": logins.check_code(login_id, _text("code"))}

    @blueprint.post("/logins/<login_id>/call")
    def call_now(login_id: str) -> ResponseReturnValue:
        """The button *Call me now*."""
        logins.call_now(login_id)
        return {"calling": True}

    @blueprint.delete("/logins/<login_id>")
    def give_up(login_id: str) -> ResponseReturnValue:
        """The person gave up."""
        logins.cancel(login_id)
        return {"given_up": True}

    return blueprint


def _phones(gateway: SmsGateway) -> Blueprint:
    """The gateway in one's hand, for trying what happens. A product has none of this."""
    blueprint = Blueprint("phones", __name__)

    @blueprint.get("/inbox/<number>")
    def read(number: str) -> ResponseReturnValue:
        """The messages that arrived on this phone."""
        return gateway.inbox(number)

    @blueprint.put("/inbox/<number>")
    def change(number: str) -> ResponseReturnValue:
        """``{"messages": "lost"}`` or ``"delivered"``: what becomes of the next ones."""
        if _text("messages") == "lost":
            gateway.drop_messages(number)
        else:
            gateway.deliver_messages(number)
        return {"messages": _text("messages")}

    return blueprint


def _text(member: str) -> str:
    body: Any = request.get_json(silent=True)
    return str(body.get(member) or "") if isinstance(body, dict) else ""
