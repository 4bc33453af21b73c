"""The vendor's API for placing calls (docs/provider.md, sections 1 and 2)."""

import json
import socket
from typing import Any, Final

from flask import Blueprint, Response, request

from otpvoice.sandbox.answers import Exchange, answer
from otpvoice.sandbox.bodies import Refused, read_object
from otpvoice.sandbox.call_request import CallRequest, read_call_request
from otpvoice.sandbox.calls import Entry, Reply
from otpvoice.sandbox.config import Route
from otpvoice.sandbox.vendor_access import answer_refusal, authorize, company

vendor_calls: Final = Blueprint("vendor_calls", __name__, url_prefix="/api/v2")


@vendor_calls.post("/outgoing/send")
def send_obd() -> Response:
    """OBD: dial the person, play the flow."""
    return _place("obd")


@vendor_calls.post("/voice/c2c")
def connect_c2c() -> Response:
    """C2C: dial the person, connect them to the flow."""
    return _place("c2c")


def _place(route: Route) -> Response:
    entry = company().network.enter(route, _as_received())
    try:
        response = _answer(entry, _read(route))
    except Refused as refusal:
        entry.outcome, entry.refusal = "refused", refusal.message
        response = answer_refusal(refusal)
    body = None if response.is_streamed else response.get_data(as_text=True)
    company().network.answer(entry, Reply(response.status_code, body))
    return response


def _read(route: Route) -> CallRequest:
    authorize()
    body = read_object(request.mimetype, request.get_data())
    return read_call_request(route, body, company().account)


def _answer(entry: Entry, call_request: CallRequest) -> Response:
    network = company().network
    phone = network.phone_for_call(call_request.person)
    call = network.accept(call_request, phone)
    entry.outcome = phone.behaviour
    if phone.dials:
        network.dial(entry, call)
    return answer(Exchange(company(), call, _connection()))


def _as_received() -> Any:
    """The body for the ledger, which also takes what is no JSON."""
    raw = request.get_data()
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


def _connection() -> socket.socket:
    """The client's socket; both servers that run the sandbox hand it on."""
    found: socket.socket = (
        request.environ.get("werkzeug.socket") or request.environ["gunicorn.socket"]
    )
    return found
