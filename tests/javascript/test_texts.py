"""The texts of the JavaScript client equal those of the guide for apps."""

import json
import re
from typing import Any

import pytest
from javascript.node import CLIENT, Node

GUIDE = (CLIENT.parents[1] / "docs" / "mobile.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)`(?:, `\w+: (\w+)`)? \| (.+?) \| (.+?) \|$")
PROGRAM = "import { texts } from 'otpvoice-client/texts'; console.log(JSON.stringify(texts))"


@pytest.fixture(scope="module")
def texts(node: Node) -> dict[str, Any]:
    """Language → table → word → text."""
    found: dict[str, Any] = json.loads(node.run("--input-type=module", "--eval", PROGRAM))
    return found


def guide(heading: str, column: int) -> dict[str, str]:
    """Return the rows of a table of the guide: word → text."""
    _, _, table = GUIDE.partition(f"\n| {heading} | English | हिन्दी |\n|---|---|---|\n")
    rows = [ROW.match(line) for line in table.partition("\n\n")[0].splitlines()]
    special = {"false": "unheard", "denied": "denied"}
    return {special.get(row[2], row[1]): row[column] for row in rows if row}


@pytest.mark.parametrize(("language", "column"), [("en", 3), ("hi", 4)])
def test_texts_equal_those_of_guide(texts: dict[str, Any], language: str, column: int) -> None:
    """Word by word, in both languages."""
    for heading in ("status", "call", "reason", "code"):
        assert texts[language][heading] == guide(heading, column)
        assert texts[language][heading]


def test_languages_have_the_same_texts(texts: dict[str, Any]) -> None:
    """With the same placeholders."""
    english, hindi = texts["en"]["element"], texts["hi"]["element"]
    assert english.keys() == hindi.keys()
    for name, sentence in english.items():
        assert sorted(re.findall(r"\{\w+\}", hindi[name])) == sorted(
            re.findall(r"\{\w+\}", sentence)
        )
