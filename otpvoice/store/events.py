"""Events as the store hands them out: what a client is to be told of one change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from otpvoice.core.verification import Verification
from otpvoice.store.decoding import fields_of, read_verification
from otpvoice.store.schema import UnreadableRecord, decoding

EVENT_LEASE: Final = 20_000
"""A try's length (ms): longer than the deadlines of the request."""
_FIELDS: Final = 6
"""Where the fields of the verification stand in what was said."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a verification, to be told for the length of a lease."""

    id: str
    """The same at every try."""
    client: str
    type: str
    """``verification.approved``, ``call.placed``, and so on."""
    verification: Verification = field(repr=False)
    """As it stood right after the change."""
    tries: int
    """This one included, and those that were begun and never ended."""
    holder: str


@dataclass(frozen=True, slots=True)
class TakenEvents:
    """What was due."""

    events: tuple[Event, ...]
    dropped: Mapping[str, int]
    """By client: events since the last taking for which too many were waiting already."""


def read_dropped(dropped: Sequence[bytes]) -> dict[str, int]:
    """Decode how many events were dropped, by client."""
    return {client.decode(): int(many) for client, many in fields_of(dropped).items()}


def read_event(holder: str, key: bytes, client: bytes, flat: Sequence[bytes]) -> Event:
    """Decode one event of ``take_events.lua``.

    Raises:
        UnreadableRecord: nobody can be sent it.
    """
    record = f"event:{key.decode('utf-8', 'replace')}"
    with decoding(record):
        fields = fields_of(flat)
        said = _said(fields[b"said"])
        said[_FIELDS] += [b"encrypted_number", fields[b"encrypted_number"]]
        try:
            verification = read_verification(*said)
        except UnreadableRecord as error:  # the event's copy, not the verification itself
            raise UnreadableRecord(record, error.why) from error
        return Event(
            id=key.decode(),
            client=client.decode(),
            type=fields[b"type"].decode(),
            verification=verification,
            tries=int(fields[b"tries"]),
            holder=holder,
        )


def _said(text: bytes) -> Any:
    """What ``_events.lua`` wrote down, as a script would have replied it."""
    return _in_bytes(msgspec.json.decode(text))


def _in_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_bytes(each) for each in value]
    return value.encode() if isinstance(value, str) else value
