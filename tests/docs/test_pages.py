"""Pages have headings in order and tables with headers, for people who do not see them."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_HEADER = re.compile(r"^(\|.*\|)\n\|[-: |]+\|$", re.MULTILINE)


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_headings_are_in_order(page: Path) -> None:
    """One title, and no level is skipped."""
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose(page), re.MULTILINE)]
    assert levels[:1] == [1]
    assert levels.count(1) == 1
    assert all(later - level <= 1 for level, later in pairwise(levels))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_column_of_a_table_has_a_header(page: Path) -> None:
    """A screen reader reads it with each cell."""
    for header in _HEADER.findall(prose(page)):
        assert all(cell.strip() for cell in header.strip("|").split("|")), header
