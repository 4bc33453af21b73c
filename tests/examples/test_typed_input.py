"""Numbers and codes as users type them into the login page, in any script."""

from itertools import count
from typing import Any

import pytest
from examples.browser_users import LoginVisitor, Phone

from login_backend.phone_numbers import to_e164
from otpvoice_demo.stack import Stack

_NUMBERS = count(9_876_500_001, 1_000_003)
"""Far enough apart to share no limit."""


def _devanagari(digits: str) -> str:
    return digits.translate(str.maketrans("0123456789", "०१२३४५६७८९"))


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


@pytest.fixture
def phone(stack: Stack) -> Phone:
    """A phone with a number that libphonenumber takes for a mobile one."""
    return Phone(stack, f"+91{next(_NUMBERS)}")


def _with_separators(code: str) -> str:
    return f" {'-'.join(code[:2])}, ({code[2:4]}) {', '.join(code[4:])}. \u200f"


def _in_every_script(code: str) -> str:
    """Write a code in Arabic-Indic, fullwidth and ASCII digits, by turns."""
    scripts = ("٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "0123456789")
    return "".join(digits[int(digit)] for digit, digits in zip(code, scripts * 4, strict=False))


def test_login_normalizes_typed_number_and_code(visitor: LoginVisitor, phone: Phone) -> None:
    """The API gets ASCII digits only. A short code is not sent, so it costs no attempt."""
    visitor.request_call(_devanagari(phone.number.removeprefix("+")))
    code = phone.wait_for_code()
    sent: list[tuple[str, Any]] = []
    visitor.page.on("request", lambda request: sent.append((request.url, request.post_data_json)))
    visitor.enter_code(code[:4])
    visitor.expect_text("Please enter all 6 digits of the code.")
    visitor.enter_code(_with_separators(_in_every_script(code)))
    visitor.expect_text("You are logged in", f"Your number {phone.number} is verified.")
    assert [body for url, body in sent if url.endswith("/checks")] == [{"code": code}]
