"""What a dialer asks of the provider, and what the log is told besides."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from otpvoice.metrics.breakers import breaker_scope, breaker_scopes
from otpvoice.metrics.instruments import counter, histogram

_PLACEMENT_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 13)


class DialerMetrics:
    """What a dialer did.

    Args:
        registry: shows it; None: nobody does.
        routes: of the settings, so that each is shown before anything happens.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, routes: Sequence[str] = ()
    ) -> None:
        self._requests = counter(
            registry,
            "provider_requests",
            "Requests that place a call, by what came of them.",
            ["route", "outcome"],
        )
        self._durations = histogram(
            registry,
            "provider_request_duration",
            "Requests that place a call.",
            ["route"],
            _PLACEMENT_BUCKETS,
        )
        self._status_queries = counter(
            registry,
            "pulls",
            "Calls that the provider was asked about, by what came of it.",
            ["route", "outcome"],
        )
        self._closings = counter(registry, "route_closings", "Routes that closed.", ["route"])
        self._opened = counter(
            registry, "breakers_opened", "Breakers that opened.", ["breaker", "scope"]
        )
        for route in routes:
            self._closings(route)
        for kind in breaker_scopes():
            self._opened(*kind)

    def observe_placement(self, route: str, outcome: str, seconds: float) -> None:
        """The provider was asked to place a call, and that came of it."""
        self._requests(route, outcome).inc()
        self._durations(route).observe(seconds)

    def count_status_query(self, route: str, outcome: str) -> None:
        """The provider was asked about a call."""
        self._status_queries(route, outcome).inc()

    def count_route_closed(self, route: str) -> None:
        """No call goes by it for a while."""
        self._closings(route).inc()

    def count_breaker_opened(self, name: str) -> None:
        """``name``: with what it is open for, as in ``conversion_breaker area +919876``."""
        self._opened(*breaker_scope(name)).inc()
