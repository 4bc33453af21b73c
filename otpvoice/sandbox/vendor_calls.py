"""The vendor's API for placing calls (docs/provider.md, sections 1 and 2)."""

import json
import socket
from typing import Any, Final

from flask import Blueprint, Response, request

from otpvoice.sandbox.answers import ReplyContext, build_reply
from otpvoice.sandbox.bodies import RequestRejected, parse_json_object
from otpvoice.sandbox.call_request import CallRequest, parse_call_request
from otpvoice.sandbox.calls import Reply, RequestLogEntry
from otpvoice.sandbox.config import Route
from otpvoice.sandbox.vendor_access import authenticate, current_sandbox, handle_rejection

vendor_calls: Final = Blueprint("vendor_calls", __name__, url_prefix="/api/v2")


@vendor_calls.post("/outgoing/send")
def send_obd() -> Response:
    """OBD: dial the person, play the flow."""
    return _place_call("obd")


@vendor_calls.post("/voice/c2c")
def connect_c2c() -> Response:
    """C2C: dial the person, connect them to the flow."""
    return _place_call("c2c")


def _place_call(route: Route) -> Response:
    entry = current_sandbox().network.log_request(route, _received_body())
    try:
        response = _create_call(entry, _parse_request(route))
    except RequestRejected as refusal:
        entry.outcome, entry.rejection = "refused", refusal.message
        response = handle_rejection(refusal)
    body = None if response.is_streamed else response.get_data(as_text=True)
    current_sandbox().network.log_reply(entry, Reply(response.status_code, body))
    return response


def _parse_request(route: Route) -> CallRequest:
    authenticate()
    body = parse_json_object(request.mimetype, request.get_data())
    return parse_call_request(route, body, current_sandbox().account)


def _create_call(entry: RequestLogEntry, call_request: CallRequest) -> Response:
    network = current_sandbox().network
    phone = network.take_phone(call_request.callee)
    call = network.create_call(call_request, phone)
    entry.outcome = phone.behaviour
    if phone.places_call:
        network.dial(entry, call)
    return build_reply(ReplyContext(current_sandbox(), call, _client_socket()))


def _received_body() -> Any:
    """The body for the ledger, which also takes what is no JSON."""
    raw = request.get_data()
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


def _client_socket() -> socket.socket:
    """The client's socket; both servers that run the sandbox hand it on."""
    found: socket.socket = (
        request.environ.get("werkzeug.socket") or request.environ["gunicorn.socket"]
    )
    return found
