"""Events as the store hands them out: what a client is to be told of one change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from otpvoice.core.verification import Verification
from otpvoice.store.decoding import decode_verification, to_fields
from otpvoice.store.schema import UnreadableRecord, decoding

EVENT_LEASE_MS: Final = 20_000
"""A try's length (ms): longer than the deadlines of the request."""
_FIELDS_INDEX: Final = 6
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
    attempts: int
    """This one included, and those that were begun and never ended."""
    holder: str


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What was due."""

    events: tuple[Event, ...]
    dropped: Mapping[str, int]
    """By client: events since the last taking for which too many were waiting already."""


def decode_dropped(dropped: Sequence[bytes]) -> dict[str, int]:
    """Decode how many events were dropped, by client."""
    return {client.decode(): int(many) for client, many in to_fields(dropped).items()}


def decode_event(holder: str, key: bytes, client: bytes, flat: Sequence[bytes]) -> Event:
    """Decode one event of ``take_events.lua``.

    Raises:
        UnreadableRecord: nobody can be sent it.
    """
    record = f"event:{key.decode('utf-8', 'replace')}"
    with decoding(record):
        fields = to_fields(flat)
        snapshot = _decode_snapshot(fields[b"snapshot"])
        snapshot[_FIELDS_INDEX] += [b"encrypted_number", fields[b"encrypted_number"]]
        try:
            verification = decode_verification(*snapshot)
        except UnreadableRecord as error:  # the event's copy, not the verification itself
            raise UnreadableRecord(record, error.reason) from error
        return Event(
            id=key.decode(),
            client=client.decode(),
            type=fields[b"type"].decode(),
            verification=verification,
            attempts=int(fields[b"attempts"]),
            holder=holder,
        )


def _decode_snapshot(text: bytes) -> Any:
    """What ``_events.lua`` wrote down, as a script would have replied it."""
    return _to_bytes(msgspec.json.decode(text))


def _to_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_bytes(each) for each in value]
    return value.encode() if isinstance(value, str) else value
