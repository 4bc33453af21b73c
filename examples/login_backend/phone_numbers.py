"""Phone numbers as people type them, in the form that the service takes: the service is strict."""

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import phonenumbers

_INVISIBLE: Final = "Cf"
"""Unicode's category of direction marks and the like, which come along with a copied number."""


def to_e164(typed: str, region: str) -> str:
    """Return the number that was typed, in E.164, or the text itself if it is no number.

    Digits of any script are read, with spaces, dashes, dots and parentheses. A number with ``+`` or
    an international prefix (``00``) has its calling code. One without is a number of the region, or
    begins with its calling code if the region has no such number.

    Args:
        typed: what the person typed.
        region: ISO 3166 code of two letters, in capitals.
    """
    wide = unicodedata.normalize("NFKC", typed)
    text = "".join(c for c in wide if unicodedata.category(c) != _INVISIBLE).strip()
    if any(map(str.isalpha, text.removeprefix("tel:"))):
        return typed  # letters and extensions: nothing is guessed
    found = [*_interpretations(text, region), *_interpretations(f"+{text}", region)]
    for is_one in (phonenumbers.is_valid_number, phonenumbers.is_possible_number):
        for number in filter(is_one, found):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return typed


def _interpretations(text: str, region: str) -> Iterator[phonenumbers.PhoneNumber]:
    with suppress(phonenumbers.NumberParseException):
        yield phonenumbers.parse(text, region)
