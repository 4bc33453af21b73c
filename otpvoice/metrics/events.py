"""What clients are told."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from otpvoice.metrics.instruments import counter

DELIVERED: Final = "told"
DELIVERY_FAILED: Final = "failed"
"""It is tried again."""
ABANDONED: Final = "given_up"
DROPPED: Final = "dropped"
"""Too many waited already."""


class EventMetrics:
    """Events, by what came of each try.

    Args:
        registry: shows it; None: nobody does.
        clients: those that are told, so that each is shown before anything happens.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
    ) -> None:
        self._events = counter(
            registry, "events", "Tries to tell events, and events dropped.", ["client", "outcome"]
        )
        for client in clients:
            for outcome in (DELIVERED, DELIVERY_FAILED, ABANDONED, DROPPED):
                self._events(client, outcome)

    def count(self, client: str, outcome: str, amount: int = 1) -> None:
        """``outcome``: one of the words above."""
        self._events(client, outcome).inc(amount)
