"""Plots as SVG: where each mark is. The template draws them, and the same figures as a table.

Drawn here and not by a plotting library, so that plots need no script, no style from elsewhere and
no relaxation of the content security policy, follow dark and light, and can be read aloud.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

WIDTH: Final = 400
HEIGHT: Final = 190
_LEFT: Final = 40
_RIGHT: Final = 8
_TOP: Final = 10
_BOTTOM: Final = 24
_BASELINE: Final = HEIGHT - _BOTTOM
_NICE_STEPS: Final = (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
"""Where a scale may end; halves of them, times ten and so on, are whole."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing, with a figure for each moment. None: there is none."""

    name: str
    css_class: str
    """The class that the style sheet paints."""
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column."""

    css_class: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Label:
    """Text on an axis; ``at`` if it is a moment."""

    x: float
    y: float
    text: str
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, and what a table tells instead."""

    id: str
    title: str
    description: str
    """One sentence that says what is to be seen, for those who do not."""
    times: tuple[int, ...]
    series: tuple[Series, ...]
    unit: str = ""
    columns: tuple[tuple[Bar, ...], ...] = ()
    """The boxes of each moment."""
    lines: tuple[tuple[str, str], ...] = ()
    """Mark and path."""
    dots: tuple[tuple[str, float, float], ...] = ()
    """Mark and place of figures without neighbours: no line shows them."""
    grid: tuple[Label, ...] = ()
    time_labels: tuple[Label, ...] = ()
    stripes: tuple[float, ...] = field(default=())
    """Where each moment's stripe begins."""

    @property
    def slot_width(self) -> float:
        """The width of a moment."""
        return _slot_width(len(self.times))


def stacked_columns(
    chart_id: str, title: str, description: str, times: Sequence[int], series: Sequence[Series]
) -> Chart:
    """A column for each moment, in which all series stand on each other."""
    totals = [sum(each.values[i] or 0 for each in series) for i in range(len(times))]
    top = _nice_max(max(totals, default=0))
    step = _slot_width(len(times))
    columns = tuple(_column(series, i, step, top) for i in range(len(times)))
    return Chart(
        chart_id,
        title,
        description,
        tuple(times),
        tuple(series),
        columns=columns,
        grid=_grid(top, ""),
        time_labels=_time_labels(times),
        stripes=_stripes(times),
    )


def percentage_lines(
    chart_id: str, title: str, description: str, times: Sequence[int], series: Sequence[Series]
) -> Chart:
    """Lines between 0 and 100 %; where there is no figure there is no line."""
    runs = [(each.css_class, run) for each in series for run in _segments(each.values)]
    points = [(mark, [_point(i, value, len(times)) for i, value in run]) for mark, run in runs]
    return Chart(
        chart_id,
        title,
        description,
        tuple(times),
        tuple(series),
        unit=" %",
        lines=tuple((mark, _path(run)) for mark, run in points if len(run) > 1),
        dots=tuple((mark, *run[0]) for mark, run in points if len(run) == 1),
        grid=_grid(100, " %"),
        time_labels=_time_labels(times),
        stripes=_stripes(times),
    )


def _column(series: Sequence[Series], i: int, step: float, top: float) -> tuple[Bar, ...]:
    boxes, below = [], 0.0
    for each in series:
        value = each.values[i] or 0
        if value:
            y, foot = _y(below + value, top), _y(below, top)
            x, width = _x(i, step) + step * 0.12, step * 0.76
            boxes.append(Bar(each.css_class, round(x, 1), y, round(width, 1), round(foot - y, 1)))
        below += value
    return tuple(boxes)


def _segments(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Figures that follow each other without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is not None:
            runs[-1].append((i, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _point(i: int, value: float, count: int) -> tuple[float, float]:
    step = _slot_width(count)
    return round(_x(i, step) + step / 2, 1), _y(value, 100)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _slot_width(count: int) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(1, count)


def _x(i: int, step: float) -> float:
    return _LEFT + i * step


def _y(value: float, top: float) -> float:
    return round(_BASELINE - (_BASELINE - _TOP) * value / top, 1)


def _stripes(times: Sequence[int]) -> tuple[float, ...]:
    return tuple(round(_x(i, _slot_width(len(times))), 1) for i in range(len(times)))


def _nice_max(top: float) -> float:
    """A number that is easily halved and quartered, and not less."""
    if top <= 4:
        return 4
    power = math.pow(10, math.floor(math.log10(top)))
    return next(power * part for part in _NICE_STEPS if power * part >= top)


def _grid(top: float, unit: str) -> tuple[Label, ...]:
    return tuple(
        Label(_LEFT - 6, _y(top * part / 4, top), f"{top * part / 4:g}{unit}") for part in (0, 2, 4)
    )


def _time_labels(times: Sequence[int]) -> tuple[Label, ...]:
    """Six moments along the bottom, where their stripes begin."""
    every = max(1, len(times) // 6)
    step = _slot_width(len(times))
    return tuple(
        Label(round(_x(i, step), 1), HEIGHT - 6, "", times[i]) for i in range(0, len(times), every)
    )
