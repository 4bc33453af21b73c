"""Metric of the log itself."""

from prometheus_client import CollectorRegistry, Counter


class LogMetrics:
    """Counts log lines that could not be written.

    Args:
        registry: exposes the count.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._dropped = Counter(
            "otpvoice_log_lines_dropped",
            "Log lines that could not be written.",
            registry=registry,
        )

    def count_dropped(self, lines: int) -> None:
        """Count lines that were dropped."""
        self._dropped.inc(lines)
