"""From an event to the request that tells it (Standard Webhooks, standardwebhooks.com)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from standardwebhooks import Webhook

from otpvoice.core.verification import Verification
from otpvoice.store.events import Event

Show = Callable[[Verification], object]
"""The object of the HTTP contract, as an app may see it."""


def body_of(event: Event, show: Show) -> bytes:
    """What is told, the same at every try, but that it is signed anew.

    Raises:
        DecryptionError: the number is forgotten, or the ring lost the key it was sealed with.
    """
    changed = event.verification
    happened_at = datetime.fromtimestamp(changed.now // 1000, UTC)
    return msgspec.json.encode(
        {
            "type": event.type,
            "timestamp": happened_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sequence": changed.version,
            "data": show(changed),
        }
    )


def headers_of(event_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers that prove the body ours, with a signature for each of the ``secrets``.

    ``now``: of this try, for receivers take nothing that was signed long ago.
    """
    text = body.decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(event_id, now, text) for secret in secrets
        ),
    }
