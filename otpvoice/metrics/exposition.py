"""What a scrape is answered."""

from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from otpvoice.metrics.multiprocess import directory

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class Exposition(CollectorRegistry):
    """All that is known at the moment of a scrape.

    Args:
        counted: the instruments of this process; of all that count in the same folder, if they do.
        gauges: what is looked up for each scrape.
    """

    def __init__(self, counters: CollectorRegistry, gauges: Collector) -> None:
        super().__init__()
        # Three lines for one, and the shared folder has none.
        disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
        folder = directory()
        self.register(_BuildInfo())
        self.register(MultiProcessCollector(None, folder) if folder else counters)  # type: ignore[no-untyped-call] # it has no types
        self.register(gauges)

    def render(self) -> bytes:
        """In Prometheus's text format, version 0.0.4."""
        return generate_latest(self)


class _BuildInfo(Collector):
    """Which release this is."""

    def collect(self) -> list[Metric]:
        build = GaugeMetricFamily("otpvoice_build_info", "The release.", labels=["version"])
        build.add_metric([version("otpvoice")], 1)
        return [build]
