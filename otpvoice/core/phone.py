"""Phone numbers: one canonical number for one telephone, or a refusal that says why."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from otpvoice.core.errors import InvalidNumber, NumberNotAllowed

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
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


def parse_number(text: str, rules: NumberRules) -> str:
    """The canonical E.164 form of ``text``.

    Raises:
        InvalidNumber: not strict E.164, or no such number can exist.
        NumberNotAllowed: a number that ``rules`` do not call.
    """
    if not _E164.fullmatch(text):
        raise InvalidNumber(
            "Not an E.164 number: give + and 7 to 15 digits with the calling code, nothing else, "
            "as in +919876543210."
        )
    try:
        parsed = phonenumbers.parse(text)
    except NumberParseException as error:
        raise InvalidNumber("No such calling code.") from error
    if not phonenumbers.is_valid_number(parsed):
        raise InvalidNumber("No telephone can have this number: check its length and prefix.")
    number = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    _check_rules(number, parsed, rules)
    return number


def _check_rules(number: str, parsed: phonenumbers.PhoneNumber, rules: NumberRules) -> None:
    region = phonenumbers.region_code_for_number(parsed)
    if region not in rules.regions:
        raise NumberNotAllowed(f"Numbers of region {region or 'unknown'} are not called.")
    kind = PhoneNumberType.to_string(phonenumbers.number_type(parsed)).lower()
    if kind not in rules.types:
        raise NumberNotAllowed(f"Numbers of type {kind} are not called.")
    for prefix in rules.deny_prefixes:
        if number.startswith(prefix):
            raise NumberNotAllowed(f"Numbers that begin with {prefix} are not called.")


def mask_number(number: str) -> str:
    """``+919876543210`` → ``+91******3210``: enough to recognise, too little to call."""
    shown = 3 if len(number) > 9 else 1
    return number[:shown] + "*" * (len(number) - shown - 4) + number[-4:]
