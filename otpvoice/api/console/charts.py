"""Charts as SVG, each with a table of its values.

The server draws the charts, so they need no script, no inline style and no exception from the
content security policy. They follow dark and light themes, and screen readers can read them.

The template stretches a plot whose width is one unit for each time and whose height is 100 units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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
    """One part of a stacked column. The column's number is its position."""

    css_class: str
    column: int
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart, and the values for its table."""

    id: str
    title: str
    description: str
    """One sentence for screen readers."""
    times: Sequence[int]
    series: Sequence[Series]
    top: float
    """The value at the upper edge."""
    unit: str = ""
    bars: Sequence[Bar] = ()
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


def stacked_columns(
    chart_id: str, title: str, description: str, times: Sequence[int], series: Sequence[Series]
) -> Chart:
    """Return a chart with one column for each time, in which the series are stacked."""
    columns = [[each.values[i] or 0 for each in series] for i in range(len(times))]
    top = _nice_max(max(map(sum, columns), default=0))
    bars = [
        Bar(each.css_class, i, _y(sum(values[: n + 1]), top), round(100 * values[n] / top, 2))
        for i, values in enumerate(columns)
        for n, each in enumerate(series)
        if values[n]
    ]
    return Chart(
        id=chart_id,
        title=title,
        description=description,
        times=times,
        series=series,
        top=top,
        bars=bars,
    )


def percentage_lines(
    chart_id: str, title: str, description: str, times: Sequence[int], series: Sequence[Series]
) -> Chart:
    """Return a chart with lines between 0 and 100 %, interrupted where there is no value."""
    return Chart(
        id=chart_id,
        title=title,
        description=description,
        times=times,
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
