"""Counters and histograms as our parts use them: called with their labels' values, then counted.

The values of labels are few and come again and again, so that what is found for them is kept: it
saves a lock and a search for each count.
"""

from collections.abc import Callable, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

Counts = Callable[..., Counter]
"""Values of labels → what counts for them."""
Times = Callable[..., Histogram]
"""The same; seconds are observed."""


def counter(
    registry: CollectorRegistry | None, name: str, about: str, labels: Sequence[str]
) -> Counts:
    """A counter ``otpvoice_<name>_total``; what was never counted is not shown.

    ``about``: one sentence, which every scrape carries.
    """
    return cache(Counter(f"otpvoice_{name}", about, labels, registry=registry).labels)


def timer(
    registry: CollectorRegistry | None,
    name: str,
    about: str,
    labels: Sequence[str],
    buckets: Sequence[float],
) -> Times:
    """A histogram ``otpvoice_<name>_seconds``."""
    made = Histogram(f"otpvoice_{name}_seconds", about, labels, registry=registry, buckets=buckets)
    return cache(made.labels)
