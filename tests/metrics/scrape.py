"""What a scrape told, read as Prometheus reads it."""

from collections import Counter
from collections.abc import Iterable

import requests
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Scrape:
    """The answers of one or more processes, added up.

    Args:
        texts: their pages.
    """

    def __init__(self, *texts: str) -> None:
        self.text = "\n".join(texts)
        self.families: list[Metric] = [
            family for text in texts for family in text_string_to_metric_families(text)
        ]

    @property
    def samples(self) -> Iterable[Sample]:
        """Every line."""
        return (sample for family in self.families for sample in family.samples)

    def value(self, name: str, **labels: str) -> float:
        """The sum of all series ``otpvoice_<name>`` with these labels."""
        return sum(s.value for s in self._of(name) if labels.items() <= s.labels.items())

    def totals_by(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """The same by the values of some labels; without those at 0."""
        found: Counter[tuple[str, ...]] = Counter()
        for sample in self._of(name):
            found[tuple(sample.labels[label] for label in labels)] += round(sample.value)
        return +found

    def _of(self, name: str) -> Iterable[Sample]:
        return (sample for sample in self.samples if sample.name == f"otpvoice_{name}")


def scrape(*urls: str) -> Scrape:
    """What the processes at these addresses tell now."""
    answers = [requests.get(f"{url}/metrics", timeout=10) for url in urls]
    assert all(answer.status_code == 200 for answer in answers)
    assert {a.headers["Content-Type"] for a in answers} == {
        "text/plain; version=0.0.4; charset=utf-8"
    }
    return Scrape(*(answer.text for answer in answers))
