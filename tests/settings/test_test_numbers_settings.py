"""``[test_numbers]``: from file and environment, what is refused, and that nothing shows them."""

from collections.abc import Callable

import pytest

from otpvoice.settings import LoadedSettings

Start = Callable[..., LoadedSettings]
Refusal = Callable[..., dict[str, str]]
SecretFile = Callable[[bytes], str]

TABLE = '[test_numbers]\n"+919999900001" = "123456"\n"+12015550123" = "0042"\n'
NUMBERS = {"+919999900001": "123456", "+12015550123": "0042"}


def test_none_by_default(start: Start) -> None:
    """Nobody is in by a code that stands anywhere."""
    assert start().settings.test_numbers == {}
    assert start("[test_numbers]\n").settings.test_numbers == {}


def test_from_the_file(start: Start) -> None:
    """A table of numbers and codes; leading zeros stay."""
    assert start(TABLE).settings.test_numbers == NUMBERS


@pytest.mark.parametrize(
    "text",
    [
        "+919999900001=123456,+12015550123=0042",
        " +919999900001 = 123456 \n+12015550123=0042\n",
        '{"+919999900001": "123456", "+12015550123": "0042"}',
    ],
)
def test_from_the_environment(start: Start, text: str) -> None:
    """A variable gives pairs or JSON, though sizes of our own tests begin like its name."""
    loaded = start(OTPVOICE_TEST_NUMBERS=text, OTPVOICE_TEST_CODES="1000")
    assert loaded.settings.test_numbers == NUMBERS
    assert loaded.warnings == ()


def test_from_a_secret_file(start: Start, secret_file: SecretFile) -> None:
    """One pair a line."""
    path = secret_file(b"+919999900001=123456\n+12015550123=0042\n")
    assert start(OTPVOICE_TEST_NUMBERS_FILE=path).settings.test_numbers == NUMBERS


def test_environment_wins(start: Start) -> None:
    """As a whole: what the file has is gone, and an empty variable leaves none."""
    only = start(TABLE, OTPVOICE_TEST_NUMBERS="+919999900002=4711").settings
    assert only.test_numbers == {"+919999900002": "4711"}
    assert start(TABLE, OTPVOICE_TEST_NUMBERS="").settings.test_numbers == {}


def test_every_client_has_them(start: Start) -> None:
    """They stand in the rules by which each client's numbers are judged."""
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
def test_refused(refusal: Refusal, entry: str, name: str, expected: str) -> None:
    """A wrong entry stops the start; its number is masked and its code not repeated."""
    said = refusal(f"[test_numbers]\n{entry}\n")
    assert {*said} == {name}
    assert expected in said[name]
    assert "otpvoice.toml" in said[name]
    assert "123456" not in str(said)
    assert "9999900001" not in str(said)


@pytest.mark.parametrize("toml", ["test_numbers = 5\n", "[[test_numbers]]\n"])
def test_no_table(refusal: Refusal, toml: str) -> None:
    """Something else than a table is refused as a whole."""
    assert "must be a table" in refusal(toml)["test_numbers"]


def test_no_pairs(refusal: Refusal) -> None:
    """Text without pairs is refused by its variable, and not repeated."""
    said = refusal(OTPVOICE_TEST_NUMBERS="+919999900001:7351942")["test_numbers"]
    assert "OTPVOICE_TEST_NUMBERS" in said
    assert "7351942" not in said


def test_given_twice(refusal: Refusal, secret_file: SecretFile) -> None:
    """The variable and its file together are refused."""
    path = secret_file(b"+919999900001=123456")
    said = refusal(OTPVOICE_TEST_NUMBERS="", OTPVOICE_TEST_NUMBERS_FILE=path)
    assert "is given twice" in said["test_numbers"]


def test_no_repr_shows_them(start: Start) -> None:
    """Neither of the whole nor of a client's rules; how many there are is shown."""
    settings = start(TABLE).settings
    shown = repr([settings, settings.test_numbers, settings.client_profile("app")])
    assert "2 test numbers" in shown
    for secret in (*NUMBERS, *NUMBERS.values()):
        assert secret not in shown
