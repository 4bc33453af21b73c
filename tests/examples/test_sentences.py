"""The texts of the login example equal those of the guide for apps."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "mobile.md").read_text("utf-8")
SENTENCES = ROOT / "examples" / "login_backend" / "sentences"
ROW = re.compile(r"^\| `(\w+)`(, `heard: false`)? \| (.+?) \| (.+?) \|$")


def guide(heading: str, column: int) -> dict[str, str]:
    """Return the rows of a table of the guide: word → text."""
    _, _, table = GUIDE.partition(f"\n| {heading} | English | हिन्दी |\n|---|---|---|\n")
    rows = [ROW.match(line) for line in table.partition("\n\n")[0].splitlines()]
    return {"unheard" if row[2] else row[1]: row[column] for row in rows if row}


@pytest.mark.parametrize(("language", "column"), [("en", 3), ("hi", 4)])
def test_sentences_equal_those_of_guide(language: str, column: int) -> None:
    """Word by word, in both languages."""
    texts = json.loads((SENTENCES / f"{language}.json").read_text("utf-8"))
    for heading in ("status", "call", "reason", "code"):
        assert texts[heading] == guide(heading, column)
        assert texts[heading]


def test_languages_have_the_same_texts() -> None:
    """With the same placeholders."""
    english, hindi = (
        json.loads((SENTENCES / f"{language}.json").read_text("utf-8"))["page"]
        for language in ("en", "hi")
    )
    assert english.keys() == hindi.keys()
    for name, sentence in english.items():
        assert re.findall(r"\{\w+\}", hindi[name]) == re.findall(r"\{\w+\}", sentence)
