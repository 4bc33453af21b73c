"""What was said on the wire, word by word: kept for the trial of a call, and for nothing else.

It holds numbers, and may hold a code, so that it leaves a process only sealed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import msgspec

from otpvoice.core.keys import KeyRing

_LONGEST: Final = 16 * 1024
"""Bytes of a body; of a longer one this is what is kept."""


class _Overheard(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class OverheardReply(_Overheard, frozen=True, tag="reply"):
    """One request of ours, and what came back."""

    method: str
    url: str
    status: int | None
    """None: no reply."""
    body: bytes
    why: str
    """The name of the error, without a whole reply."""
    seconds: float


class OverheardCallback(_Overheard, frozen=True, tag="callback"):
    """One message on our webhook, less its credentials."""

    method: str
    content_type: str
    scheme: str
    """Of the Authorization header; empty without one."""
    has_path_token: bool
    query: str
    body: bytes
    news: str
    """What it did: a word of :class:`otpvoice.store.models.News`."""


Overheard = OverheardReply | OverheardCallback

_HEARD: Final[msgspec.json.Decoder[Overheard]] = msgspec.json.Decoder(Overheard)

_EAR: Final[ContextVar[list[OverheardReply] | None]] = ContextVar("ear", default=None)


@contextmanager
def overhearing() -> Iterator[list[OverheardReply]]:
    """Within it, what this thread's requests were answered is in the list."""
    heard: list[OverheardReply] = []
    token = _EAR.set(heard)
    try:
        yield heard
    finally:
        _EAR.reset(token)


def note(reply: OverheardReply) -> None:
    """Tells whoever listens; usually nobody does."""
    heard = _EAR.get()
    if heard is not None:
        heard.append(reply)


def seal_overheard(ring: KeyRing, call_id: str, heard: Overheard) -> bytes:
    """What may be kept in the store for a while; only this call's trial opens it."""
    kept = msgspec.structs.replace(heard, body=heard.body[:_LONGEST])
    return ring.seal(msgspec.json.encode(kept).decode(), _owner(call_id))


def open_overheard(ring: KeyRing, call_id: str, sealed: bytes) -> Overheard:
    """As :func:`seal_overheard` was given it.

    Raises:
        SealBroken: the ring lost the key it was sealed with.
    """
    return _HEARD.decode(ring.open(sealed, _owner(call_id)))


def _owner(call_id: str) -> str:
    return f"{call_id} heard"
