"""How the company answers a request for a call: as documented, or as its phone was told to."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Response

from otpvoice.sandbox.calls import Call
from otpvoice.sandbox.company import Sandbox
from otpvoice.sandbox.config import ReplyStyle
from otpvoice.sandbox.messages import accepted_reply

_PADDING_BYTES: Final = 10 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_CALLBACK_TIMEOUT_S: Final = 60.0
_GARBAGE: Final = "<html><body><h1>It works!</h1></body></html>"


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """One request whose answer is due."""

    sandbox: Sandbox
    call: Call
    connection: socket.socket
    """The client's, for those who misuse it."""


def build_reply(context: ReplyContext) -> Response:
    """The answer that the call's phone asks for."""
    return _REPLIES.get(context.call.phone.behaviour, _accepted)(context)


def error_reply(style: ReplyStyle, status: int, message: str) -> Response:
    """A refusal; its body is our guess, the documents show none."""
    http_status = status if style.refusals == "http" else 200
    return _json({"status": status, "message": message}, http_status)


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    text = json.dumps(body, separators=(",", ":"))
    return Response(text, status, content_type="application/json")


def _stream(chunks: Iterator[bytes], length: int) -> Response:
    headers = {"Content-Length": str(length)}
    return Response(chunks, headers=headers, content_type="application/json")


def _accepted(exchange: ReplyContext) -> Response:
    return _json(accepted_reply(exchange.call))


def _delayed(exchange: ReplyContext) -> Response:
    exchange.sandbox.scheduler.sleep(exchange.call.phone.seconds)
    return _accepted(exchange)


def _after_callback(exchange: ReplyContext) -> Response:
    call = exchange.call
    exchange.sandbox.wait_until(
        lambda: call.callback_sent or not call.phone.places_call, _CALLBACK_TIMEOUT_S
    )
    return _accepted(exchange)


def _garbage(_: ReplyContext) -> Response:
    return Response(_GARBAGE, content_type="text/html")


def _empty(_: ReplyContext) -> Response:
    return Response(b"", content_type="application/json")


def _trickle(exchange: ReplyContext) -> Response:
    body = _accepted(exchange).get_data()

    def drip() -> Iterator[bytes]:
        for position in range(len(body)):
            yield body[position : position + 1]
            if not exchange.sandbox.scheduler.sleep(exchange.call.phone.seconds):
                return

    return _stream(drip(), len(body))


def _huge(exchange: ReplyContext) -> Response:
    """The documented reply with ten megabytes of blanks before its end: JSON all the same."""
    head, tail = _accepted(exchange).get_data()[:-1], b"}"

    def blanks() -> Iterator[bytes]:
        yield head
        for _ in range(_PADDING_BYTES // _CHUNK_BYTES):
            yield b" " * _CHUNK_BYTES
        yield tail

    return _stream(blanks(), len(head) + _PADDING_BYTES + len(tail))


def _cut(exchange: ReplyContext) -> Response:
    body = _accepted(exchange).get_data()

    def half() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        exchange.connection.shutdown(socket.SHUT_RDWR)

    return _stream(half(), len(body))


def _reset(exchange: ReplyContext) -> Response:
    exchange.connection.shutdown(socket.SHUT_RDWR)
    return _stream(iter(()), 0)


def _custom(exchange: ReplyContext) -> Response:
    phone = exchange.call.phone
    is_text = isinstance(phone.body, str)
    text = phone.body if is_text else json.dumps(phone.body, separators=(",", ":"))
    media_type = "text/plain" if is_text else "application/json"
    response = Response(text, phone.status, content_type=media_type)
    response.headers.update(phone.headers)
    return response


def _error(status: int, message: str) -> Callable[[ReplyContext], Response]:
    return lambda exchange: error_reply(exchange.call.reply_style, status, message)


_REPLIES: Final[Mapping[str, Callable[[ReplyContext], Response]]] = {
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
"""Every other behaviour is answered as documented."""
