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
_BASE: Final = HEIGHT - _BOTTOM
_TOPS: Final = (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
"""Where a scale may end; halves of them, times ten and so on, are whole."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing, with a figure for each moment. None: there is none."""

    name: str
    mark: str
    """The class that the style sheet paints."""
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a column."""

    mark: str
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
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn, and what a table tells instead."""

    id: str
    title: str
    about: str
    """One sentence that says what is to be seen, for those who do not."""
    moments: tuple[int, ...]
    series: tuple[Series, ...]
    unit: str = ""
    columns: tuple[tuple[Box, ...], ...] = ()
    """The boxes of each moment."""
    lines: tuple[tuple[str, str], ...] = ()
    """Mark and path."""
    dots: tuple[tuple[str, float, float], ...] = ()
    """Mark and place of figures without neighbours: no line shows them."""
    grid: tuple[Label, ...] = ()
    hours: tuple[Label, ...] = ()
    slots: tuple[float, ...] = field(default=())
    """Where each moment's stripe begins."""

    @property
    def step(self) -> float:
        """The width of a moment."""
        return _step(len(self.moments))


def stacked(
    name: str, title: str, about: str, moments: Sequence[int], series: Sequence[Series]
) -> Plot:
    """A column for each moment, in which all series stand on each other."""
    totals = [sum(each.values[i] or 0 for each in series) for i in range(len(moments))]
    top = _round_up(max(totals, default=0))
    step = _step(len(moments))
    columns = tuple(_column(series, i, step, top) for i in range(len(moments)))
    return Plot(
        name,
        title,
        about,
        tuple(moments),
        tuple(series),
        columns=columns,
        grid=_grid(top, ""),
        hours=_hours(moments),
        slots=_slots(moments),
    )


def shares(
    name: str, title: str, about: str, moments: Sequence[int], series: Sequence[Series]
) -> Plot:
    """Lines between 0 and 100 %; where there is no figure there is no line."""
    runs = [(each.mark, run) for each in series for run in _runs(each.values)]
    points = [(mark, [_point(i, value, len(moments)) for i, value in run]) for mark, run in runs]
    return Plot(
        name,
        title,
        about,
        tuple(moments),
        tuple(series),
        unit=" %",
        lines=tuple((mark, _path(run)) for mark, run in points if len(run) > 1),
        dots=tuple((mark, *run[0]) for mark, run in points if len(run) == 1),
        grid=_grid(100, " %"),
        hours=_hours(moments),
        slots=_slots(moments),
    )


def _column(series: Sequence[Series], i: int, step: float, top: float) -> tuple[Box, ...]:
    boxes, below = [], 0.0
    for each in series:
        value = each.values[i] or 0
        if value:
            y, foot = _y(below + value, top), _y(below, top)
            x, width = _x(i, step) + step * 0.12, step * 0.76
            boxes.append(Box(each.mark, round(x, 1), y, round(width, 1), round(foot - y, 1)))
        below += value
    return tuple(boxes)


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Figures that follow each other without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is not None:
            runs[-1].append((i, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _point(i: int, value: float, many: int) -> tuple[float, float]:
    step = _step(many)
    return round(_x(i, step) + step / 2, 1), _y(value, 100)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _step(many: int) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(1, many)


def _x(i: int, step: float) -> float:
    return _LEFT + i * step


def _y(value: float, top: float) -> float:
    return round(_BASE - (_BASE - _TOP) * value / top, 1)


def _slots(moments: Sequence[int]) -> tuple[float, ...]:
    return tuple(round(_x(i, _step(len(moments))), 1) for i in range(len(moments)))


def _round_up(top: float) -> float:
    """A number that is easily halved and quartered, and not less."""
    if top <= 4:
        return 4
    power = math.pow(10, math.floor(math.log10(top)))
    return next(power * part for part in _TOPS if power * part >= top)


def _grid(top: float, unit: str) -> tuple[Label, ...]:
    return tuple(
        Label(_LEFT - 6, _y(top * part / 4, top), f"{top * part / 4:g}{unit}") for part in (0, 2, 4)
    )


def _hours(moments: Sequence[int]) -> tuple[Label, ...]:
    """Six moments along the bottom, where their stripes begin."""
    every = max(1, len(moments) // 6)
    step = _step(len(moments))
    return tuple(
        Label(round(_x(i, step), 1), HEIGHT - 6, "", moments[i])
        for i in range(0, len(moments), every)
    )
