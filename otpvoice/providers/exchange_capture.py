"""What was said on the wire, word by word: kept for the trial of a call, and for nothing else.

It holds numbers, and may hold a code, so that it leaves a process only sealed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import msgspec

from otpvoice.core.keys import KeyRing

_MAX_BODY_BYTES: Final = 16 * 1024
"""Bytes of a body; of a longer one this is what is kept."""


class _Captured(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class CapturedResponse(_Captured, frozen=True, tag="reply"):
    """One request of ours, and what came back."""

    method: str
    url: str
    status: int | None
    """None: no reply."""
    body: bytes
    error: str
    """The name of the error, without a whole reply."""
    duration_s: float


class CapturedCallback(_Captured, frozen=True, tag="callback"):
    """One message on our webhook, less its credentials."""

    method: str
    content_type: str
    scheme: str
    """Of the Authorization header; empty without one."""
    has_path_token: bool
    query: str
    body: bytes
    match: str
    """What it did: a word of :class:`otpvoice.store.models.News`."""


CapturedExchange = CapturedResponse | CapturedCallback

_DECODER: Final[msgspec.json.Decoder[CapturedExchange]] = msgspec.json.Decoder(CapturedExchange)

_ACTIVE_CAPTURE: Final[ContextVar[list[CapturedResponse] | None]] = ContextVar("ear", default=None)


@contextmanager
def capture_exchanges() -> Iterator[list[CapturedResponse]]:
    """Within it, what this thread's requests were answered is in the list."""
    responses: list[CapturedResponse] = []
    token = _ACTIVE_CAPTURE.set(responses)
    try:
        yield responses
    finally:
        _ACTIVE_CAPTURE.reset(token)


def record_exchange(response: CapturedResponse) -> None:
    """Tells whoever listens; usually nobody does."""
    responses = _ACTIVE_CAPTURE.get()
    if responses is not None:
        responses.append(response)


def encrypt_exchange(ring: KeyRing, call_id: str, exchange: CapturedExchange) -> bytes:
    """What may be kept in the store for a while; only this call's trial opens it."""
    truncated = msgspec.structs.replace(exchange, body=exchange.body[:_MAX_BODY_BYTES])
    return ring.encrypt(msgspec.json.encode(truncated).decode(), _associated_data(call_id))


def decrypt_exchange(ring: KeyRing, call_id: str, sealed: bytes) -> CapturedExchange:
    """As :func:`encrypt_exchange` was given it.

    Raises:
        DecryptionError: the ring lost the key it was sealed with.
    """
    return _DECODER.decode(ring.decrypt(sealed, _associated_data(call_id)))


def _associated_data(call_id: str) -> str:
    return f"{call_id} heard"
