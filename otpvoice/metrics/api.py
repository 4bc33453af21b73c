"""Metrics of the API: responses, outcomes of requests, refusals and callbacks."""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from otpvoice.core.limits import LIMITS
from otpvoice.metrics.instruments import counter, histogram

UNAUTHENTICATED: Final = "-"
"""The label ``client`` of a request without a known credential."""
_DURATION_BUCKETS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_CALLBACK_OUTCOMES: Final = (
    *("applied", "late", "seen", "early", "no_call", "several", "clock"),
    *("unauthorized", "invalid_request"),
)


class ApiMetrics:
    """Counts and times the API's requests.

    Args:
        registry: exposes the metrics.
        clients: names in the settings; their series start at 0.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
    ) -> None:
        self._responses = counter(registry, "http_requests", "Responses.", ["route", "status"])
        self._durations = histogram(
            registry,
            "http_request_duration",
            "Time from a request's arrival at the application to its response.",
            ["route"],
            _DURATION_BUCKETS,
        )
        by_client = ["client", "outcome"]
        self.creates = counter(registry, "creates", "Create requests by outcome.", by_client)
        self.checks = counter(registry, "checks", "Checked codes by outcome.", by_client)
        self.call_requests = counter(registry, "call_requests", "Requests for a call.", by_client)
        self._refusals = counter(
            registry, "refusals", "Requests that a limit refused.", ["client", "limit"]
        )
        self._callbacks = counter(
            registry, "callbacks", "Callbacks of the provider by outcome.", ["outcome"]
        )
        for client in clients:
            for created in ("created", "existing", "replayed"):
                self.creates(client, created)
            for checked in ("right", "wrong", "replayed"):
                self.checks(client, checked)
            for limit in LIMITS:
                self._refusals(client, limit)
        for outcome in _CALLBACK_OUTCOMES:
            self._callbacks(outcome)

    def observe_response(self, route: str, status: int, seconds: float) -> None:
        """Count and time a response. ``route`` is the URL rule, never the path."""
        self._responses(route, status).inc()
        self._durations(route).observe(seconds)

    def count_refusal(self, client: str, limit: str) -> None:
        """Count a request that was refused by a limit, named as its setting."""
        self._refusals(client, limit).inc()

    def count_callback(self, outcome: str) -> None:
        """Count a callback of the provider."""
        self._callbacks(outcome).inc()

    def initialize_routes(self, routes: Iterable[str]) -> None:
        """Start the series of server errors at 0, so that the first error shows as an increase."""
        for route in routes:
            for status in (500, 503):
                self._responses(route, status)
