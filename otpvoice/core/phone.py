"""Phone numbers: one canonical number for one telephone, or a refusal that says why."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from otpvoice.core.errors import InvalidNumber, NumberNotAllowed

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
"""ITU-T E.164: at most 15 digits with the calling code."""


@dataclass(frozen=True, slots=True)
class NumberRules:
    """Which numbers are called.

    Region, not calling code, decides: +1 alone is 25 countries.
    """

    regions: Collection[str]
    """ISO 3166 alpha-2; empty means none."""
    types: Collection[str]
    """libphonenumber's types in lower case: ``mobile``, ``fixed_line_or_mobile`` ..."""
    deny_prefixes: Sequence[str] = ()
    """E.164 beginnings that are refused, whatever their region and type."""
    test_numbers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """E.164 → its fixed code. Nobody is called there: the other rules do not hold for it."""


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone's one canonical number, and what it shares with others."""

    e164: str
    region: str
    """ISO 3166 alpha-2; ``001`` for numbers of no country."""
    kind: str
    """libphonenumber's type in lower case: ``mobile``, ``toll_free`` ..."""

    @property
    def prefix(self) -> str:
        """All but the last four digits, at least six: what a number range has in common."""
        return self.e164[: max(1 + 6, len(self.e164) - 4)]

    @property
    def area(self) -> str:
        """All but the last six digits: too little to tell a number, enough to tell an operator."""
        return self.e164[: max(2, len(self.e164) - 6)]


def parse_number(text: str, rules: NumberRules) -> Number:
    """The number behind ``text``, which may be called.

    Raises:
        InvalidNumber: not strict E.164, or no such number can exist.
        NumberNotAllowed: a number that ``rules`` do not call.
    """
    number = read_number(text)
    if number.e164 not in rules.test_numbers:
        _check_rules(number, rules)
    return number


def read_number(text: str) -> Number:
    """The number behind ``text``, whether it is called or not.

    Raises:
        InvalidNumber: not strict E.164, or no such number can exist.
    """
    if not E164.fullmatch(text):
        raise InvalidNumber(
            "Not an E.164 number: give + and 7 to 15 digits with the calling code, nothing else, "
            "as in +919876543210."
        )
    try:
        parsed = phonenumbers.parse(text)
    except NumberParseException as error:
        raise InvalidNumber("No such calling code.") from error
    kind = phonenumbers.number_type(parsed)
    # The library calls a number valid when it has a type; asking it both does the work twice.
    if kind == PhoneNumberType.UNKNOWN:
        raise InvalidNumber("No telephone can have this number: check its length and prefix.")
    return Number(
        e164=phonenumbers.format_number(parsed, PhoneNumberFormat.E164),
        region=phonenumbers.region_code_for_number(parsed) or "unknown",
        kind=PhoneNumberType.to_string(kind).lower(),
    )


def region_of_area(area: str) -> str:
    """The region that numbers of an area are of, as far as their beginning tells; else ``?``.

    Several regions share a calling code: the six digits that are missing are tried as some others.
    """
    for ending in ("234567", "555555", "000000"):
        with suppress(NumberParseException):
            region = phonenumbers.region_code_for_number(phonenumbers.parse(area + ending))
            if region:
                return region
    return "?"


def _check_rules(number: Number, rules: NumberRules) -> None:
    if number.region not in rules.regions:
        raise NumberNotAllowed(f"Numbers of region {number.region} are not called.")
    if number.kind not in rules.types:
        raise NumberNotAllowed(f"Numbers of type {number.kind} are not called.")
    for prefix in rules.deny_prefixes:
        if number.e164.startswith(prefix):
            raise NumberNotAllowed(f"Numbers that begin with {prefix} are not called.")


def mask_number(number: str) -> str:
    """``+919876543210`` → ``+91******3210``: enough to recognise, too little to call."""
    shown = 3 if len(number) > 9 else 1
    return number[:shown] + "*" * (len(number) - shown - 4) + number[-4:]
