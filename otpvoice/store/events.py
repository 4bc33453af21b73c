"""The dispatcher's side of the store: claim events for delivery, and record its result."""

import secrets
from collections.abc import Mapping

from otpvoice.store.decoding import decode_event, pairs, to_fields
from otpvoice.store.functions import BaseStore
from otpvoice.store.models import Event, EventBatch


class EventStore(BaseStore):
    """Clients' events."""

    def claim_events(self, at_most: Mapping[str, int]) -> EventBatch:
        """Claim due events: of each client at most the given number."""
        holder = secrets.token_hex(8)
        reply = self._call(
            "claim_events",
            holder=holder,
            client=[*at_most],
            max_events=[*at_most.values()],
        )
        events = self._decode_each(
            map(to_fields, reply[b"events"]), lambda event: decode_event(holder, event)
        )
        dropped = {client.decode(): int(count) for client, count in pairs(reply[b"dropped"])}
        return EventBatch(tuple(events), dropped)

    def ack_event(self, event: Event, retry_in_ms: int | None) -> None:
        """End an event, or retry it after ``retry_in_ms``; unless its lease has lapsed."""
        self._ack(event, retry_in_ms, was_sent=True)

    def release_event(self, event: Event) -> None:
        """Make an event due again at once. It was not sent, so the attempt does not count."""
        self._ack(event, 0, was_sent=False)

    def _ack(self, event: Event, retry_in_ms: int | None, *, was_sent: bool) -> None:
        self._call(
            "ack_event",
            id=event.id,
            client=event.client,
            holder=event.holder,
            retry_in_ms=retry_in_ms,
            was_sent=was_sent,
        )
