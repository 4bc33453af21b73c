"""What the API is asked, and what comes of it."""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from otpvoice.core.limits import LIMITS
from otpvoice.metrics.instruments import counter, histogram

UNAUTHENTICATED: Final = "-"
"""In place of a client: whoever asked was not known."""
_DURATION_BUCKETS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_UNMATCHED: Final = ("no_call", "several", "clock")


class ApiMetrics:
    """What the API was asked.

    Args:
        registry: shows it; None: nobody does.
        clients: of the settings, so that each is shown before it asks for anything.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
    ) -> None:
        self._responses = counter(registry, "http_requests", "Answers.", ["route", "status"])
        self._durations = histogram(
            registry,
            "http_request_duration",
            "From a request's arrival at the application to its answer.",
            ["route"],
            _DURATION_BUCKETS,
        )
        by_client = ["client", "outcome"]
        self.creates = counter(registry, "creates", "Creates, by what came of them.", by_client)
        self.checks = counter(registry, "checks", "Codes handed in.", by_client)
        self.call_requests = counter(registry, "call_requests", "Further calls asked.", by_client)
        self._refusals = counter(registry, "refusals", "What limits refused.", ["client", "limit"])
        self._callbacks = counter(
            registry, "callbacks", "The provider's callbacks, by what came of them.", ["outcome"]
        )
        self._initialize(clients)

    def observe_response(self, route: str, status: int, seconds: float) -> None:
        """A request was answered. ``route``: the rule, never the path."""
        self._responses(route, status).inc()
        self._durations(route).observe(seconds)

    def count_refusal(self, client: str, limit: str) -> None:
        """``limit``: the setting's name."""
        self._refusals(client, limit).inc()

    def count_callback(self, outcome: str) -> None:
        """A callback came."""
        self._callbacks(outcome).inc()

    def initialize_routes(self, routes: Iterable[str]) -> None:
        """Shows that none of them failed yet, so that the first failure is seen as a change."""
        for route in routes:
            for status in (500, 503):
                self._responses(route, status)

    def _initialize(self, clients: Sequence[str]) -> None:
        for client in clients:
            for created in ("created", "existing", "replayed"):
                self.creates(client, created)
            for checked in ("right", "wrong", "replayed"):
                self.checks(client, checked)
            for limit in LIMITS:
                self._refusals(client, limit)
        refused = ("unauthorized", "invalid_request")
        for outcome in ("applied", "late", "seen", "early", *_UNMATCHED, *refused):
            self._callbacks(outcome)
