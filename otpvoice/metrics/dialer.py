"""Metrics of the dialer: placements, status queries, routes, breakers and events to clients."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from otpvoice.metrics.instruments import breaker_scope, breaker_scopes, counter, histogram

_PLACEMENT_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 13)
DELIVERED: Final = "delivered"
DELIVERY_FAILED: Final = "failed"
"""The delivery failed and will be retried."""
ABANDONED: Final = "abandoned"
DROPPED: Final = "dropped"
"""The event was not stored, because too many were pending."""


class DialerMetrics:
    """Counts and times the dialer's requests to the provider.

    Args:
        registry: exposes the metrics.
        routes: names in the settings; their series start at 0.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, routes: Sequence[str] = ()
    ) -> None:
        by_outcome = ["route", "outcome"]
        self._requests = counter(
            registry, "provider_requests", "Requests that place a call, by outcome.", by_outcome
        )
        self._durations = histogram(
            registry,
            "provider_request_duration",
            "Duration of requests that place a call.",
            ["route"],
            _PLACEMENT_BUCKETS,
        )
        self._status_queries = counter(
            registry, "pulls", "Status queries at the provider, by outcome.", by_outcome
        )
        self._closings = counter(registry, "route_closings", "Routes that closed.", ["route"])
        self._opened = counter(
            registry, "breakers_opened", "Breakers that opened.", ["breaker", "scope"]
        )
        for route in routes:
            self._closings(route)
        for breaker, scope in breaker_scopes():
            self._opened(breaker, scope)

    def observe_placement(self, route: str, outcome: str, seconds: float) -> None:
        """Count and time a request that places a call."""
        self._requests(route, outcome).inc()
        self._durations(route).observe(seconds)

    def count_status_query(self, route: str, outcome: str) -> None:
        """Count a query for a call's status."""
        self._status_queries(route, outcome).inc()

    def count_route_closed(self, route: str) -> None:
        """Count a route that closed."""
        self._closings(route).inc()

    def count_breaker_opened(self, breaker: str) -> None:
        """Count a breaker that opened, named as in ``conversion_breaker area +919876``."""
        self._opened(*breaker_scope(breaker)).inc()


class EventMetrics:
    """Counts deliveries of events by outcome, and dropped events.

    Args:
        registry: exposes the metrics.
        clients: clients that receive events; their series start at 0.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
    ) -> None:
        self._events = counter(
            registry, "events", "Deliveries of events, and dropped events.", ["client", "outcome"]
        )
        for client in clients:
            for outcome in (DELIVERED, DELIVERY_FAILED, ABANDONED, DROPPED):
                self._events(client, outcome)

    def count(self, client: str, outcome: str, amount: int = 1) -> None:
        """Count an outcome, which is one of the constants above."""
        self._events(client, outcome).inc(amount)
