"""The texts of the login example's page."""

import json
import re
from pathlib import Path

SENTENCES = Path(__file__).parents[2] / "examples" / "login_backend" / "sentences"


def test_languages_have_the_same_texts() -> None:
    """With the same placeholders."""
    english, hindi = (
        json.loads((SENTENCES / f"{language}.json").read_text("utf-8")) for language in ("en", "hi")
    )
    assert english.keys() == hindi.keys()
    for name, sentence in english.items():
        assert re.findall(r"\{\w+\}", hindi[name]) == re.findall(r"\{\w+\}", sentence)
