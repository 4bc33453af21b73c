"""Resources of the API process that renders a page, from ``/proc``."""

from dataclasses import dataclass
from typing import Final

from prometheus_client import ProcessCollector

_COLLECTOR: Final = ProcessCollector(registry=None)


@dataclass(frozen=True, slots=True)
class ProcessStats:
    """What Prometheus names ``process_…``."""

    memory_mib: float
    """Resident."""
    cpu_s: float
    """User and system time since the start."""
    open_files: int
    max_files: int
    started_ms: int
    """Milliseconds since 1970, by the machine's clock."""


def process_stats() -> ProcessStats | None:
    """Return the statistics of this process. None where there is no ``/proc``."""
    values = {sample.name: sample.value for each in _COLLECTOR.collect() for sample in each.samples}
    try:
        return ProcessStats(
            memory_mib=values["process_resident_memory_bytes"] / 2**20,
            cpu_s=values["process_cpu_seconds_total"],
            open_files=int(values["process_open_fds"]),
            max_files=int(values["process_max_fds"]),
            started_ms=round(values["process_start_time_seconds"] * 1000),
        )
    except KeyError:
        return None
