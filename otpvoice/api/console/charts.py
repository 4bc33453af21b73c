"""Charts as SVG: the coordinates of every mark. The template draws them, with their values.

The server draws the charts, so they need no script, no inline style and no exception from the
content security policy. They follow dark and light themes, and screen readers can read them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 400
HEIGHT: Final = 190
_LEFT: Final = 40
_RIGHT: Final = 8
_TOP: Final = 10
_BOTTOM: Final = 24
_BASELINE: Final = HEIGHT - _BOTTOM
_NICE_STEPS: Final = (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
"""Maxima of a scale, times a power of ten. Half of each is a short number."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time. None: no value."""

    name: str
    css_class: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a stacked column."""

    css_class: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Label:
    """An axis label: a text, or a time."""

    x: float
    y: float
    text: str = ""
    time: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and the values for its table."""

    id: str
    title: str
    description: str
    """One sentence for screen readers."""
    times: tuple[int, ...]
    series: tuple[Series, ...]
    grid: tuple[Label, ...]
    time_labels: tuple[Label, ...]
    stripes: tuple[float, ...]
    """The left edge of each time's slot."""
    slot_width: float
    unit: str = ""
    columns: tuple[tuple[Bar, ...], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    """CSS class and path."""
    dots: tuple[tuple[str, float, float], ...] = ()
    """CSS class and position of values without neighbours, which no line shows."""


def stacked_columns(
    chart_id: str, title: str, description: str, times: Sequence[int], series: Sequence[Series]
) -> Chart:
    """Return a chart with one column for each time, in which the series are stacked."""
    totals = [sum(each.values[i] or 0 for each in series) for i in range(len(times))]
    top = _nice_max(max(totals, default=0))
    step = _slot_width(times)
    return Chart(
        chart_id,
        title,
        description,
        tuple(times),
        tuple(series),
        _grid(top, ""),
        _time_labels(times),
        _stripes(times),
        step,
        columns=tuple(_column(series, i, step, top) for i in range(len(times))),
    )


def percentage_lines(
    chart_id: str, title: str, description: str, times: Sequence[int], series: Sequence[Series]
) -> Chart:
    """Return a chart with lines between 0 and 100 %, interrupted where there is no value."""
    step = _slot_width(times)
    segments = [
        (each.css_class, [_point(i, value, step) for i, value in segment])
        for each in series
        for segment in _segments(each.values)
    ]
    return Chart(
        chart_id,
        title,
        description,
        tuple(times),
        tuple(series),
        _grid(100, " %"),
        _time_labels(times),
        _stripes(times),
        step,
        unit=" %",
        lines=tuple((css, _path(points)) for css, points in segments if len(points) > 1),
        dots=tuple((css, *points[0]) for css, points in segments if len(points) == 1),
    )


def _column(series: Sequence[Series], i: int, step: float, top: float) -> tuple[Bar, ...]:
    bars, below = [], 0.0
    for each in series:
        value = each.values[i] or 0
        if value:
            y, foot = _y(below + value, top), _y(below, top)
            x, width = _x(i, step) + step * 0.12, step * 0.76
            bars.append(Bar(each.css_class, round(x, 1), y, round(width, 1), round(foot - y, 1)))
        below += value
    return tuple(bars)


def _segments(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Split values into runs without a gap, with their indexes."""
    segments: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is not None:
            segments[-1].append((i, value))
        elif segments[-1]:
            segments.append([])
    return [segment for segment in segments if segment]


def _point(i: int, value: float, step: float) -> tuple[float, float]:
    return round(_x(i, step) + step / 2, 1), _y(value, 100)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _slot_width(times: Sequence[int]) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(1, len(times))


def _x(i: int, step: float) -> float:
    return _LEFT + i * step


def _y(value: float, top: float) -> float:
    return round(_BASELINE - (_BASELINE - _TOP) * value / top, 1)


def _stripes(times: Sequence[int]) -> tuple[float, ...]:
    return tuple(round(_x(i, _slot_width(times)), 1) for i in range(len(times)))


def _nice_max(top: float) -> float:
    """Return a number that is not less than ``top`` and easy to halve and quarter."""
    if top <= 4:
        return 4
    power = math.pow(10, math.floor(math.log10(top)))
    return next(power * part for part in _NICE_STEPS if power * part >= top)


def _grid(top: float, unit: str) -> tuple[Label, ...]:
    return tuple(
        Label(_LEFT - 6, _y(top * part / 4, top), f"{top * part / 4:g}{unit}") for part in (0, 2, 4)
    )


def _time_labels(times: Sequence[int]) -> tuple[Label, ...]:
    """Return about six labels along the time axis, each at the start of its slot."""
    every = max(1, len(times) // 6)
    starts = _stripes(times)
    return tuple(Label(starts[i], HEIGHT - 6, time=times[i]) for i in range(0, len(times), every))
