"""Metrics of the store's functions: their duration, and the changes that they made.

A create cancels a call, a sweep expires one, a callback ends one: only the function knows. It
returns its changes with its reply (``count()`` in ``_base.lua``), and the process that ran it
counts them.
"""

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from otpvoice.core.verification import CallStatus, Route, Status
from otpvoice.metrics.instruments import counter, histogram

_FINAL_STATUSES: Final = frozenset({"answered", "busy", "no_answer", "failed"})
_DURATION_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_DIAL_DELAY_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 120)
_RESULT_DELAY_BUCKETS: Final = (1, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180)
_APPROVAL_BUCKETS: Final = (10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)


class StoreMetrics:
    """Counts and times the store's functions and their changes.

    Args:
        registry: exposes the metrics.
        clients: names in the settings; their series start at 0.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
    ) -> None:
        self._durations = histogram(
            registry, "store_duration", "Round trips to the store.", ["rule"], _DURATION_BUCKETS
        )
        self._failures = counter(registry, "store_failures", "Functions without a reply.", ["rule"])
        self._calls = counter(
            registry, "calls", "Calls that reached a status.", ["route", "status"]
        )
        self._redials = counter(
            registry, "redials", "Calls after one that did not reach the user.", ["route"]
        )
        self._ended = counter(
            registry, "verifications_ended", "Verifications that ended.", ["client", "status"]
        )
        self._dial_delays = histogram(
            registry,
            "call_dial_delay",
            "Time from a call's due time to its request to the provider.",
            ["route"],
            _DIAL_DELAY_BUCKETS,
        )
        self._result_delays = histogram(
            registry,
            "call_result",
            "Time from a call's request to the provider to the report of its end.",
            ["route", "status"],
            _RESULT_DELAY_BUCKETS,
        )
        self._approval_times = histogram(
            registry, "approval", "Time from create to approval.", ["client"], _APPROVAL_BUCKETS
        )
        self._counters: dict[str, Callable[..., None]] = {
            "call": self._count_call,
            "dialed": self._observe_dial,
            "redial": lambda route: self._redials(route).inc(),
            "verification": self._count_end,
        }
        # Series start at 0, so that the first count shows as an increase.
        for route in Route:
            self._redials(route)
            for status in CallStatus:
                if status is not CallStatus.DIALING:
                    self._calls(route, status)
        for client in clients:
            for ended in Status:
                if ended is not Status.PENDING:
                    self._ended(client, ended)

    def observe_function(self, function: str, seconds: float, changes: Sequence[bytes]) -> None:
        """Time a function, and count the changes that it returned."""
        self._durations(function).observe(seconds)
        for change in changes:
            kind, *words = change.decode().split(" ", 3)
            self._counters[kind](*words)

    def count_failure(self, function: str) -> None:
        """Count a function without a reply in time, or one that was not sent."""
        self._failures(function).inc()

    def _count_call(self, route: str, status: str, ms_since_sent: str) -> None:
        self._calls(route, status).inc()
        if ms_since_sent and status in _FINAL_STATUSES:
            self._result_delays(route, status).observe(int(ms_since_sent) / 1000)

    def _observe_dial(self, route: str, overdue_ms: str) -> None:
        self._dial_delays(route).observe(int(overdue_ms) / 1000)

    def _count_end(self, status: str, age_ms: str, client: str) -> None:
        self._ended(client, status).inc()
        if status == Status.APPROVED:
            self._approval_times(client).observe(int(age_ms) / 1000)
