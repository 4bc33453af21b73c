"""Numbers as users type them into the login page, in any script."""

import pytest

from login_backend.phone_numbers import to_e164


@pytest.mark.parametrize(
    "typed",
    [
        "+919876543210",
        "919876543210",
        "9876543210",
        "09876543210",
        "00919876543210",
        "0091 98765 43210",
        "+91 98765 43210",
        "+91-98765-43210",
        "+91 (98765) 43210",
        "(+91) 98765.43210",
        "+91 098765 43210",
        "tel:+91-98765-43210",
        "  98765\u00a043210\u200e ",
        "\u202a+91 98765 43210\u202c",
        "98765 – 43210",
        "+९१ ९८७६५ ४३२१०",
        "९८७६५४३२१०",
        "٩٨٧٦٥٤٣٢١٠",
        "۹۸۷۶۵۴۳۲۱۰",
        "९876५-43210",
        "＋９１　９８７６５　４３２１０",
    ],
)
def test_to_e164_normalizes_typed_number(typed: str) -> None:
    """With and without country code, with a trunk zero, in any script."""
    assert to_e164(typed, "IN") == "+919876543210"


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        ("07911 123456", "GB", "+447911123456"),
        ("+44 7911 123456", "IN", "+447911123456"),
        ("0044 7911 123456", "IN", "+447911123456"),
        ("4915112345678", "IN", "+4915112345678"),
        ("011 91 98765 43210", "US", "+919876543210"),
        ("(415) 555-2671", "US", "+14155552671"),
    ],
)
def test_to_e164_uses_region_for_national_numbers(typed: str, region: str, number: str) -> None:
    """Other numbers have their country code."""
    assert to_e164(typed, region) == number


@pytest.mark.parametrize(
    "typed", ["", "hello", "98765ABCDE", "12345", "+91 98765 43210 ext. 5", "+", "९" * 40]
)
def test_to_e164_returns_other_text_unchanged(typed: str) -> None:
    """The service rejects it as it was typed."""
    assert to_e164(typed, "IN") == typed
