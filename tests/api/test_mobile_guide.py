"""The guide for apps has a sentence for each word that an app can receive."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from otpvoice.api.errors import BAD_REQUEST, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.core.verification import CallStatus, NextReason, Status

GUIDE = (Path(__file__).parents[2] / "docs" / "mobile.md").read_text("utf-8")
UNHEARD = "`answered`, `heard: false`"
SENTENCES = re.compile(r"[A-Z][\w ,'.-]+\.", re.ASCII)
HINDI = re.compile(r"[\u0900-\u097F][\u0900-\u097F ,-]+।([ \u0900-\u097F,-]+।)*")
HEADINGS = re.findall(r"^\| (\w+) \| English \| हिन्दी \|$", GUIDE, re.MULTILINE)


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading."""
    start = GUIDE.index(f"\n| {heading} | English | हिन्दी |\n|---|---|---|\n")
    rows = GUIDE[start:].strip().partition("\n\n")[0].splitlines()[2:]
    return [row.strip("| ").split(" | ") for row in rows]


def quoted(words: Iterable[str]) -> set[str]:
    """Return the words in backquotes, as in the first column."""
    return {f"`{word}`" for word in words}


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("status", quoted(set(Status) - {Status.PENDING})),
        ("call", quoted(CallStatus) | {UNHEARD}),
        ("reason", quoted(NextReason)),
        (
            "code",
            quoted(
                problem.code for problem in (*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR)
            ),
        ),
    ],
)
def test_guide_has_a_sentence_for_every_word(heading: str, words: set[str]) -> None:
    """Each once, and no unknown word."""
    found = [row[0] for row in table(heading)]
    assert set(found) == words
    assert len(found) == len(words)


@pytest.mark.parametrize("heading", ["status", "call", "reason", "code"])
def test_guide_has_every_sentence_in_both_languages(heading: str) -> None:
    """Whole sentences without words of the API or of the other language."""
    for word, english, hindi in table(heading):
        assert SENTENCES.fullmatch(english), word
        assert HINDI.fullmatch(hindi), word
        assert english.count(".") == hindi.count("।"), word
        assert "_" not in english


def test_guide_has_no_other_table() -> None:
    """All tables are tested."""
    assert sorted(HEADINGS) == ["call", "code", "reason", "status"]
