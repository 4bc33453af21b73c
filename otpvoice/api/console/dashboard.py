"""The dashboard: statistics of the last hour and day, with charts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otpvoice.api.console.charts import Chart, Series, percentage_lines, stacked_columns
from otpvoice.core.phone import region_of_area
from otpvoice.core.verification import Route
from otpvoice.store.policy import ANSWER_BOUNDS_S, APPROVAL_BOUNDS_S
from otpvoice.store.stats import Bucket

_BUCKETS_PER_HOUR: Final = 12
_BUCKETS_PER_HALF_HOUR: Final = 6
_FINAL_STATUSES: Final = ("answered", "busy", "no_answer", "failed")
OUTCOMES: Final = {
    "answered": "answered",
    "busy": "busy",
    "no_answer": "not answered",
    "failed": "failed",
    "open": "no result yet",
    "refused": "refused by the provider",
    "canceled": "canceled, never dialed",
    "expired": "expired, never dialed",
}
"""A call's outcomes with their names on the page."""


class Stats:
    """Statistics of a period, computed from the counts of its buckets."""

    def __init__(self, period: str, buckets: Sequence[Bucket]) -> None:
        counts: Counter[str] = Counter()
        for bucket in buckets:
            counts.update(bucket.counts)
        self._counts = counts
        self.period = period
        self.since_ms = buckets[0].start
        self.created = counts["created"]
        self.approved = counts["verification approved"]
        ended = sum(count for name, count in counts.items() if name.startswith("verification "))
        self.ended = ended - counts["verification superseded"]  # a newer one continues it
        self.placed = self.calls("placed", *Route)
        self.answered = self.calls("answered", *Route)

    @property
    def answer_rate(self) -> float | None:
        """Answered calls, in percent of those that the provider accepted."""
        return _percentage(self.answered, self.placed)

    @property
    def approval_rate(self) -> float | None:
        """Approved verifications, in percent of those that ended."""
        return _percentage(self.approved, self.ended)

    @property
    def answer_median(self) -> str:
        """The range that contains the median time until a call is answered."""
        return self._median("answer", ANSWER_BOUNDS_S)

    @property
    def approval_median(self) -> str:
        """The range that contains the median time until a verification is approved."""
        return self._median("approval", APPROVAL_BOUNDS_S)

    def calls(self, outcome: str, *routes: Route) -> int:
        """Count calls with an outcome. ``open`` calls were placed and have no result yet."""
        if outcome == "open":
            return sum(max(0, self._open_calls(route)) for route in routes)
        return sum(self._counts[f"call {route} {outcome}"] for route in routes)

    def _open_calls(self, route: Route) -> int:
        ended = sum(self.calls(status, route) for status in _FINAL_STATUSES)
        return self.calls("placed", route) - ended

    def _median(self, duration: str, bounds: Sequence[int]) -> str:
        slots = [self._counts[f"{duration} {slot}"] for slot in range(1, len(bounds) + 2)]
        below, half = 0, sum(slots) / 2
        for slot, count in enumerate(slots):
            below += count
            if count and below >= half:
                floor = bounds[slot - 1] if slot else 0
                return f"{floor}–{bounds[slot]} s" if slot < len(bounds) else f"over {floor} s"
        return "–"


@dataclass(frozen=True, slots=True)
class CallPrice:
    """The price of a placed call."""

    per_call: float
    currency: str

    def per_approval(self, stats: Stats) -> str | None:
        """Return the cost of an approval. None without a price or an approval."""
        if not (self.per_call and stats.approved):
            return None
        return f"{self.per_call * stats.placed / stats.approved:.2f} {self.currency}"


@dataclass(frozen=True, slots=True)
class AreaStats:
    """Statistics of an area: numbers with a common prefix."""

    region: str
    prefix: str
    placed: int
    ended: int
    answer_rate: float | None
    approval_rate: float | None
    share: float
    """In percent of the busiest area's calls."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Statistics that the overview page shows."""

    hour: Stats
    day: Stats
    charts: tuple[Chart, ...]
    areas: list[AreaStats]
    routes: tuple[Route, ...]
    price: CallPrice


def build_dashboard(
    buckets: Sequence[Bucket], routes: tuple[Route, ...], price: CallPrice
) -> Dashboard:
    """Summarize a day's buckets, which come oldest first, for the configured routes."""
    hour = buckets[-_BUCKETS_PER_HOUR:]
    five_minutes = [Stats("", [bucket]) for bucket in hour]
    half_hours = [
        Stats("", buckets[i : i + _BUCKETS_PER_HALF_HOUR])
        for i in range(0, len(buckets), _BUCKETS_PER_HALF_HOUR)
    ]
    charts = (
        _calls_chart("hour", "Calls in the last hour, by five minutes", five_minutes),
        _calls_chart("day", "Calls in the last day, by half hours", half_hours),
        _rates_chart(half_hours),
    )
    areas = _rank_areas(buckets)
    return Dashboard(Stats("hour", hour), Stats("day", buckets), charts, areas, routes, price)


def _calls_chart(chart_id: str, title: str, periods: Sequence[Stats]) -> Chart:
    series = [
        Series(name, outcome, tuple(each.calls(outcome, *Route) for each in periods))
        for outcome, name in OUTCOMES.items()
        if outcome != "open"  # a call with a result counts where its result became known
    ]
    used = [each for each in series if any(each.values)]
    summary = ", ".join(f"{each.name} {sum(v or 0 for v in each.values):g}" for each in used)
    description = f"Calls by outcome: {summary or 'none'}."
    return stacked_columns(chart_id, title, description, [each.since_ms for each in periods], used)


def _rates_chart(periods: Sequence[Stats]) -> Chart:
    return percentage_lines(
        "rates",
        "Answered and approved in the last day, by half hours",
        "Answered calls and approved verifications, in percent.",
        [each.since_ms for each in periods],
        [
            Series("calls answered", "answered", tuple(each.answer_rate for each in periods)),
            Series(
                "verifications approved", "approved", tuple(each.approval_rate for each in periods)
            ),
        ],
    )


def _rank_areas(buckets: Sequence[Bucket]) -> list[AreaStats]:
    counts: Counter[str] = Counter()
    for bucket in buckets:
        counts.update(bucket.area_counts)
    names = {field.rpartition(" ")[0] for field in counts}
    busiest = max((counts[f"{name} placed"] for name in names), default=0)
    areas = []
    for name in names:
        placed, ended = counts[f"{name} placed"], counts[f"{name} ended"]
        areas.append(
            AreaStats(
                region="" if name == "other" else region_of_area(name),
                prefix=name,
                placed=placed,
                ended=ended,
                answer_rate=_percentage(counts[f"{name} answered"], placed),
                approval_rate=_percentage(counts[f"{name} approved"], ended),
                share=_percentage(placed, busiest) or 0.0,
            )
        )
    return sorted(areas, key=lambda area: (-area.placed, -area.ended, area.prefix))


def _percentage(part: int, whole: int) -> float | None:
    """Return a percentage, at most 100: what began before a period may end in it."""
    return min(100.0, 100 * part / whole) if whole else None
