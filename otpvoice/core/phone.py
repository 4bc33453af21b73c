"""Phone numbers: parsing, canonical form and the rules for which numbers are called."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from otpvoice.core.errors import InvalidNumber, NumberNotAllowed

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
"""ITU-T E.164: at most 15 digits with the calling code."""

_TEL: Final = re.compile(r"tel:(?://)?", re.IGNORECASE)
"""RFC 3966."""
_CALLING_CODE_IN_BRACKETS: Final = re.compile(r"^\((\+[0-9]{1,3})\)")
_NUMBER_CHARACTERS: Final = re.compile(r"\+?[0-9 ().\-/]{3,60}", re.ASCII)
"""Digits and signs of a number, after :func:`_normalize`."""


@dataclass(frozen=True, slots=True)
class NumberRules:
    """Which numbers are called.

    Rules use the region, because a calling code can have many: +1 is 25 countries.
    """

    regions: Collection[str]
    """ISO 3166 alpha-2. Empty: no number is called."""
    types: Collection[str]
    """libphonenumber's types in lower case: ``mobile``, ``fixed_line_or_mobile`` ..."""
    deny_prefixes: Sequence[str] = ()
    """E.164 prefixes that are never called."""
    test_numbers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Fixed codes by E.164 number. Calls to them are simulated, so no other rule applies."""


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number with its attributes."""

    e164: str
    region: str
    """ISO 3166 alpha-2; ``001`` for numbers of no country."""
    number_type: str
    """libphonenumber's type in lower case: ``mobile``, ``toll_free`` ..."""

    @property
    def prefix(self) -> str:
        """All but the last four digits, at least six: the number range."""
        return self.e164[: max(1 + 6, len(self.e164) - 4)]

    @property
    def area(self) -> str:
        """All but the last six digits: it identifies a network operator but no number."""
        return self.e164[: max(2, len(self.e164) - 6)]


def parse_allowed_number(text: str, rules: NumberRules) -> Number:
    """Parse an E.164 number that ``rules`` allow.

    Raises:
        InvalidNumber: the text is not strict E.164, or no such number exists.
        NumberNotAllowed: ``rules`` do not allow the number.
    """
    number = parse_number(text)
    if number.e164 not in rules.test_numbers:
        _check_rules(number, rules)
    return number


def serving_routes(
    routes: Iterable[str], regions: Mapping[str, Collection[str]], region: str
) -> tuple[str, ...]:
    """Return the routes that call numbers of a region, in their order.

    Args:
        routes: names, in the order in which they are tried.
        regions: those that a route is limited to, by its name.
        region: of the number (ISO 3166).
    """
    return tuple(name for name in routes if region in regions.get(name, (region,)))


def parse_number(text: str) -> Number:
    """Parse an E.164 number, whether it is allowed or not.

    Raises:
        InvalidNumber: the text is not strict E.164, or no such number exists.
    """
    if not E164.fullmatch(text):
        raise InvalidNumber(
            "Not an E.164 number: write + and 7 to 15 digits with the calling code, nothing else, "
            "as in +919876543210."
        )
    try:
        parsed = phonenumbers.parse(text)
    except NumberParseException as error:
        raise InvalidNumber("No such calling code.") from error
    number_type = phonenumbers.number_type(parsed)
    # A number is valid if it has a type, so the library's separate check is not needed.
    if number_type == PhoneNumberType.UNKNOWN:
        raise InvalidNumber("This number cannot exist: check its length and prefix.")
    return Number(
        e164=phonenumbers.format_number(parsed, PhoneNumberFormat.E164),
        region=phonenumbers.region_code_for_number(parsed) or "unknown",
        number_type=PhoneNumberType.to_string(number_type).lower(),
    )


def region_of(number: str) -> str:
    """Return the region of a number in E.164 (ISO 3166); ``unknown`` if it is of none."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return "unknown"
    return phonenumbers.region_code_for_number(parsed) or "unknown"


def single_region(regions: Collection[str]) -> str | None:
    """Return the only region; None if there are several."""
    return next(iter(regions)) if len(regions) == 1 else None


def is_number_like(text: str) -> bool:
    """Return whether ``text`` has only digits and signs of phone numbers."""
    return bool(_NUMBER_CHARACTERS.fullmatch(_normalize(text)))


def is_international(text: str) -> bool:
    """Return whether ``text`` is written with ``+``, or as a ``tel:`` URI."""
    return _normalize(text).startswith("+") or bool(_TEL.match(text.strip()))


def parse_written_number(text: str, region: str | None) -> Number:
    """Parse a number in any common notation: spaces and dashes, ``0091…``, ``tel:``, any digits.

    Args:
        text: an operator's input. The calling code can be missing.
        region: the region of numbers without calling code (ISO 3166 alpha-2); None if unknown.

    Raises:
        InvalidNumber: no such number exists, or the text is ambiguous. The message says how to
            write it and does not repeat it.
    """
    plain = _normalize(text)
    if not _NUMBER_CHARACTERS.fullmatch(plain):
        raise InvalidNumber(f"Not a phone number: {_format_hint(region)}.")
    found: dict[str, Number] = {}
    reason: InvalidNumber | None = None
    for candidate in _candidates(plain, region):
        try:
            number = parse_number(candidate)
        except InvalidNumber as error:
            reason = reason or error
        else:
            found[number.e164] = number
    if len(found) > 1:
        raise InvalidNumber(
            "This can be two numbers, with and without the calling code at its beginning: "
            "write + and the calling code."
        )
    if not found:
        raise reason or InvalidNumber(f"The calling code is missing: {_format_hint(region)}.")
    return found.popitem()[1]


def parse_sent_number(text: str, region: str | None) -> Number:
    """Parse a number as another program stores it: E.164 with or without ``+``, or national.

    Args:
        text: the number. Signs, ``00`` and ``tel:`` are accepted, as in
            :func:`parse_written_number`. Nobody can be asked, so no number is ambiguous.
        region: numbers without calling code are national ones of this region (ISO 3166 alpha-2) if
            they exist there; None if the program sends no national numbers.

    Raises:
        InvalidNumber: no such number exists. The message does not repeat it.
    """
    plain = _normalize(text)
    if _NUMBER_CHARACTERS.fullmatch(plain):
        international = "+" + re.sub(r"[^0-9]", "", plain)
        for candidate in (*_candidates(plain, region), international):
            with suppress(InvalidNumber):
                return parse_number(candidate)
    raise InvalidNumber(f"Not a phone number: {_format_hint(region)}.")


def _normalize(text: str) -> str:
    """Return ``text`` in ASCII digits and signs, without direction marks and ``tel:``."""
    composed = unicodedata.normalize("NFKC", text)
    visible = (character for character in composed if unicodedata.category(character) != "Cf")
    without_scheme = _TEL.sub("", "".join(map(_to_ascii, visible)).strip(), count=1).strip()
    return _CALLING_CODE_IN_BRACKETS.sub(r"\1", without_scheme)


def _to_ascii(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character.isspace():
        return " "
    return "-" if unicodedata.category(character) == "Pd" or character == "\u2212" else character


def _candidates(plain: str, region: str | None) -> Iterator[str]:
    """Yield every E.164 number that ``plain`` can mean."""
    digits = re.sub(r"[^0-9]", "", plain)
    if plain.startswith("+"):
        yield _e164(plain, None)
    elif digits.startswith("00"):
        yield _e164(f"+{digits[2:]}", None)
    elif region:
        yield _e164(plain, region)
        significant = digits.lstrip("0")
        if significant.startswith(str(phonenumbers.country_code_for_region(region))):
            yield _e164(f"+{significant}", None)


def _e164(text: str, region: str | None) -> str:
    """Format what libphonenumber parses, whether the number exists or not."""
    with suppress(NumberParseException):
        return phonenumbers.format_number(phonenumbers.parse(text, region), PhoneNumberFormat.E164)
    return text


def _format_hint(region: str | None) -> str:
    code = phonenumbers.country_code_for_region(region) if region else 91
    national = f", or a number of region {region}" if region else ""
    return f"write + and the calling code, as in +{code}…{national}"


def region_of_area(area: str) -> str:
    """Return the region of an area's numbers; ``?`` if it is ambiguous.

    Regions can share a calling code, so the six missing digits are tried with several values.
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
    if number.number_type not in rules.types:
        raise NumberNotAllowed(f"Numbers of type {number.number_type} are not called.")
    for prefix in rules.deny_prefixes:
        if number.e164.startswith(prefix):
            raise NumberNotAllowed(f"Numbers that begin with {prefix} are not called.")
