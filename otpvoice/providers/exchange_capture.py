"""Capture of a live test call's exchanges with the provider, for ``otpvoice doctor --live``.

Captured exchanges hold numbers and may hold a code, so they leave the process only encrypted.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

import msgspec

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import KeyRing
from otpvoice.http_client import CapturedResponse, capture_exchanges

_MAX_BODY_BYTES: Final = 16 * 1024
"""A longer body is truncated."""


class CapturedCallback(msgspec.Struct, frozen=True, tag="callback"):
    """One callback without its credentials. Its repr shows nothing of it."""

    method: str
    content_type: str
    scheme: str
    """Of the Authorization header; empty without one."""
    has_path_token: bool
    query: str
    body: bytes
    outcome: str
    """What the callback did: a word of :class:`otpvoice.store.models.ReportOutcome`."""
    headers: tuple[str, ...] = ()
    """Names of its headers in lower case, such as those of signatures."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class CapturedAnswer(msgspec.Struct, frozen=True, tag="answer"):
    """A request for a document of an answered call. Its repr shows nothing of it."""

    method: str
    content_type: str
    headers: tuple[str, ...]
    """Names of its headers in lower case, such as those of signatures."""
    body: bytes
    outcome: str
    """``found`` or a word of :class:`otpvoice.store.models.SpeechRefusal`; of a key, a word of
    :class:`otpvoice.store.models.KeyOutcome`."""
    is_key: bool = False
    """It reports a key, and asks for the document that follows."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


CapturedExchange = CapturedResponse | CapturedCallback | CapturedAnswer

_DECODER: Final[msgspec.json.Decoder[CapturedExchange]] = msgspec.json.Decoder(CapturedExchange)


class CaptureStore(Protocol):
    """The store's functions for captured exchanges."""

    def capture(self, call_id: str, encrypted: bytes) -> None:
        """Keep one exchange of a live test call for a while."""
        ...

    def captured(self, call_id: str) -> list[tuple[int, bytes]]:
        """Return the exchanges of a call with the time of each (ms), the oldest first."""
        ...


class ExchangeCapture:
    """Captured exchanges of live test calls, encrypted and bound to their call."""

    def __init__(self, store: CaptureStore, ring: KeyRing) -> None:
        self._store = store
        self._ring = ring

    @contextmanager
    def capturing(self, call_id: str) -> Iterator[None]:
        """Save the responses to the requests that are sent inside the block."""
        with capture_exchanges() as responses:
            yield
        for response in responses:
            self.save(call_id, response)

    def save(self, call_id: str, exchange: CapturedExchange) -> None:
        """Save one exchange; without the store it is lost, and nothing else with it."""
        truncated = msgspec.structs.replace(exchange, body=exchange.body[:_MAX_BODY_BYTES])
        text = msgspec.json.encode(truncated).decode()
        with suppress(StoreUnavailable):
            self._store.capture(call_id, self._ring.encrypt(text, f"{call_id} captured"))

    def load(self, call_id: str) -> list[tuple[int, CapturedExchange]]:
        """Return the saved exchanges with the time of each (ms), the oldest first.

        Raises:
            DecryptionError: the ring no longer has the key.
            StoreUnavailable: the store cannot be reached.
        """
        return [
            (at, _DECODER.decode(self._ring.decrypt(encrypted, f"{call_id} captured")))
            for at, encrypted in self._store.captured(call_id)
        ]
