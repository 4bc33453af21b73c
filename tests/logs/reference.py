"""Generates the tables of docs/logs.md from the declarations; as a script, updates the file."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from otpvoice.logs.events import (  # noqa: E402 - the package of this checkout
    COMMON_FIELDS,
    EVENTS,
    EXCEPTION_FIELDS,
    FIELDS,
)

DOCUMENT: Final = ROOT / "docs/logs.md"
_BEGIN, _END = "<!-- {} -->\n", "<!-- end of {} -->\n"


def rendered_document() -> str:
    """Return the document with tables generated from the declarations."""
    text = DOCUMENT.read_text("utf-8")
    for name, rows in (("events", _events()), ("fields", _fields())):
        begin, end = _BEGIN.format(name), _END.format(name)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{_table(rows)}{end}{after}"
    return text


def _events() -> Iterable[tuple[str, ...]]:
    yield "event", "by", "level", "own fields", "meaning"
    for name, event in EVENTS.items():
        yield f"`{name}`", event.process, event.level, _code(event.field_names), event.meaning


def _fields() -> Iterable[tuple[str, ...]]:
    yield "field", "form", "on"
    for name in sorted(FIELDS):
        where = "any line" if name in {*COMMON_FIELDS, *EXCEPTION_FIELDS} else "own events"
        yield f"`{name}`", FIELDS[name].description, where


def _code(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names) or "–"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in lines
    )


if __name__ == "__main__":
    DOCUMENT.write_text(rendered_document(), "utf-8")
