"""The dashboard: statistics of the last hour and day, with charts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from otpvoice.api.console.charts import Chart, Series, percentage_lines, stacked_columns
from otpvoice.core.phone import region_of_area
from otpvoice.core.verification import Route
from otpvoice.store.stats import ANSWER_BOUNDS_S, APPROVAL_BOUNDS_S, Bucket

_BUCKETS_PER_HOUR: Final = 12
_BUCKETS_PER_HALF_HOUR: Final = 6
_FINAL_STATUSES: Final = ("answered", "busy", "no_answer", "failed")
OUTCOMES: Final = (
    ("answered", "answered"),
    ("busy", "busy"),
    ("no_answer", "not answered"),
    ("failed", "failed"),
    ("open", "no result yet"),
    ("refused", "refused by the provider"),
    ("canceled", "canceled, never dialed"),
    ("expired", "expired, never dialed"),
)
"""A call's outcomes: CSS class, and name on the page."""


@dataclass(frozen=True, slots=True)
class CallPrice:
    """The price of a placed call."""

    per_call: float
    currency: str


class _Rates:
    """Rates computed from four counts."""

    __slots__ = ()
    placed: int
    answered: int
    ended: int
    approved: int

    @property
    def answer_rate(self) -> float | None:
        """Answered calls, in percent of those that the provider accepted."""
        return percentage(self.answered, self.placed)

    @property
    def approval_rate(self) -> float | None:
        """Approved verifications, in percent of those that ended."""
        return percentage(self.approved, self.ended)


@dataclass(frozen=True, slots=True)
class PeriodStats(_Rates):
    """Statistics of a period."""

    title: str
    since: int
    created: int
    placed: int
    answered: int
    ended: int
    approved: int
    answer_median: str
    approval_median: str
    cost: str | None
    """For each approval. None without a price or an approval."""
    outcomes: tuple[tuple[str, str, tuple[int, ...], int], ...]
    """CSS class, name, calls by route, and their total."""


@dataclass(frozen=True, slots=True)
class AreaStats(_Rates):
    """Statistics of an area: numbers with a common prefix."""

    region: str
    prefix: str
    placed: int
    answered: int
    ended: int
    approved: int
    share: float
    """In percent of the busiest area's calls."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Statistics that the overview page shows."""

    periods: tuple[PeriodStats, ...]
    charts: tuple[Chart, ...]
    areas: tuple[AreaStats, ...]
    routes: tuple[Route, ...]


def build_dashboard(
    buckets: Sequence[Bucket], routes: tuple[Route, ...], price: CallPrice
) -> Dashboard:
    """Summarize a day's buckets, which come oldest first, for the configured routes."""
    hour = buckets[-_BUCKETS_PER_HOUR:]
    return Dashboard(
        periods=(
            _summarize("Last hour", hour, routes, price),
            _summarize("Last day", buckets, routes, price),
        ),
        charts=(
            _calls_chart("hour", "Calls in the last hour, by five minutes", hour, 1),
            _calls_chart(
                "day", "Calls in the last day, by half hours", buckets, _BUCKETS_PER_HALF_HOUR
            ),
            _rates_chart(buckets),
        ),
        areas=_rank_areas(buckets),
        routes=routes,
    )


def percentage(part: int, whole: int) -> float | None:
    """Return a percentage, at most 100: what began before a period may end in it."""
    return min(100.0, 100 * part / whole) if whole else None


def median_range(counts: Counter[str], prefix: str, bounds: Sequence[int]) -> str:
    """Return the bounds around the median, such as ``"10–15 s"``; ``–`` if nothing was counted."""
    slots = [counts[f"{prefix} {slot}"] for slot in range(1, len(bounds) + 2)]
    below, half = 0, sum(slots) / 2
    for slot, count in enumerate(slots):
        below += count
        if count and below >= half:
            floor = bounds[slot - 1] if slot else 0
            return f"{floor}–{bounds[slot]} s" if slot < len(bounds) else f"over {floor} s"
    return "–"


def count_outcomes(counts: Counter[str], route: str) -> dict[str, int]:
    """Count a route's calls by outcome. ``open`` calls were placed and have no result yet."""
    found = {name: counts[f"call {route} {name}"] for name, _ in OUTCOMES}
    found["open"] = max(
        0, counts[f"call {route} placed"] - sum(found[end] for end in _FINAL_STATUSES)
    )
    return found


def _sum_buckets(buckets: Iterable[Bucket]) -> Counter[str]:
    total: Counter[str] = Counter()
    for bucket in buckets:
        total.update(bucket.counts)
    return total


def _count_calls(counts: Counter[str], status: str) -> int:
    return sum(counts[f"call {route} {status}"] for route in Route)


def _count_ended(counts: Counter[str]) -> int:
    """Count ended verifications. Superseded ones continue as other verifications."""
    found = sum(count for field, count in counts.items() if field.startswith("verification "))
    return found - counts["verification superseded"]


def _summarize(
    title: str, buckets: Sequence[Bucket], routes: tuple[Route, ...], price: CallPrice
) -> PeriodStats:
    counts = _sum_buckets(buckets)
    by_route = [count_outcomes(counts, route) for route in routes]
    placed, approved = _count_calls(counts, "placed"), counts["verification approved"]
    rows = [
        (outcome, name, tuple(each[outcome] for each in by_route)) for outcome, name in OUTCOMES
    ]
    return PeriodStats(
        title=title,
        since=buckets[0].start,
        created=counts["began"],
        placed=placed,
        answered=_count_calls(counts, "answered"),
        ended=_count_ended(counts),
        approved=approved,
        answer_median=median_range(counts, "answer", ANSWER_BOUNDS_S),
        approval_median=median_range(counts, "approval", APPROVAL_BOUNDS_S),
        cost=_cost_per_approval(price, placed, approved),
        outcomes=tuple((outcome, name, each, sum(each)) for outcome, name, each in rows),
    )


def _cost_per_approval(price: CallPrice, placed: int, approved: int) -> str | None:
    if not (price.per_call and approved):
        return None
    return f"{price.per_call * placed / approved:.2f} {price.currency}"


def _group(buckets: Sequence[Bucket], size: int) -> list[Sequence[Bucket]]:
    return [buckets[i : i + size] for i in range(0, len(buckets), size)]


def _calls_chart(name: str, title: str, buckets: Sequence[Bucket], size: int) -> Chart:
    groups = _group(buckets, size)
    found = [[count_outcomes(_sum_buckets(group), route) for route in Route] for group in groups]
    series = [
        Series(
            label, outcome, tuple(float(sum(each[outcome] for each in group)) for group in found)
        )
        for outcome, label in OUTCOMES
        if outcome != "open"  # a call with a result counts where its result became known
    ]
    seen = [each for each in series if any(each.values)]
    summary = ", ".join(f"{each.name} {sum(v or 0 for v in each.values):g}" for each in seen)
    description = f"Calls by outcome: {summary or 'none'}."
    return stacked_columns(name, title, description, [group[0].start for group in groups], seen)


def _rates_chart(buckets: Sequence[Bucket]) -> Chart:
    groups = _group(buckets, _BUCKETS_PER_HALF_HOUR)
    totals = [_sum_buckets(group) for group in groups]
    answered = tuple(
        percentage(_count_calls(each, "answered"), _count_calls(each, "placed")) for each in totals
    )
    approved = tuple(
        percentage(each["verification approved"], _count_ended(each)) for each in totals
    )
    series = [
        Series("calls answered", "answered", answered),
        Series("verifications approved", "approved", approved),
    ]
    description = "Answered calls and approved verifications, in percent."
    title = "Answered and approved in the last day, by half hours"
    return percentage_lines(
        "rates", title, description, [group[0].start for group in groups], series
    )


def _rank_areas(buckets: Sequence[Bucket]) -> tuple[AreaStats, ...]:
    counts: Counter[str] = Counter()
    for bucket in buckets:
        counts.update(bucket.area_counts)
    names = {field.rpartition(" ")[0] for field in counts}
    busiest = max((counts[f"{name} placed"] for name in names), default=0)
    found = [_summarize_area(name, counts, busiest) for name in names]
    return tuple(sorted(found, key=lambda area: (-area.placed, -area.ended, area.prefix)))


def _summarize_area(name: str, counts: Counter[str], busiest: int) -> AreaStats:
    placed, answered, ended, approved = (
        counts[f"{name} {what}"] for what in ("placed", "answered", "ended", "approved")
    )
    region = "" if name == "other" else region_of_area(name)
    share = percentage(placed, busiest) or 0.0
    return AreaStats(region, name, placed, answered, ended, approved, share)
