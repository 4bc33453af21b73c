"""The vendor's API for placing calls, with the reply that the phone's behaviour demands.

docs/provider.md, sections 1 and 2.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from flask import Blueprint, Response, request

from otpvoice.sandbox.calls import Call, Reply, RequestLogEntry
from otpvoice.sandbox.config import Route
from otpvoice.sandbox.messages import accepted_reply
from otpvoice.sandbox.network import current_sandbox
from otpvoice.sandbox.parsing import (
    CallRequest,
    RequestRejected,
    parse_call_request,
    parse_json_object,
)
from otpvoice.sandbox.vendor_account import authenticate, error_reply, handle_rejection, json_reply

vendor_calls: Final = Blueprint("vendor_calls", __name__, url_prefix="/api/v2")

_PADDING_BYTES: Final = 10 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_CALLBACK_TIMEOUT_S: Final = 60.0
_GARBAGE: Final = "<html><body><h1>It works!</h1></body></html>"


@vendor_calls.post("/outgoing/send")
def send_obd() -> Response:
    """OBD: dial a number and play a flow."""
    return _place_call("obd")


@vendor_calls.post("/voice/c2c")
def connect_c2c() -> Response:
    """C2C: dial a number and connect it to a flow."""
    return _place_call("c2c")


def _place_call(route: Route) -> Response:
    network = current_sandbox().network
    entry = network.log_request(route, _received_body())
    try:
        response = _create_call(entry, _parse_request(route))
    except RequestRejected as rejection:
        entry.outcome, entry.rejection = "refused", rejection.message
        response = handle_rejection(rejection)
    body = None if response.is_streamed else response.get_data(as_text=True)
    network.log_reply(entry, Reply(response.status_code, body))
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
    return _REPLIES.get(phone.behaviour, _accepted)(call)


def _received_body() -> Any:
    """Return the body for the request log, also if it is not JSON."""
    raw = request.get_data()
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


def _client_socket() -> socket.socket:
    """Return the client's socket from werkzeug or gunicorn."""
    environ = request.environ
    connection: socket.socket = environ.get("werkzeug.socket") or environ["gunicorn.socket"]
    return connection


def _accepted(call: Call) -> Response:
    return json_reply(accepted_reply(call))


def _delayed(call: Call) -> Response:
    current_sandbox().scheduler.sleep(call.phone.seconds)
    return _accepted(call)


def _after_callback(call: Call) -> Response:
    current_sandbox().wait_until(
        lambda: call.callback_sent or not call.phone.places_call, _CALLBACK_TIMEOUT_S
    )
    return _accepted(call)


def _garbage(_: Call) -> Response:
    return Response(_GARBAGE, content_type="text/html")


def _empty(_: Call) -> Response:
    return Response(b"", content_type="application/json")


def _stream(chunks: Iterator[bytes], length: int) -> Response:
    headers = {"Content-Length": str(length)}
    return Response(chunks, headers=headers, content_type="application/json")


def _trickle(call: Call) -> Response:
    body = _accepted(call).get_data()
    scheduler = current_sandbox().scheduler

    def single_bytes() -> Iterator[bytes]:
        for position in range(len(body)):
            yield body[position : position + 1]
            if not scheduler.sleep(call.phone.seconds):
                return

    return _stream(single_bytes(), len(body))


def _huge(call: Call) -> Response:
    """Return the documented reply, padded with ten megabytes of spaces. It is still JSON."""
    head, tail = _accepted(call).get_data()[:-1], b"}"

    def padded() -> Iterator[bytes]:
        yield head
        for _ in range(_PADDING_BYTES // _CHUNK_BYTES):
            yield b" " * _CHUNK_BYTES
        yield tail

    return _stream(padded(), len(head) + _PADDING_BYTES + len(tail))


def _cut(call: Call) -> Response:
    body = _accepted(call).get_data()
    connection = _client_socket()

    def half() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        connection.shutdown(socket.SHUT_RDWR)

    return _stream(half(), len(body))


def _reset(_: Call) -> Response:
    _client_socket().shutdown(socket.SHUT_RDWR)
    return _stream(iter(()), 0)


def _custom(call: Call) -> Response:
    phone = call.phone
    is_text = isinstance(phone.body, str)
    text = phone.body if is_text else json.dumps(phone.body, separators=(",", ":"))
    media_type = "text/plain" if is_text else "application/json"
    response = Response(text, phone.status, content_type=media_type)
    response.headers.update(phone.headers)
    return response


def _error(status: int, message: str) -> Callable[[Call], Response]:
    return lambda call: error_reply(call.reply_style, status, message)


_REPLIES: Final[Mapping[str, Callable[[Call], Response]]] = {
    "slow": _delayed,
    "timeout": _delayed,
    "early_callback": _after_callback,
    "garbage": _garbage,
    "empty": _empty,
    "trickle": _trickle,
    "huge": _huge,
    "cut": _cut,
    "reset": _reset,
    "reply": _custom,
    "error_500": _error(500, "Server Error"),
    "error_401": _error(401, "Unauthenticated"),
    "out_of_credit": _error(402, "Insufficient credits"),
}
"""Replies by behaviour. Every other behaviour gets the documented reply."""
