"""``[test_numbers]``: numbers that nobody is called for, each with its fixed code."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from otpvoice.core.code import CODE_PATTERN
from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import mask_number, parse_number
from otpvoice.settings.errors import InvalidSetting
from otpvoice.settings.parsers import parse_pairs
from otpvoice.settings.sources import TEST_NUMBERS, RawValue, dotted_name

_NAME: Final = dotted_name(TEST_NUMBERS)
_EXPECTED: Final = (
    'must be a table like "+919999900001" = "123456", or text like +919999900001=123456'
)


class _Hidden(dict[str, str]):
    """Whoever knows a number and its code gets in as it, so that no repr shows them."""

    def __repr__(self) -> str:
        return f"<{len(self)} test numbers>"


class ParsedTestNumbers(NamedTuple):
    """What was given."""

    codes: Mapping[str, str]
    """By E.164 number."""
    invalid: list[InvalidSetting]


def parse_test_numbers(given: RawValue) -> ParsedTestNumbers:
    """The table, or text like ``+919999900001=123456``, or JSON."""
    try:
        table = {} if given.error else parse_pairs(given.value)
        fault = given.error
    except ValueError:  # its text may repeat a code
        table, fault = {}, _EXPECTED
    codes = _Hidden({number: str(code) for number, code in table.items()})
    faults = [(_NAME, fault)] if fault else []
    for number, code in table.items():
        faults.extend((f"{_NAME}.{_masked(number)}", each) for each in _errors(number, code))
    wrong = [InvalidSetting(name, given.source, detail) for name, detail in faults]
    return ParsedTestNumbers(MappingProxyType(codes), wrong)


def _masked(number: str) -> str:
    """A code may stand there by mistake."""
    return mask_number(number) if number.startswith("+") else "***"


def _errors(number: str, code: object) -> Iterator[str]:
    try:
        if parse_number(number).e164 != number:
            yield "is another way to write a number: give it as E.164"
    except InvalidNumber as error:
        yield f"is no number: {error}"
    if not isinstance(code, str) or not CODE_PATTERN.fullmatch(code):
        yield "must have a code of 4 to 10 digits, as text"
