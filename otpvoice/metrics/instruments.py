"""Counters and histograms that are called with their labels' values; and the breakers' labels.

Label values are few and recur, so the child of each combination is cached. This saves a lock and a
lookup for each count.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

LabeledCounter = Callable[..., Counter]
"""Returns the counter for label values."""
LabeledHistogram = Callable[..., Histogram]
"""Returns the histogram for label values; it observes seconds."""
_BREAKER_SCOPES: Final = {
    "conversion_breaker": ("area", "region", "client"),
    "wrong_code_breaker": ("service",),
}


def counter(
    registry: CollectorRegistry | None, name: str, description: str, labels: Sequence[str]
) -> LabeledCounter:
    """Create a counter ``otpvoice_<name>_total``; label values without a count are not exposed."""
    return cache(Counter(f"otpvoice_{name}", description, labels, registry=registry).labels)


def histogram(
    registry: CollectorRegistry | None,
    name: str,
    description: str,
    labels: Sequence[str],
    buckets: Sequence[float],
) -> LabeledHistogram:
    """Create a histogram ``otpvoice_<name>_seconds``."""
    name = f"otpvoice_{name}_seconds"
    return cache(Histogram(name, description, labels, registry=registry, buckets=buckets).labels)


def breaker_scopes() -> Iterator[tuple[str, str]]:
    """Return every circuit breaker with every scope that it may be open for."""
    return ((name, scope) for name, scopes in _BREAKER_SCOPES.items() for scope in scopes)


def breaker_scope(breaker: str) -> tuple[str, str]:
    """Return the labels of ``conversion_breaker area +919876``: the breaker and ``area``.

    The area itself is not a label: it is the prefix of phone numbers, and there are too many.
    """
    name, _, scope = breaker.partition(" ")
    return name, scope.partition(" ")[0] or "service"
