"""What is looked up at each scrape: the queue, what refuses, and who dials.

It is of the whole service, and so the same wherever it is looked up: take the greatest of all
processes, never their sum.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.limits import CallLimits
from otpvoice.metrics.instruments import breaker_scope, breaker_scopes
from otpvoice.store.admin import AdminStore, Breaker, Overview
from otpvoice.store.replies import FunctionError

_WHOLE_SERVICE = "-"
"""In place of a client: the limit is of the whole service."""


class StoreGauges(Collector):
    """One round trip for each scrape; without an answer it says only that there is none.

    ``operations``: looks.
    """

    def __init__(self, admin_store: AdminStore) -> None:
        self._admin_store = admin_store

    def collect(self) -> Iterator[Metric]:
        """What the store says now."""
        try:
            overview = self._admin_store.overview()
        except (StoreUnavailable, FunctionError):
            yield _gauge("store_up", "Whether the store answers.", 0)
            return
        policy = self._admin_store.policy
        yield _gauge("store_up", "Whether the store answers.", 1)
        yield from _totals(overview)
        yield _labeled("route_closed", "Whether no call goes by a route.", ["route"], [
            ((route,), float(route in overview.closed_routes)) for route in policy.routes
        ])  # fmt: skip
        yield _breakers(overview.open_breakers)
        clients = sorted(policy.clients_with_events)
        yield _labeled("events_waiting", "Events that wait or are being delivered.", ["client"], [
            ((client,), float(overview.pending_events[client])) for client in clients
        ])  # fmt: skip
        overdue = "Time since the oldest waiting event was due."
        yield _labeled("events_overdue_seconds", overdue, ["client"], [
            ((client,), overview.events_overdue_ms[client] / 1000) for client in clients
        ])  # fmt: skip
        yield _daily_usage(overview, policy.limits)


def _totals(overview: Overview) -> Iterator[Metric]:
    yield _gauge("queued_calls", "Calls that wait, due or not.", overview.queued_calls)
    yield _gauge(
        "queue_overdue_seconds",
        "Since the oldest call that waits was due.",
        overview.overdue_ms / 1000,
    )
    yield _gauge("live_calls", "Calls that may be ringing or talking.", overview.live_calls)
    yield _gauge("dialers", "Dialers heard of within 30 seconds.", overview.dialers)
    yield _gauge(
        "quarantined_records",
        "Unreadable records that were set aside in the last 15 minutes.",
        overview.quarantine.quarantined,
    )
    yield _gauge(
        "undialable_calls",
        "Calls of the last 15 minutes that could not be placed because of a dialer's settings.",
        overview.quarantine.undialable,
    )


def _breakers(found: Iterable[Breaker]) -> Metric:
    open_now = Counter(breaker_scope(breaker.name) for breaker in found)
    return _labeled("breakers_open", "Breakers that are open.", ["breaker", "scope"], [
        (each, float(open_now[each])) for each in breaker_scopes()
    ])  # fmt: skip


def _daily_usage(overview: Overview, limits: CallLimits) -> Metric:
    def allowed(client: str | None) -> int | None:
        return limits.clients[client].calls_per_day if client else limits.calls_per_day

    return _labeled("calls_per_day_used_ratio", "How far it is used up; 1 refuses.", ["client"], [
        ((use.client or _WHOLE_SERVICE,), use.used / count)
        for use in overview.limits
        if use.limit == "calls_per_day" and (count := allowed(use.client))
    ])  # fmt: skip


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"otpvoice_{name}", about, value)


def _labeled(
    name: str, about: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    family = GaugeMetricFamily(f"otpvoice_{name}", about, labels=labels)
    for words, value in values:
        family.add_metric(words, value)
    return family
