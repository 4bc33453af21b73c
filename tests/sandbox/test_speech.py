"""How a text is said: by pace, and by the engine where there is one."""

import pytest

from otpvoice.sandbox.calls import detect_language
from otpvoice.sandbox.page_views import split_words

TEXT = "Hello Asha. Your code is 4, 7, 1, 1. Goodbye."


def test_words_come_one_after_the_other() -> None:
    """Each begins later than the one before; a digit that stands alone takes its time."""
    words = split_words(TEXT)

    assert [word.text for word in words if word.is_digit] == ["4,", "7,", "1,", "1."]
    begins = [word.start_seconds for word in words]
    assert begins == sorted(set(begins))
    assert begins[6] - begins[5] == pytest.approx(0.45)
    assert [TEXT[word.position :].startswith(word.text) for word in words] == [True] * len(words)


def test_a_number_is_one_word() -> None:
    """Digits that are not apart are read as a number, and are shown as one."""
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
def test_the_first_letter_tells_the_language(text: str, language: str) -> None:
    """The voices that India needs; English for all others."""
    assert detect_language(text) == language
