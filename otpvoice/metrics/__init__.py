"""Counters and timers for Prometheus. ``docs/metrics.md`` explains every metric.

No label holds the number of a person, an id, reference, address or code, so metrics identify no
person and no request can create a new series. Labels are fixed words, or names and caller lines
from the settings.

Instruments are created with the application or the dialer, in a separate registry, and passed to
the parts that use them. So applications in one process count separately, and an import counts
nothing. Without a registry, instruments count but are not exposed.

An instrument is called with its labels' values. These are few and recur, so the child of each
combination is cached. This saves a lock and a lookup for each count.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cache
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from otpvoice.core.limits import LIMITS

LabeledCounter = Callable[..., Counter]
"""Returns the counter for label values."""
LabeledHistogram = Callable[..., Histogram]
"""Returns the histogram for label values; it observes seconds."""

UNAUTHENTICATED: Final = "-"
"""The label ``client`` of a request without a known credential."""
_CALLBACK_OUTCOMES: Final = (
    *("applied", "late", "seen", "early", "no_call", "several", "clock"),
    *("progress", "unauthorized", "invalid_request"),
)
_BREAKER_SCOPES: Final = {
    "conversion_breaker": ("area", "region", "client"),
    "wrong_code_breaker": ("service",),
}
_RESPONSE_BUCKETS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_PLACEMENT_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 13)


class EventOutcome(StrEnum):
    """The label ``outcome`` of events to clients."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """The delivery failed and will be retried."""
    ABANDONED = "abandoned"
    DROPPED = "dropped"
    """The event was not stored, because too many were pending."""


def counter(
    registry: CollectorRegistry | None, name: str, description: str, *labels: str
) -> LabeledCounter:
    """Create a counter ``otpvoice_<name>_total``; label values without a count are not exposed."""
    return cache(Counter(f"otpvoice_{name}", description, labels, registry=registry).labels)


def histogram(
    registry: CollectorRegistry | None,
    name: str,
    description: str,
    buckets: Sequence[float],
    *labels: str,
) -> LabeledHistogram:
    """Create a histogram ``otpvoice_<name>_seconds``."""
    name = f"otpvoice_{name}_seconds"
    return cache(Histogram(name, description, labels, registry=registry, buckets=buckets).labels)


def start_series(instrument: LabeledCounter, *values: Iterable[object]) -> None:
    """Start the series of all combinations of label values at 0.

    Otherwise the first count would not show as an increase.
    """
    for labels in product(*values):
        instrument(*labels)


class ApiMetrics:
    """Responses of the API, outcomes of requests, refusals and callbacks.

    Args:
        registry: exposes the metrics.
        clients: names in the settings; their series start at 0.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
    ) -> None:
        about = "Time from a request's arrival at the application to its response."
        self.responses = counter(registry, "http_requests", "Responses.", "route", "status")
        self.durations = histogram(
            registry, "http_request_duration", about, _RESPONSE_BUCKETS, "route"
        )
        by_client = ("client", "outcome")
        self.creates = counter(registry, "creates", "Create requests by outcome.", *by_client)
        self.checks = counter(registry, "checks", "Checked codes by outcome.", *by_client)
        self.call_requests = counter(registry, "call_requests", "Requests for a call.", *by_client)
        about = "Requests that a limit refused."
        self.refusals = counter(registry, "refusals", about, "client", "limit")
        about = "Callbacks of the provider by outcome."
        self.callbacks = counter(registry, "callbacks", about, "outcome")
        start_series(self.creates, clients, ("created", "existing", "replayed"))
        start_series(self.checks, clients, ("right", "wrong", "replayed"))
        start_series(self.refusals, clients, LIMITS)
        start_series(self.callbacks, _CALLBACK_OUTCOMES)


class DialerMetrics:
    """The dialer's requests to the provider, closed routes and opened breakers.

    Args:
        registry: exposes the metrics.
        routes: names in the settings; their series start at 0.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, routes: Sequence[str] = ()
    ) -> None:
        by_outcome = ("route", "outcome")
        about = "Requests that place a call, by outcome."
        self.requests = counter(registry, "provider_requests", about, *by_outcome)
        about = "Duration of requests that place a call."
        self.durations = histogram(
            registry, "provider_request_duration", about, _PLACEMENT_BUCKETS, "route"
        )
        about = "Status queries at the provider, by outcome."
        self.status_queries = counter(registry, "pulls", about, *by_outcome)
        self.closings = counter(registry, "route_closings", "Routes that closed.", "route")
        about = "Breakers that opened."
        self.opened = counter(registry, "breakers_opened", about, "breaker", "scope")
        start_series(self.closings, routes)
        for breaker, scope in breaker_scopes():
            self.opened(breaker, scope)


def event_counter(
    registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
) -> LabeledCounter:
    """Create the counter of events by client and :class:`EventOutcome`.

    The series of ``clients``, which receive events, start at 0.
    """
    about = "Deliveries of events, and dropped events."
    events = counter(registry, "events", about, "client", "outcome")
    start_series(events, clients, EventOutcome)
    return events


def breaker_scopes() -> Iterator[tuple[str, str]]:
    """Return every circuit breaker with every scope that it may be open for."""
    return ((name, scope) for name, scopes in _BREAKER_SCOPES.items() for scope in scopes)


def breaker_scope(breaker: str) -> tuple[str, str]:
    """Return the labels of ``conversion_breaker area +919876``: the breaker and ``area``.

    The area itself is not a label: it is the prefix of phone numbers, and there are too many.
    """
    name, _, scope = breaker.partition(" ")
    return name, scope.partition(" ")[0] or "service"
