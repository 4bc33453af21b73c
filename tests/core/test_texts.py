"""Texts of calls: their placeholders and pauses, and the time that speaking takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.speech import CodeFormat, clean_name, format_code
from otpvoice.core.texts import (
    Pace,
    fill_text,
    seconds_until_code,
    speaks,
    speech_seconds,
    split_pauses,
)


def values(code: str = "471102", name: str = "Asha") -> dict[str, str]:
    """Return what fills a text in."""
    return {"Name": name, "otp": code}


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello {Name}: {otp}. Again {otp}", "Hello Asha: 1, 2. Again 1, 2"),
        ("{{ Name }}, {{otp@digits}}", "Asha, 1, 2"),
        ("{otp_count} {} {Names} otp", "{otp_count} {} {Names} otp"),
        ("नमस्ते {Name}", "नमस्ते Asha"),
    ],
)
def test_fill_text_replaces_only_name_and_code(text: str, spoken: str) -> None:
    """In both forms of placeholders; nothing else changes."""
    assert fill_text(text, values("1, 2")) == spoken


def test_fill_text_leaves_the_values_as_they_are() -> None:
    """A value may look like a placeholder, or like a reference of a pattern."""
    assert fill_text("{Name} {otp}", values(r"<break/>\1", "{otp}")) == r"{otp} <break/>\1"


@pytest.mark.parametrize(
    ("text", "code", "name", "seconds"),
    [
        ("{otp}", "0, 1, 2, 3, 4, 5", "Asha", 2),
        ("{otp}", "0123456789", "Asha", 4),
        ("x" * 150 + "{otp}", "012345", "Asha", 12),
        ("x" * 150 + "{otp} again {otp}" + "x" * 150, "012345", "Asha", 12),
        ("{Name}" + "x" * 120 + "{otp}", "012345", "N" * 30, 12),
        ("{{Name}}" + "x" * 120 + "{{ otp@digits }}", "012345", "N" * 30, 12),
        ("x" * 150, "012345", "Asha", 10),
        ("x" * 150 + "{otp_count}", "012345", "Asha", 11),
    ],
)
def test_seconds_until_code_counts_text_and_first_code(
    text: str, code: str, name: str, seconds: int
) -> None:
    """Fifteen characters and two and a half digits per second."""
    assert seconds_until_code(text, values(code, name)) == seconds


@given(st.text(max_size=300), st.from_regex(r"[0-9]{4,10}", fullmatch=True), st.text(max_size=40))
def test_seconds_until_code_grows_with_the_text_before_it(text: str, code: str, name: str) -> None:
    """For any text of the settings."""
    seconds = seconds_until_code(text, values(code, clean_name(name)))
    assert 0 <= seconds <= 60
    assert seconds_until_code(f"Hello, {text}", values(code, clean_name(name))) >= seconds


def test_seconds_until_code_ignores_separators() -> None:
    """Commas and spaces are not spoken."""
    times = {
        seconds_until_code("Your code is {otp}", values(format_code("012345", way)))
        for way in CodeFormat
    }
    assert len(times) == 1


@pytest.mark.parametrize(
    ("text", "code", "name", "seconds"),
    [
        ("x" * 150 + "{otp}", "012345", "Asha", 12),
        ("x" * 150 + "{otp}" + "x" * 150 + "{{otp@digits}}", "0, 1, 2, 3, 4, 5", "Asha", 25),
        ("{Name}" + "x" * 120, "012345", "N" * 30, 10),
        ("", "012345", "Asha", 0),
    ],
)
def test_speech_seconds_counts_every_code(text: str, code: str, name: str, seconds: int) -> None:
    """At the same pace, to the end of the text."""
    assert speech_seconds(text, values(code, name)) == seconds


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a {pause 5} b", [(1, "a"), (5, "b")]),
        ("a{{ pause 10 }}b {pause 1}", [(1, "a"), (10, "b")]),
        ("{pause 2}{pause 3} a", [(6, "a")]),
        ("a {pause 11} {pause 0} {pause} {pause 2s}", None),
        ("", [(1, "")]),
        ("{pause 4}", []),
    ],
)
def test_text_is_split_at_its_pauses(text: str, parts: list[tuple[int, str]] | None) -> None:
    """Of 1 to 10 seconds. Anything else in braces is a part of the text."""
    assert list(split_pauses(text, lead_s=1)) == ([(1, text)] if parts is None else parts)


def test_pauses_take_their_time() -> None:
    """Those before the code delay it."""
    text = "{pause 3}" + "x" * 15 + "{pause 5}{otp}{pause 7}" + "x" * 15 + "{pause 9}"
    assert seconds_until_code(text, values()) == 3 + 1 + 5 + 2
    assert speech_seconds(text, values()) == 3 + 1 + 5 + 2 + 7 + 1


def test_pace_counts_lead_rate_and_breaks() -> None:
    """Between six digits are five breaks, which the rate does not change."""
    pace = Pace(lead_s=1, rate=0.5, digit_break_s=0.4)
    text = "x" * 15 + "{otp} {otp}"
    assert seconds_until_code(text, values(), pace) == round(1 + (1 + 2.4) / 0.5 + 5 * 0.4)
    assert speech_seconds(text, values(), pace) == round(1 + (16 / 15 + 4.8) / 0.5 + 2 * 5 * 0.4)
    assert speech_seconds(text, values(""), pace) == round(1 + 16 / 15 / 0.5)


def test_values_of_any_name_are_spoken() -> None:
    """Filled in, and counted."""
    filled = fill_text("{brand}: {otp}", {"brand": "ACME", "otp": "1"})
    assert filled == "ACME: 1"
    assert speech_seconds("{brand}", {"brand": "x" * 60}) == 4


@pytest.mark.parametrize(("text", "is_spoken"), [("{{ otp|x }}", True), ("{otps} otp", False)])
def test_speaks_finds_a_placeholder(text: str, is_spoken: bool) -> None:
    """In any notation."""
    assert speaks(text, "otp") is is_spoken
