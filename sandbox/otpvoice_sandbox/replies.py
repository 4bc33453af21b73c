"""Replies to requests for calls, by the behaviour of the phone. All vendors have them."""

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from flask import Response, g, request

from otpvoice_sandbox.callbacks import compact_json
from otpvoice_sandbox.calls import Call, Reply
from otpvoice_sandbox.network import current_sandbox

CallReply = Callable[[Call], Response]

_PADDING_BYTES: Final = 10 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_CALLBACK_TIMEOUT_S: Final = 60.0
_GARBAGE: Final = "<html><body><h1>It works!</h1></body></html>"


def json_reply(body: Mapping[str, Any], status: int = 200) -> Response:
    """Build a compact JSON response, without the newline that Flask adds."""
    return Response(compact_json(body), status, content_type="application/json")


def log_reply(response: Response) -> Response:
    """Add the reply to a logged request."""
    if "entry" in g:
        changes = current_sandbox().changes
        body = None if response.is_streamed else response.get_data(as_text=True)
        with changes:
            g.entry.reply = Reply(response.status_code, body)
            changes.notify_all()
    return response


def accepted(call: Call) -> Response:
    """Build the documented reply."""
    return json_reply(call.accepted_reply(), call.accepted_status)


def _delayed(call: Call) -> Response:
    current_sandbox().scheduler.sleep(call.phone.seconds)
    return accepted(call)


def _after_callback(call: Call) -> Response:
    current_sandbox().wait_until(
        lambda: call.callback_sent or not call.phone.places_call, _CALLBACK_TIMEOUT_S
    )
    return accepted(call)


def _stream(chunks: Iterator[bytes], length: int) -> Response:
    headers = {"Content-Length": str(length)}
    return Response(chunks, headers=headers, content_type="application/json")


def _trickle(call: Call) -> Response:
    body = accepted(call).get_data()
    scheduler = current_sandbox().scheduler

    def single_bytes() -> Iterator[bytes]:
        for position in range(len(body)):
            yield body[position : position + 1]
            if not scheduler.sleep(call.phone.seconds):
                return

    return _stream(single_bytes(), len(body))


def _huge(call: Call) -> Response:
    """Return the documented reply, padded with ten megabytes of spaces. It is still JSON."""
    head = accepted(call).get_data()[:-1]
    spaces = [b" " * _CHUNK_BYTES] * (_PADDING_BYTES // _CHUNK_BYTES)
    return _stream(iter([head, *spaces, b"}"]), len(head) + _PADDING_BYTES + 1)


def _cut(call: Call) -> Response:
    body = accepted(call).get_data()
    connection = request.environ["werkzeug.socket"]

    def half() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        connection.shutdown(socket.SHUT_RDWR)

    return _stream(half(), len(body))


def _reset(_: Call) -> Response:
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return _stream(iter(()), 0)


def _custom(call: Call) -> Response:
    phone = call.phone
    is_text = isinstance(phone.body, str)
    text = phone.body if is_text else compact_json(phone.body)
    media_type = "text/plain" if is_text else "application/json"
    response = Response(text, phone.status, content_type=media_type)
    response.headers.update(phone.headers)
    return response


CALL_REPLIES: Final[Mapping[str, CallReply]] = {
    "slow": _delayed,
    "timeout": _delayed,
    "early_callback": _after_callback,
    "garbage": lambda _: Response(_GARBAGE, content_type="text/html"),
    "empty": lambda _: Response(b"", content_type="application/json"),
    "trickle": _trickle,
    "huge": _huge,
    "cut": _cut,
    "reset": _reset,
    "reply": _custom,
}
"""By behaviour. Errors are each vendor's own; every other behaviour gets the documented reply."""
