"""Normalization of phone numbers as users type them, because the service accepts E.164 only."""

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import phonenumbers

_INVISIBLE: Final = "Cf"
"""Unicode category of direction marks and the like, which a copied number can contain."""


def to_e164(typed: str, region: str) -> str:
    """Return the typed number in E.164, or the text itself if it is not a number.

    Digits of any script are accepted, with spaces, dashes, dots and parentheses. A number with
    ``+`` or an international prefix (``00``) has its country code. Any other number is a national
    number of the region, or begins with its country code if the region has no such number.

    Args:
        typed: the text that the user typed.
        region: ISO 3166 code, two capital letters.
    """
    normalized = unicodedata.normalize("NFKC", typed)
    text = "".join(c for c in normalized if unicodedata.category(c) != _INVISIBLE).strip()
    if any(map(str.isalpha, text.removeprefix("tel:"))):
        return typed  # letters and extensions are not guessed
    candidates = [*_interpretations(text, region), *_interpretations(f"+{text}", region)]
    for accepts in (phonenumbers.is_valid_number, phonenumbers.is_possible_number):
        for number in filter(accepts, candidates):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return typed


def _interpretations(text: str, region: str) -> Iterator[phonenumbers.PhoneNumber]:
    with suppress(phonenumbers.NumberParseException):
        yield phonenumbers.parse(text, region)
