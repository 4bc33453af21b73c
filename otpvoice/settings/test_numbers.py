"""``[test_numbers]``: numbers that nobody is called for, each with its fixed code."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from otpvoice.core.code import CODE_SHAPE
from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import mask_number, read_number
from otpvoice.settings.errors import WrongSetting
from otpvoice.settings.parsers import read_pairs
from otpvoice.settings.sources import TEST_NUMBERS, Given, dotted

_NAME: Final = dotted(TEST_NUMBERS)
_EXPECTED: Final = (
    'must be a table like "+919999900001" = "123456", or text like +919999900001=123456'
)


class _Unshown(dict[str, str]):
    """Whoever knows a number and its code gets in as it, so that no repr shows them."""

    def __repr__(self) -> str:
        return f"<{len(self)} test numbers>"


class ReadNumbers(NamedTuple):
    """What was given."""

    codes: Mapping[str, str]
    """By E.164 number."""
    wrong: list[WrongSetting]


def read_test_numbers(given: Given) -> ReadNumbers:
    """The table, or text like ``+919999900001=123456``, or JSON."""
    try:
        table = {} if given.fault else read_pairs(given.value)
        fault = given.fault
    except ValueError:  # its text may repeat a code
        table, fault = {}, _EXPECTED
    codes = _Unshown({number: str(code) for number, code in table.items()})
    faults = [(_NAME, fault)] if fault else []
    for number, code in table.items():
        faults.extend((f"{_NAME}.{_shown(number)}", each) for each in _faults(number, code))
    wrong = [WrongSetting(name, given.source, detail) for name, detail in faults]
    return ReadNumbers(MappingProxyType(codes), wrong)


def _shown(number: str) -> str:
    """A code may stand there by mistake."""
    return mask_number(number) if number.startswith("+") else "***"


def _faults(number: str, code: object) -> Iterator[str]:
    try:
        if read_number(number).e164 != number:
            yield "is another way to write a number: give it as E.164"
    except InvalidNumber as error:
        yield f"is no number: {error}"
    if not isinstance(code, str) or not CODE_SHAPE.fullmatch(code):
        yield "must have a code of 4 to 10 digits, as text"
