"""docs/rolling-out-settings.md has every setting."""

import re
from pathlib import Path

from msgspec import structs

from otpvoice.sections import TextProviderSection
from otpvoice.settings.schema import SECTIONS, Client

PAGE = (Path(__file__).parents[2] / "docs" / "rolling-out-settings.md").read_text("utf-8")
TABLES, _, _ = PAGE.partition("## Releases")
FIELDS = {
    "test_numbers",
    *(field.name for kind in SECTIONS.values() for field in structs.fields(kind)),
    *(field.name for kind in (Client, TextProviderSection) for field in structs.fields(kind)),
}
OF_REQUESTS = {"locale", "route", "clients.<name>", "off"}
"""Other words of the first column."""


def named() -> set[str]:
    """Return what the first columns name."""
    first_cells = re.findall(r"^\| ([^|]*) \|", TABLES, re.MULTILINE)
    return {word for cell in first_cells for word in re.findall(r"`([^`]+)`", cell)}


def test_roll_out_table_names_every_setting() -> None:
    """With its section where the name alone would be ambiguous."""
    assert {word.rpartition(".")[2] for word in named()} >= FIELDS


def test_roll_out_table_names_no_setting_that_does_not_exist() -> None:
    """A setting that was renamed or dropped leaves the page."""
    settings = {word.rpartition(".")[2] for word in named() - OF_REQUESTS}
    assert settings <= FIELDS
