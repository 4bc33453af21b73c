"""Numbers and codes as users type them into the login page, in any script."""

import re
from collections.abc import Callable
from itertools import count

import pytest
from examples.browser_users import LoginVisitor, Phone
from playwright.sync_api import Page

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


def test_login_with_devanagari_number_and_grouped_code(visitor: LoginVisitor, phone: Phone) -> None:
    """The number has no +, and the code has a space."""
    visitor.request_call(_devanagari(phone.number.removeprefix("+")))
    code = phone.wait_for_code()
    visitor.enter_code(f"{code[:3]} {code[3:]}")
    visitor.expect_text("You are logged in", f"Your number {phone.number} is verified.")


def _in_every_script(code: str) -> str:
    """Write a code in Arabic-Indic, fullwidth and ASCII digits, by turns."""
    scripts = ("٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "0123456789")
    return "".join(digits[int(digit)] for digit, digits in zip(code, scripts * 4, strict=False))


@pytest.mark.parametrize(
    "write",
    [
        _in_every_script,
        lambda code: f" {'-'.join(code[:2])}, ({code[2:4]}) {', '.join(code[4:])}. \u200f",
    ],
    ids=["scripts", "separators"],
)
def test_login_normalizes_typed_code(
    visitor: LoginVisitor, phone: Phone, write: Callable[[str], str]
) -> None:
    """The API gets ASCII digits only."""
    visitor.request_call(phone.number)
    code = phone.wait_for_code()
    with visitor.page.expect_request("**/checks") as sent:
        visitor.enter_code(write(code))
    assert sent.value.post_data_json == {"code": code}
    visitor.expect_text("You are logged in")


def test_login_short_code_costs_no_attempt(visitor: LoginVisitor, phone: Phone) -> None:
    """It is not sent; the next code may be right."""
    visitor.request_call(phone.number)
    code = phone.wait_for_code()
    visitor.enter_code(code[:4])
    visitor.expect_text("Please enter all 6 digits of the code.")
    visitor.enter_code(code)
    visitor.expect_text("You are logged in")


def test_ascii_digits_converts_every_script(visitor: LoginVisitor) -> None:
    """Compared with Python's table of decimal digits."""
    visitor.page.wait_for_load_state()
    wrong = _wrong_digits(visitor.page)
    assert wrong == []


def _wrong_digits(page: Page) -> list[str]:
    digits = {chr(point): str(value) for point in range(0x11FFF) if (value := _decimal(point)) >= 0}
    return list(
        page.evaluate(
            """async (digits) => {
              const { asciiDigits } = await import('/otpvoice-client/digits.js')
              return Object.keys(digits).filter((digit) => asciiDigits(digit) !== digits[digit])
            }""",
            digits,
        )
    )


def _decimal(point: int) -> int:
    character = chr(point)
    return int(character) if re.fullmatch(r"\d", character) else -1
