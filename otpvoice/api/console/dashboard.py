"""The dashboard: statistics of the last hour and day, with charts.

The server draws the charts as SVG, each with a table of its values. So they need no script, no
inline style and no exception from the content security policy. They follow dark and light themes,
and screen readers can read them.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otpvoice.api.console.list_filter import OUTCOMES
from otpvoice.api.console.period_stats import Stats, percentage
from otpvoice.core.phone import region_of_area
from otpvoice.store.stats import Bucket

_BUCKETS_PER_HOUR: Final = 12
_BUCKETS_PER_HALF_HOUR: Final = 6
_NICE_STEPS: Final = (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
"""Maxima of a scale, times a power of ten. Half of each is a short number."""


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
class LineStats:
    """How often people answered a caller line: calls that rang, and percent of them."""

    line: str
    """Digits."""
    hour_rang: int
    hour_rate: float | None
    day_rang: int
    day_rate: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time. None: no value."""

    name: str
    css_class: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart, and the values for its table.

    The template stretches a plot whose width is one unit for each time and whose height is 100.
    """

    id: str
    title: str
    description: str
    """One sentence for screen readers."""
    times: Sequence[int]
    step_ms: int
    """The length of each."""
    series: Sequence[Series]
    top: float
    """The value at the upper edge."""
    unit: str = ""
    bars: Sequence[tuple[str, int, float, float]] = ()
    """Parts of stacked columns: CSS class, the column's position, y and height."""
    lines: Sequence[tuple[str, str]] = ()
    """CSS class and path."""

    @property
    def scale(self) -> list[tuple[float, str]]:
        """The labels of the vertical axis, with their heights."""
        return [(25.0 * part, f"{self.top * part / 4:g}{self.unit}") for part in (0, 2, 4)]

    @property
    def labeled_columns(self) -> range:
        """About six columns whose times are labeled."""
        return range(0, len(self.times), max(1, len(self.times) // 6))


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Statistics that the overview page shows."""

    hour: Stats
    day: Stats
    charts: tuple[Chart, ...]
    areas: list[AreaStats]
    lines: list[LineStats]
    """Those that called in the day, the busiest first."""


def build_dashboard(buckets: Sequence[Bucket]) -> Dashboard:
    """Summarize a day's buckets, which come oldest first."""
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
    return Dashboard(
        Stats("hour", hour),
        Stats("day", buckets),
        charts,
        _rank_areas(buckets),
        _rank_lines(hour, buckets),
    )


def _calls_chart(chart_id: str, title: str, periods: Sequence[Stats]) -> Chart:
    """Draw one column for each period, in which the outcomes are stacked."""
    series = [
        Series(name, outcome, [each.calls(outcome) for each in periods])
        for outcome, name in OUTCOMES.items()
        if outcome != "open"  # a call with a result counts where its result became known
    ]
    used = [each for each in series if any(each.values)]
    summary = ", ".join(f"{each.name} {sum(v or 0 for v in each.values):g}" for each in used)
    columns = [[each.values[i] or 0 for each in used] for i in range(len(periods))]
    top = _nice_max(max(map(sum, columns), default=0))
    return Chart(
        id=chart_id,
        title=title,
        description=f"Calls by outcome: {summary or 'none'}.",
        times=[each.since_ms for each in periods],
        step_ms=periods[1].since_ms - periods[0].since_ms,
        series=used,
        top=top,
        bars=[
            (each.css_class, i, _y(sum(values[: n + 1]), top), round(100 * values[n] / top, 2))
            for i, values in enumerate(columns)
            for n, each in enumerate(used)
            if values[n]
        ],
    )


def _rates_chart(periods: Sequence[Stats]) -> Chart:
    """Draw lines between 0 and 100 %, interrupted where there is no value."""
    series = [
        Series("calls answered", "answered", [each.answer_rate for each in periods]),
        Series("verifications approved", "approved", [each.approval_rate for each in periods]),
    ]
    return Chart(
        id="rates",
        title="Answered and approved in the last day, by half hours",
        description="Answered calls and approved verifications, in percent.",
        times=[each.since_ms for each in periods],
        step_ms=periods[1].since_ms - periods[0].since_ms,
        series=series,
        top=100,
        unit=" %",
        lines=[(each.css_class, _path(each.values)) for each in series],
    )


def _path(values: Sequence[float | None]) -> str:
    """Connect neighbouring values. A value without neighbours becomes a short dash."""
    commands = []
    for before, (i, value), after in zip(
        [None, *values], enumerate(values), [*values[1:], None], strict=False
    ):
        if value is not None and before is None and after is None:
            commands.append(f"M{i + 0.3} {_y(value, 100)}h0.4")
        elif value is not None:
            commands.append(f"{'M' if before is None else 'L'}{i + 0.5} {_y(value, 100)}")
    return "".join(commands)


def _y(value: float, top: float) -> float:
    return round(100 - 100 * value / top, 2)


def _nice_max(top: float) -> float:
    """Return a number that is not less than ``top`` and easy to halve and quarter."""
    if top <= 4:
        return 4
    power = math.pow(10, math.floor(math.log10(top)))
    return next(power * part for part in _NICE_STEPS if power * part >= top)


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
                answer_rate=percentage(counts[f"{name} answered"], placed),
                approval_rate=percentage(counts[f"{name} approved"], ended),
                share=percentage(placed, busiest) or 0.0,
            )
        )
    return sorted(areas, key=lambda area: (-area.placed, -area.ended, area.prefix))


def _rank_lines(hour: Sequence[Bucket], day: Sequence[Bucket]) -> list[LineStats]:
    by_hour, by_day = _count_lines(hour), _count_lines(day)
    found = [
        LineStats(line, *_rate_of_line(by_hour, line), *_rate_of_line(by_day, line))
        for line in {name.split()[0] for name in by_day}
    ]
    return sorted(found, key=lambda each: (-each.day_rang, each.line))


def _count_lines(buckets: Sequence[Bucket]) -> Counter[str]:
    return sum((Counter(bucket.line_counts) for bucket in buckets), Counter[str]())


def _rate_of_line(counts: Counter[str], line: str) -> tuple[int, float | None]:
    answered = counts[f"{line} answered"]
    rang = answered + counts[f"{line} unanswered"]
    return rang, percentage(answered, rang)
