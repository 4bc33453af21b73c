"""The documentation's stills show the pages as they are: ``make stills`` takes them anew."""

import pytest
from support.stills import PICTURES, SOURCES, mark, marks_on_file


@pytest.mark.parametrize("name", SOURCES)
def test_still_is_of_todays_page(name: str) -> None:
    """None of the page's files has changed since it was taken."""
    assert (PICTURES / f"{name}.png").exists()
    assert marks_on_file()[name] == mark(name), f"{name}.png is out of date: make stills"
