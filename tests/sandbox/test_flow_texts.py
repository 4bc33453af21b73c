"""The spoken text of a flow and its length."""

import pytest

from otpvoice_sandbox.flow_text import detect_language, render, speech_seconds
from otpvoice_sandbox.page_views import split_words


@pytest.mark.parametrize(
    ("text", "variables", "spoken"),
    [
        ("Hello {Name}, {otp}", {"Name": "Asha", "otp": "1, 2"}, "Hello Asha, 1, 2"),
        ("{{Name}}: {{otp}}", {"Name": "Asha", "otp": "12"}, "Asha: 12"),
        ("{{otp@digits}}", {"otp": "123456"}, "1 2 3 4 5 6"),
        ("{{otp@digits}}", {"otp": "0 1 2"}, "0 1 2"),
        ("{{jingle@play}}", {"jingle": "https://a.example/b"}, "(sound https://a.example/b)"),
        ("{otp} … {otp}", {"otp": "12"}, "12 … 12"),
        ("नमस्ते {Name}", {"Name": "आशा"}, "नमस्ते आशा"),
        ("no variables", {"otp": "12"}, "no variables"),
    ],
)
def test_render_fills_in_variables_with_filters(
    text: str, variables: dict[str, str], spoken: str
) -> None:
    """Both formats of variables are replaced."""
    assert render(text, variables) == spoken


def test_render_unknown_variable_or_filter_stays_visible() -> None:
    """A misspelled name does not vanish."""
    assert render("{Name} {{otp@digit}} {otp}", {"name": "x", "otp": "1"}) == (
        "{Name} {{otp@digit}} 1"
    )


def test_render_expands_variables_in_values() -> None:
    """The sandbox does not protect clients from a name that contains a variable."""
    assert render("Hello {Name}", {"Name": "{otp}", "otp": "1, 2"}) == "Hello 1, 2"


def test_speech_seconds_grow_with_text() -> None:
    """The whole text is spoken, and hanging up takes time."""
    text = "Hello Asha, your otp for login is 1, 2, 3, 4, 5, 6"

    assert speech_seconds("Hi") < speech_seconds(text) <= 10


_TEXT = "Hello Asha. Your code is 4, 7, 1, 1. Goodbye."


def test_split_words_start_times_increase() -> None:
    """A single digit takes a fixed time."""
    words = split_words(_TEXT)

    assert [word.text for word in words if word.is_digit] == ["4,", "7,", "1,", "1."]
    begins = [word.start_seconds for word in words]
    assert begins == sorted(set(begins))
    assert begins[6] - begins[5] == pytest.approx(0.45)
    assert [_TEXT[word.position :].startswith(word.text) for word in words] == [True] * len(words)


def test_split_words_number_is_not_a_digit() -> None:
    """Digits without separators are one word."""
    assert [word.is_digit for word in split_words("code 471102")] == [False, False]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en"),
        ("4, 7: नमस्ते", "hi"),
        ("வணக்கம்", "ta"),
        ("নমস্কার", "bn"),
        ("1, 2", "en"),
        ("", "en"),
        ("你好", "en"),
    ],
)
def test_detect_language_uses_script_of_first_letter(text: str, language: str) -> None:
    """Indian scripts have a language; all others are English."""
    assert detect_language(text) == language
