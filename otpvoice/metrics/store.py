"""The store's rules: how long they take, and what they changed.

A call is canceled by a create, expires in a sweep, is answered by a callback: only the rule itself
knows. It says so with its reply (``count()`` in ``_base.lua``), and the process that ran it counts.
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
    """What the store did.

    Args:
        registry: shows it; None: nobody does.
        clients: of the settings, so that each is shown before anything happens.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, clients: Sequence[str] = ()
    ) -> None:
        self._durations = histogram(
            registry, "store_duration", "Round trips to the store.", ["rule"], _DURATION_BUCKETS
        )
        self._failures = counter(registry, "store_failures", "Rules without an answer.", ["rule"])
        self._calls = counter(
            registry, "calls", "Calls that came into a status.", ["route", "status"]
        )
        self._redials = counter(
            registry, "redials", "Calls after one that did not reach the person.", ["route"]
        )
        self._ended = counter(
            registry, "verifications_ended", "Verifications that ended.", ["client", "status"]
        )
        self._dial_delays = histogram(
            registry,
            "call_dial_delay",
            "From the moment when a call was due to its request to the provider.",
            ["route"],
            _DIAL_DELAY_BUCKETS,
        )
        self._result_delays = histogram(
            registry,
            "call_result",
            "From a call's request to the provider to the news of its end.",
            ["route", "status"],
            _RESULT_DELAY_BUCKETS,
        )
        self._approval_times = histogram(
            registry, "approval", "From create to approval.", ["client"], _APPROVAL_BUCKETS
        )
        self._counters: dict[str, Callable[..., None]] = {
            "call": self._count_call,
            "dialed": self._observe_dial,
            "redial": lambda route: self._redials(route).inc(),
            "verification": self._count_end,
        }
        self._initialize(clients)

    def observe_function(self, function: str, seconds: float, changes: Sequence[bytes]) -> None:
        """A rule ran. ``changes``: what it said is to be counted."""
        self._durations(function).observe(seconds)
        for change in changes:
            kind, *words = change.decode().split(" ", 3)
            self._counters[kind](*words)

    def count_failure(self, function: str) -> None:
        """There was no answer in time, or none was waited for."""
        self._failures(function).inc()

    def _count_call(self, route: str, status: str, since_sent: str) -> None:
        self._calls(route, status).inc()
        if since_sent and status in _FINAL_STATUSES:
            self._result_delays(route, status).observe(int(since_sent) / 1000)

    def _observe_dial(self, route: str, overdue: str) -> None:
        self._dial_delays(route).observe(int(overdue) / 1000)

    def _count_end(self, status: str, age: str, client: str) -> None:
        self._ended(client, status).inc()
        if status == Status.APPROVED:
            self._approval_times(client).observe(int(age) / 1000)

    def _initialize(self, clients: Sequence[str]) -> None:
        """What has not happened yet is shown as 0, so that its first time is seen as a change."""
        for route in Route:
            self._redials(route)
            for status in CallStatus:
                if status is not CallStatus.DIALING:
                    self._calls(route, status)
        for client in clients:
            for ended in Status:
                if ended is not Status.PENDING:
                    self._ended(client, ended)
