"""Counters and histograms as our parts use them: called with their labels' values, then counted.

The values of labels are few and come again and again, so that what is found for them is kept: it
saves a lock and a search for each count.
"""

from collections.abc import Callable, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

LabeledCounter = Callable[..., Counter]
"""Values of labels → what counts for them."""
LabeledHistogram = Callable[..., Histogram]
"""The same; seconds are observed."""


def counter(
    registry: CollectorRegistry | None, name: str, description: str, labels: Sequence[str]
) -> LabeledCounter:
    """A counter ``otpvoice_<name>_total``; what was never counted is not shown.

    ``about``: one sentence, which every scrape carries.
    """
    return cache(Counter(f"otpvoice_{name}", description, labels, registry=registry).labels)


def histogram(
    registry: CollectorRegistry | None,
    name: str,
    description: str,
    labels: Sequence[str],
    buckets: Sequence[float],
) -> LabeledHistogram:
    """A histogram ``otpvoice_<name>_seconds``."""
    made = Histogram(
        f"otpvoice_{name}_seconds", description, labels, registry=registry, buckets=buckets
    )
    return cache(made.labels)
