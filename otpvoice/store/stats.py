"""Statistics of the service: of the last day for the console, and of now for metrics."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.limits import CALLS_PER_DAY
from otpvoice.metrics import breaker_scope, breaker_scopes
from otpvoice.store.admin import AdminStore, Breaker, Overview
from otpvoice.store.functions import BaseStore
from otpvoice.store.policy import STATS_BUCKET_MS
from otpvoice.store.replies import FunctionError

BUCKETS_PER_DAY: Final = 288
_OF_A_LINE: Final = b"line "
_WHOLE_SERVICE: Final = "-"
"""In place of a client: the limit is of the whole service."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The statistics of five minutes."""

    start: int
    """Milliseconds since 1970."""
    counts: Mapping[str, int]
    """``created``, ``verification <status>``, ``call <route> <status>`` as in ``_stats.lua``; and
    ``answer <slot>`` and ``approval <slot>``, by the bounds in :mod:`otpvoice.store.policy`."""
    area_counts: Mapping[str, int]
    """``<area> <what>``: placed, answered, ended, approved."""
    line_counts: Mapping[str, int]
    """``<caller line> <what>``: answered, unanswered."""


class StatsReader(BaseStore):
    """Reads the statistics of the last day."""

    def last_day(self, now: int) -> list[Bucket]:
        """Return the last 288 buckets, the oldest first; that of ``now`` is not complete.

        They are read one by one, in one round trip, so that clients' requests are served between
        them.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
        """
        last = now // STATS_BUCKET_MS
        numbers = range(last - BUCKETS_PER_DAY + 1, last + 1)
        pipeline = self.redis.pipeline(transaction=False)
        for number in numbers:
            pipeline.hgetall(self._keys.of("stats", number))
            pipeline.hgetall(self._keys.of("area_stats", number))
        found: Sequence[Any] = self._execute("stats", lambda _: pipeline.execute())
        return [
            Bucket(
                number * STATS_BUCKET_MS,
                _counts(stats),
                _area_counts(area_stats),
                _line_counts(stats),
            )
            for number, stats, area_stats in zip(numbers, found[::2], found[1::2], strict=True)
        ]


def _counts(fields: Mapping[bytes, bytes]) -> Counter[str]:
    """Count a field that has a slot by its name and by its slot."""
    found: Counter[str] = Counter()
    for field, count in fields.items():
        if field.startswith(_OF_A_LINE):
            continue
        name, _, slot = field.decode().rpartition(" ")
        if not slot.isdecimal():
            found[field.decode()] += int(count)
            continue
        found[name] += int(count)
        found[f"{'approval' if name.startswith('verification') else 'answer'} {slot}"] += int(count)
    return found


def _line_counts(fields: Mapping[bytes, bytes]) -> Counter[str]:
    return Counter(
        {
            field.decode().removeprefix("line "): int(count)
            for field, count in fields.items()
            if field.startswith(_OF_A_LINE)
        }
    )


def _area_counts(fields: Mapping[bytes, bytes]) -> Counter[str]:
    """Count approved and unapproved verifications as ended, too."""
    found: Counter[str] = Counter()
    for field, count in fields.items():
        area, _, what = field.decode().rpartition(" ")
        if what in {"approved", "unapproved"}:
            found[f"{area} ended"] += int(count)
        if what != "unapproved":
            found[f"{area} {what}"] += int(count)
    return found


class StoreGauges(Collector):
    """Gauges of the whole service, read once for each scrape.

    They are the same in every process: take the maximum of all processes, never their sum. If the
    store does not reply, ``store_up`` is the only one.
    """

    def __init__(self, admin_store: AdminStore) -> None:
        self._admin_store = admin_store

    def collect(self) -> Iterator[Metric]:
        """Yield the current values."""
        try:
            overview = self._admin_store.overview()
        except (StoreUnavailable, FunctionError):
            yield _gauge("store_up", "Whether the store replies.", 0)
            return
        policy = self._admin_store.policy
        yield _gauge("store_up", "Whether the store replies.", 1)
        yield from _totals(overview)
        yield _labeled("route_closed", "Whether a route accepts no calls.", ["route"], [
            ((route,), float(route in overview.closed_routes)) for route in policy.routes
        ])  # fmt: skip
        yield _labeled("line_weak", "Whether people stopped answering a caller line.", ["line"], [
            ((line,), float(line in overview.weak_lines)) for line in policy.sibling_lines
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
        daily = [each for each in overview.limits if each.limit == CALLS_PER_DAY]
        about = "Used share of the limit; 1 refuses."
        yield _labeled("calls_per_day_used_ratio", about, ["client"], [
            ((each.client or _WHOLE_SERVICE,), each.used / each.allowed)
            for each in daily if each.allowed
        ])  # fmt: skip


def _totals(overview: Overview) -> Iterator[Metric]:
    overdue = "Time since the oldest queued call was due."
    quarantined = "Unreadable records that were quarantined in the last 15 minutes."
    undialable = "Calls of the last 15 minutes that a dialer's settings did not allow to place."
    yield _gauge("queued_calls", "Calls in the queue, due or not.", overview.queued_calls)
    yield _gauge("queue_overdue_seconds", overdue, overview.overdue_ms / 1000)
    yield _gauge("live_calls", "Calls that may be ringing or connected.", overview.live_calls)
    yield _gauge("dialers", "Dialers with a heartbeat in the last 30 seconds.", overview.dialers)
    yield _gauge("quarantined_records", quarantined, overview.quarantine.quarantined)
    yield _gauge("undialable_calls", undialable, overview.quarantine.undialable)


def _breakers(found: Iterable[Breaker]) -> Metric:
    open_now = Counter(breaker_scope(breaker.name) for breaker in found)
    return _labeled("breakers_open", "Breakers that are open.", ["breaker", "scope"], [
        (each, float(open_now[each])) for each in breaker_scopes()
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
