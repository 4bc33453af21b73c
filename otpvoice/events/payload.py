"""From an event to the request that tells it (Standard Webhooks, standardwebhooks.com)."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from standardwebhooks import Webhook

from otpvoice.core.times import format_utc
from otpvoice.core.verification import Verification
from otpvoice.store.events import Event

Serialize = Callable[[Verification], object]
"""The object of the HTTP contract, as an app may see it."""


def build_body(event: Event, serialize: Serialize) -> bytes:
    """What is told, the same at every try, but that it is signed anew.

    Raises:
        DecryptionError: the number is forgotten, or the ring lost the key it was sealed with.
    """
    verification = event.verification
    return msgspec.json.encode(
        {
            "type": event.type,
            "timestamp": format_utc(verification.now),
            "sequence": verification.version,
            "data": serialize(verification),
        }
    )


def sign_headers(
    event_id: str, body: bytes, secrets: Sequence[str], now: datetime
) -> dict[str, str]:
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
