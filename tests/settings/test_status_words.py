"""``provider.status_words``: formats and errors."""

from collections.abc import Callable

import pytest

from otpvoice.core.verification import CallStatus
from otpvoice.settings import LoadedSettings

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

WORDS = {"OUT OF ZONE": CallStatus.FAILED, "Leg-2 down": CallStatus.NO_ANSWER}


def test_status_words_without_setting_are_empty(start: Start) -> None:
    """The adapter has its own table."""
    assert start().settings.provider.status_words == {}


@pytest.mark.parametrize(
    "text",
    [
        '[provider]\nstatus_words = { "OUT OF ZONE" = "failed", "Leg-2 down" = "no_answer" }\n',
        '[provider.status_words]\n"OUT OF ZONE" = "failed"\n"Leg-2 down" = "no_answer"\n',
    ],
)
def test_status_words_in_file_are_parsed(start: Start, text: str) -> None:
    """An inline table, or a table of its own."""
    assert start(text).settings.provider.status_words == WORDS


@pytest.mark.parametrize(
    "text",
    [
        "OUT OF ZONE=failed,Leg-2 down=no_answer",
        " OUT OF ZONE = failed \nLeg-2 down=no_answer\n",
        '{"OUT OF ZONE": "failed", "Leg-2 down": "no_answer"}',
    ],
)
def test_status_words_in_variable_are_parsed(start: Start, text: str) -> None:
    """Pairs or JSON."""
    assert start(OTPVOICE_PROVIDER_STATUS_WORDS=text).settings.provider.status_words == WORDS


@pytest.mark.parametrize(
    ("table", "name", "detail"),
    [
        ('{ "X" = "unknown" }', "provider.status_words.X", "must be one of answered, busy, no_"),
        ('{ "X" = "BUSY" }', "provider.status_words.X", "must be one of"),
        ('{ "X" = 5 }', "provider.status_words.X", "must be one of"),
        ('{ "X" = ["busy"] }', "provider.status_words.X", "must be one of"),
        ('{ " _-" = "busy" }', "provider.status_words. _-", "is not a word"),
        ('{ "%s" = "busy" }' % ("X" * 41), "provider.status_words." + "X" * 41, "is not a word"),
        ('{ "A B" = "busy", "a-b" = "failed" }', "provider.status_words.a-b", "'A B' again"),
        ('"X"', "provider.status_words", "must be a table like"),
        ("[]", "provider.status_words", "must be a table like"),
        ("7", "provider.status_words", "must be a table like"),
    ],
)
def test_invalid_status_word_is_an_error(
    errors_of: ErrorsOf, table: str, name: str, detail: str
) -> None:
    """It names the word."""
    refused = errors_of(f"[provider]\nstatus_words = {table}\n")
    assert list(refused) == [name]
    assert detail in refused[name]
