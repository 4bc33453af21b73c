"""A scrape, parsed as Prometheus parses it."""

from collections import Counter
from collections.abc import Iterable

import requests
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Scrape:
    """The metrics of one or more processes, added up.

    Args:
        texts: the text that each process exposes.
    """

    def __init__(self, *texts: str) -> None:
        self.text = "\n".join(texts)
        self.families: list[Metric] = [
            family for text in texts for family in text_string_to_metric_families(text)
        ]

    @property
    def samples(self) -> Iterable[Sample]:
        return (sample for family in self.families for sample in family.samples)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of all series ``otpvoice_<name>`` with these labels."""
        return sum(s.value for s in self._of(name) if labels.items() <= s.labels.items())

    def totals_by(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """Return the sums by the values of some labels, without those that are 0."""
        found: Counter[tuple[str, ...]] = Counter()
        for sample in self._of(name):
            found[tuple(sample.labels[label] for label in labels)] += round(sample.value)
        return +found

    def _of(self, name: str) -> Iterable[Sample]:
        return (sample for sample in self.samples if sample.name == f"otpvoice_{name}")


def scrape(*urls: str) -> Scrape:
    """Scrape the processes at these addresses."""
    responses = [requests.get(f"{url}/metrics", timeout=10) for url in urls]
    assert all(response.status_code == 200 for response in responses)
    assert {each.headers["Content-Type"] for each in responses} == {
        "text/plain; version=0.0.4; charset=utf-8"
    }
    return Scrape(*(response.text for response in responses))
