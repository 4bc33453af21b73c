"""``provider.status_words`` and ``[test_numbers]``: formats, errors and masking."""

from collections.abc import Callable

import pytest

from otpvoice.core.verification import CallStatus
from otpvoice.settings import LoadedSettings

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]
SecretFile = Callable[[bytes], str]

WORDS = {"OUTOFZONE": CallStatus.FAILED, "LEG2DOWN": CallStatus.NO_ANSWER}
"""In the form in which spellings are equal."""


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
        ('{ " _-" = "busy" }', "provider.status_words. _-", "a word of 1 to 40"),
        (
            '{ "%s" = "busy" }' % ("X" * 41),
            "provider.status_words." + "X" * 41,
            "a word of 1 to 40",
        ),
        ('{ "A B" = "busy", "a-b" = "failed" }', "provider.status_words.a-b", "'A B' means"),
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


TABLE = '[test_numbers]\n"+919999900001" = "123456"\n"+12015550123" = "0042"\n'
NUMBERS = {"+919999900001": "123456", "+12015550123": "0042"}


def test_test_numbers_without_setting_are_empty(start: Start) -> None:
    """Also with an empty table."""
    assert start().settings.test_numbers == {}
    assert start("[test_numbers]\n").settings.test_numbers == {}


def test_test_numbers_in_file_are_parsed(start: Start) -> None:
    """Leading zeros of codes are kept."""
    assert start(TABLE).settings.test_numbers == NUMBERS


@pytest.mark.parametrize(
    "text",
    [
        "+919999900001=123456,+12015550123=0042",
        " +919999900001 = 123456 \n+12015550123=0042\n",
        '{"+919999900001": "123456", "+12015550123": "0042"}',
    ],
)
def test_test_numbers_in_variable_are_parsed(start: Start, text: str) -> None:
    """Pairs or JSON. Variables of the test suite begin with the same prefix."""
    loaded = start(OTPVOICE_TEST_NUMBERS=text, OTPVOICE_TEST_CODES="1000")
    assert loaded.settings.test_numbers == NUMBERS
    assert loaded.warnings == ()


def test_test_numbers_in_secret_file_are_parsed(start: Start, secret_file: SecretFile) -> None:
    """One pair a line."""
    path = secret_file(b"+919999900001=123456\n+12015550123=0042\n")
    assert start(OTPVOICE_TEST_NUMBERS_FILE=path).settings.test_numbers == NUMBERS


def test_test_numbers_in_variable_replace_the_table(start: Start) -> None:
    """An empty variable leaves none."""
    only = start(TABLE, OTPVOICE_TEST_NUMBERS="+919999900002=4711").settings
    assert only.test_numbers == {"+919999900002": "4711"}
    assert start(TABLE, OTPVOICE_TEST_NUMBERS="").settings.test_numbers == {}


def test_test_numbers_hold_for_every_client(start: Start) -> None:
    """As a part of its number rules."""
    profile = start(TABLE).settings.client_profile("app")
    assert profile.number_rules.test_numbers == NUMBERS


@pytest.mark.parametrize(
    ("entry", "name", "expected"),
    [
        ('"919999900001" = "123456"', "test_numbers.***", "E.164"),
        ('"+91999990000" = "123456"', "test_numbers.+91*****0000", "cannot exist"),
        ('"+999987654321" = "123456"', "test_numbers.+99******4321", "calling code"),
        ('"123456" = "+919999900001"', "test_numbers.***", "4 to 10 digits"),
        ('"+919999900001" = "123"', "test_numbers.+91******0001", "4 to 10 digits"),
        ('"+919999900001" = "12345678901"', "test_numbers.+91******0001", "4 to 10 digits"),
        ('"+919999900001" = "१२३४"', "test_numbers.+91******0001", "4 to 10 digits"),
        ('"+919999900001" = 123456', "test_numbers.+91******0001", "as text"),
        ('"+919999900001" = { code = "123456" }', "test_numbers.+91******0001", "as text"),
    ],
    ids=range(9),
)
def test_invalid_test_number_is_an_error(
    errors_of: ErrorsOf, entry: str, name: str, expected: str
) -> None:
    """The number is masked, and the code is not repeated."""
    errors = errors_of(f"[test_numbers]\n{entry}\n")
    assert {*errors} == {name}
    assert expected in errors[name]
    assert "otpvoice.toml" in errors[name]
    assert "123456" not in str(errors)
    assert "9999900001" not in str(errors)


@pytest.mark.parametrize("toml", ["test_numbers = 5\n", "[[test_numbers]]\n"])
def test_test_numbers_that_are_not_a_table_are_an_error(errors_of: ErrorsOf, toml: str) -> None:
    """As a whole."""
    assert "must be a table" in errors_of(toml)["test_numbers"]


def test_malformed_variable_of_test_numbers_is_an_error(errors_of: ErrorsOf) -> None:
    """The text is not repeated."""
    errors = errors_of(OTPVOICE_TEST_NUMBERS="+919999900001:7351942")["test_numbers"]
    assert "OTPVOICE_TEST_NUMBERS" in errors
    assert "7351942" not in errors


def test_test_numbers_in_two_variables_are_an_error(
    errors_of: ErrorsOf, secret_file: SecretFile
) -> None:
    """The variable and its file."""
    path = secret_file(b"+919999900001=123456")
    errors = errors_of(OTPVOICE_TEST_NUMBERS="", OTPVOICE_TEST_NUMBERS_FILE=path)
    assert "is given twice" in errors["test_numbers"]


def test_repr_hides_test_numbers(start: Start) -> None:
    """Of the settings and of a client; it shows how many there are."""
    settings = start(TABLE).settings
    shown = repr([settings, settings.test_numbers, settings.client_profile("app")])
    assert "2 test numbers" in shown
    for secret in (*NUMBERS, *NUMBERS.values()):
        assert secret not in shown
