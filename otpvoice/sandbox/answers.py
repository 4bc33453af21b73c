"""How the company answers a request for a call: as documented, or as its phone was told to."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Response

from otpvoice.sandbox.calls import Call
from otpvoice.sandbox.company import Company
from otpvoice.sandbox.config import ReplyStyle
from otpvoice.sandbox.messages import accepted

_HUGE: Final = 10 * 1024 * 1024
_PIECE: Final = 64 * 1024
_CALLBACK_PATIENCE: Final = 60.0
_GARBAGE: Final = "<html><body><h1>It works!</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request whose answer is due."""

    company: Company
    call: Call
    connection: socket.socket
    """The client's, for those who misuse it."""


def answer(exchange: Exchange) -> Response:
    """The answer that the call's phone asks for."""
    return _ANSWERS.get(exchange.call.phone.behaviour, _accept)(exchange)


def refuse(style: ReplyStyle, status: int, message: str) -> Response:
    """A refusal; its body is our guess, the documents show none."""
    http_status = status if style.refusals == "http" else 200
    return _json({"status": status, "message": message}, http_status)


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    text = json.dumps(body, separators=(",", ":"))
    return Response(text, status, content_type="application/json")


def _stream(chunks: Iterator[bytes], length: int) -> Response:
    headers = {"Content-Length": str(length)}
    return Response(chunks, headers=headers, content_type="application/json")


def _accept(exchange: Exchange) -> Response:
    return _json(accepted(exchange.call))


def _after_a_pause(exchange: Exchange) -> Response:
    exchange.company.schedule.wait(exchange.call.phone.seconds)
    return _accept(exchange)


def _after_the_callback(exchange: Exchange) -> Response:
    call = exchange.call
    exchange.company.wait_until(lambda: call.reported or not call.phone.dials, _CALLBACK_PATIENCE)
    return _accept(exchange)


def _garbage(_: Exchange) -> Response:
    return Response(_GARBAGE, content_type="text/html")


def _empty(_: Exchange) -> Response:
    return Response(b"", content_type="application/json")


def _trickle(exchange: Exchange) -> Response:
    body = _accept(exchange).get_data()

    def drip() -> Iterator[bytes]:
        for position in range(len(body)):
            yield body[position : position + 1]
            if not exchange.company.schedule.wait(exchange.call.phone.seconds):
                return

    return _stream(drip(), len(body))


def _huge(exchange: Exchange) -> Response:
    """The documented reply with ten megabytes of blanks before its end: JSON all the same."""
    head, tail = _accept(exchange).get_data()[:-1], b"}"

    def blanks() -> Iterator[bytes]:
        yield head
        for _ in range(_HUGE // _PIECE):
            yield b" " * _PIECE
        yield tail

    return _stream(blanks(), len(head) + _HUGE + len(tail))


def _cut(exchange: Exchange) -> Response:
    body = _accept(exchange).get_data()

    def half() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        exchange.connection.shutdown(socket.SHUT_RDWR)

    return _stream(half(), len(body))


def _reset(exchange: Exchange) -> Response:
    exchange.connection.shutdown(socket.SHUT_RDWR)
    return _stream(iter(()), 0)


def _fixed(exchange: Exchange) -> Response:
    phone = exchange.call.phone
    is_text = isinstance(phone.body, str)
    text = phone.body if is_text else json.dumps(phone.body, separators=(",", ":"))
    media_type = "text/plain" if is_text else "application/json"
    response = Response(text, phone.status, content_type=media_type)
    response.headers.update(phone.headers)
    return response


def _refusal(status: int, message: str) -> Callable[[Exchange], Response]:
    return lambda exchange: refuse(exchange.call.style, status, message)


_ANSWERS: Final[Mapping[str, Callable[[Exchange], Response]]] = {
    "slow": _after_a_pause,
    "timeout": _after_a_pause,
    "early_callback": _after_the_callback,
    "garbage": _garbage,
    "empty": _empty,
    "trickle": _trickle,
    "huge": _huge,
    "cut": _cut,
    "reset": _reset,
    "reply": _fixed,
    "error_500": _refusal(500, "Server Error"),
    "error_401": _refusal(401, "Unauthenticated"),
    "out_of_credit": _refusal(402, "Insufficient credits"),
}
"""Every other behaviour is answered as documented."""
