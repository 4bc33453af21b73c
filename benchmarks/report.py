"""Reports of measurements: a table with bars for the terminal, SVG and JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Final

_WIDTH: Final = 24
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_ROW, _LABEL, _BAR, _TEXT = 22, 330, 300, 260
"""Pixels of the drawing."""


@dataclass(frozen=True)
class Budget:
    """The lower or upper bound of a measurement."""

    limit: float
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        """Return whether the value is within the bound."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {_short(self.limit)}"


def at_least(limit: float) -> Budget:
    """Return a lower bound."""
    return Budget(limit, at_least=True)


def at_most(limit: float) -> Budget:
    """Return an upper bound."""
    return Budget(limit)


@dataclass(frozen=True)
class Measurement:
    """One measured value."""

    what: str
    value: float
    unit: str = ""
    budget: Budget | None = None

    @property
    def verdict(self) -> str:
        """The budget and whether it is met; empty without a budget."""
        if self.budget is None:
            return ""
        return f"{self.budget}  {'met' if self.budget.met_by(self.value) else 'MISSED'}"

    def __str__(self) -> str:
        return f"{_short(self.value)} {self.unit}".rstrip()


@dataclass(frozen=True)
class Section:
    """Measurements of one benchmark with a common title."""

    title: str
    measurements: Sequence[Measurement]

    def longest(self, unit: str) -> float:
        """Return the greatest value or budget of this unit, which sets the scale of the bars."""
        alike = [figure for figure in self.measurements if figure.unit == unit]
        limits = [figure.budget.limit for figure in alike if figure.budget]
        return max([abs(figure.value) for figure in alike] + limits) or 1.0


def table(section: Section) -> str:
    """Return a section as text for a terminal."""
    lines = [f"\n{section.title}"]
    for figure in section.measurements:
        bar = _bar(figure.value / section.longest(figure.unit))
        lines.append(f"  {figure.what:42}{figure!s:>14}  {bar} {figure.verdict}".rstrip())
    return "\n".join(lines)


def as_json(sections: Sequence[Section]) -> str:
    """Return the sections as JSON, for a later comparison."""
    return json.dumps([asdict(section) for section in sections], indent=2, ensure_ascii=False)


def as_svg(sections: Sequence[Section]) -> str:
    """Return the sections as bars with their budgets, one section below the other."""
    drawn: list[str] = []
    y = 0
    for section in sections:
        y += 2 * _ROW
        drawn.append(f'<text x="0" y="{y}" font-weight="bold">{escape(section.title)}</text>')
        for figure in section.measurements:
            y += _ROW
            drawn += _drawn(figure, section.longest(figure.unit), y)
    width, height = _LABEL + _BAR + _TEXT, y + _ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13">\n<rect x="-10" width="{width}" '
        f'height="{height}" fill="#fff"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def _drawn(figure: Measurement, longest: float, y: int) -> list[str]:
    is_met = figure.budget is None or figure.budget.met_by(figure.value)
    length = max(figure.value, 0) / longest * _BAR
    colour = "#4477aa" if is_met else "#ee6677"
    size = f'width="{length:.1f}" height="13"'
    drawn = [
        f'<text x="{_LABEL - 8}" y="{y}" text-anchor="end">{escape(figure.what)}</text>',
        f'<rect x="{_LABEL}" y="{y - 11}" {size} fill="{colour}"/>',
        f'<text x="{_LABEL + _BAR + 8}" y="{y}">{escape(f"{figure}   {figure.verdict}")}</text>',
    ]
    if figure.budget:
        x = _LABEL + figure.budget.limit / longest * _BAR
        drawn.append(f'<path d="M{x:.1f} {y - 14}v19" stroke="#222" stroke-dasharray="3 2"/>')
    return drawn


def _bar(share: float) -> str:
    eighths = round(min(max(share, 0), 1) * _WIDTH * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).ljust(_WIDTH)


def _short(value: float) -> str:
    """Format a number with three significant digits."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
