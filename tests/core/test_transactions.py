"""Transactions: what is taken, what is spoken, and when two are equal."""

import re
import unicodedata
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.requests import TransactionRequest, bound_parts
from otpvoice.core.texts import fill_text
from otpvoice.core.transactions import (
    CURRENCIES,
    MAX_PAYEE,
    Transaction,
    is_amount,
    spoken_variables,
)

AMOUNTS = st.decimals(
    min_value=Decimal("0.001"), max_value=Decimal(9_999_999_999), places=3, allow_nan=False
).map(lambda amount: f"{amount:f}")


def error_pointers(amount: str = "2500.00", currency: str = "INR", payee: str = "ACME") -> str:
    """Return the pointers of the errors, joined."""
    errors = TransactionRequest(amount, currency, payee).field_errors()
    assert all(each.detail for each in errors)
    return " ".join(each.pointer for each in errors)


def canonical(amount: str = "2500", currency: str = "INR", payee: str = "ACME Stores") -> str:
    """Return the canonical form of a transaction as a request brings it."""
    (form,) = bound_parts(TransactionRequest(amount, currency, payee))
    return form


@pytest.mark.parametrize(
    "amount", ["1", "2500", "2500.00", "0.5", "0.001", "9999999999999", "9999999999.999"]
)
def test_decimal_numbers_above_zero_are_amounts(amount: str) -> None:
    assert not error_pointers(amount)


@pytest.mark.parametrize(
    "amount",
    [
        *("", " ", "0", "0.00", "-1", "+1", "1e9", "1E3", "0x10", "1_000", "1,000", "1.000,50"),
        *("007", "00.5", ".5", "5.", "1.2345", "1.2.3", " 1", "1 ", "1\n", "१००", "１００", "₹1"),
        *("NaN", "Infinity", "1/2", "99999999999999", "99999999999.999", "9" * 5000, "1;2"),
    ],
)
def test_other_texts_are_no_amounts(amount: str) -> None:
    """Signs, exponents, grouping, other scripts, zero, zeros in front, and more than 13 digits."""
    assert error_pointers(amount) == "/amount"


@given(AMOUNTS)
def test_every_amount_of_the_contract_is_taken(amount: str) -> None:
    assert is_amount(amount)


@given(st.text(max_size=20))
def test_what_is_taken_is_a_positive_decimal_of_13_ascii_digits(text: str) -> None:
    if is_amount(text):
        assert text.isascii()
        assert Decimal(text) > 0
        assert sum(map(str.isdigit, text)) <= 13


@given(st.from_regex(r"-?[0-9]{0,15}(\.[0-9]{0,4})?e?", fullmatch=True))
def test_published_pattern_matches_the_accepted_amounts(text: str) -> None:
    """A client that validates by the OpenAPI document refuses what the service refuses."""
    schema = msgspec.json.schema(TransactionRequest)
    amount = schema["$defs"]["TransactionRequest"]["properties"]["amount"]
    matches = re.search(amount["pattern"], text) and len(text) <= amount["maxLength"]
    assert bool(matches) == is_amount(text)


@pytest.mark.parametrize("currency", ["INR", "USD", "EUR", "JPY", "KWD", "XCG", "ZWG", "SLE"])
def test_currencies_of_the_list_are_taken(currency: str) -> None:
    assert not error_pointers(currency=currency)


@pytest.mark.parametrize(
    "currency", ["", "inr", "Inr", "IN", "INRS", "₹", "XXX", "XTS", "XAU", "AAA", "356", "INR\n"]
)
def test_other_currencies_are_refused(currency: str) -> None:
    """Also codes of ISO 4217 that are no currency, and its numbers."""
    assert error_pointers(currency=currency) == "/currency"


def test_list_of_currencies_has_codes_only() -> None:
    """And none that was withdrawn."""
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert not CURRENCIES & {"HRK", "BGN", "ANG", "SLL", "ZWL", "CUC", "MRO", "STD", "BYR", "VEF"}


@pytest.mark.parametrize(
    ("payee", "spoken"),
    [
        ("ACME Stores", "ACME Stores"),
        ("  O’Brien\t& Sons ", "O'Brien Sons"),
        ("शर्मा जनरल स्टोर", "शर्मा जनरल स्टोर"),
        ("ஆனந்த பவன்", "ஆனந்த பவன்"),
        ("24/7 Kirana", "Kirana"),
        ("{otp}", "otp"),
        ("{{otp@digits}} Shop", "otpdigits Shop"),
        ("<break time='9s'/> Shop", "break time's' Shop"),
        ("Shop\u202e\u200b", "Shop"),
    ],
)
def test_payee_is_cleaned_as_a_name_is(payee: str, spoken: str) -> None:
    """Nothing of a template or of markup reaches a voice, and no digit that sounds like a code."""
    request = TransactionRequest("1", "INR", payee)
    assert not request.field_errors()
    assert request.to_transaction().payee == spoken


@pytest.mark.parametrize(
    "payee",
    ["", " ", "12345", "{{", "<>", "🏪", "null", "{{name}}", "\u200b", "x" * 31, "x" * 10240],
)
def test_payee_that_cannot_be_spoken_whole_is_refused(payee: str) -> None:
    """It is not cut: two payees would become one."""
    assert error_pointers(payee=payee) == "/payee"


def test_payee_length_counts_what_is_spoken() -> None:
    assert not error_pointers(payee="x" * MAX_PAYEE + "  123456789 ")
    assert error_pointers(payee=f"{'x' * MAX_PAYEE} y") == "/payee"


@given(st.text())
def test_taken_payee_has_only_letters_marks_and_four_signs(payee: str) -> None:
    if not error_pointers(payee=payee):
        spoken = TransactionRequest("1", "INR", payee).to_transaction().payee
        assert 0 < len(spoken) <= MAX_PAYEE
        assert all(each in " '-." or unicodedata.category(each)[0] in "LM" for each in spoken)


def test_errors_of_all_members_are_reported_together() -> None:
    assert error_pointers("1e9", "inr", "") == "/amount /currency /payee"


@pytest.mark.parametrize("amount", ["2500", "2500.0", "2500.00", "2500.000"])
def test_equal_amounts_have_one_canonical_form(amount: str) -> None:
    assert canonical(amount) == canonical("2500")


@pytest.mark.parametrize(
    "other",
    [
        canonical("2500.01"),
        canonical("250"),
        canonical("25000"),
        canonical("2500.001"),
        canonical(currency="USD"),
        canonical(payee="ACME Store"),
        canonical(payee="acme stores"),
    ],
)
def test_other_transactions_have_another_canonical_form(other: str) -> None:
    assert other != canonical()


@given(AMOUNTS, AMOUNTS)
def test_canonical_forms_are_equal_if_the_amounts_are(first: str, second: str) -> None:
    are_equal = Decimal(first) == Decimal(second)
    assert (canonical(first) == canonical(second)) == are_equal
    assert canonical(f"{Decimal(first).normalize():f}") == canonical(first)


def test_no_transaction_adds_nothing_to_a_digest() -> None:
    assert bound_parts(None) == ()


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "spoken"),
    [
        ("2500.00", "INR", "default", "2500 rupees"),
        ("2500.0", "INR", "en-in", "2500 rupees"),
        ("2500.50", "INR", "hi", "2500.50 रुपये"),
        ("2500", "INR", "ta-in", "2500 ரூபாய்"),
        ("39.99", "EUR", "hi", "39.99 EUR"),
        ("100", "JPY", "default", "100 JPY"),
        ("0.500", "KWD", "default", "0.500 KWD"),
    ],
)
def test_spoken_amount_has_its_currency(
    amount: str, currency: str, locale: str, spoken: str
) -> None:
    """Rupees in the language of the flow; other currencies by their code."""
    assert Transaction(amount, currency, "ACME").spoken_amount(locale) == spoken


def test_spoken_variables_fill_a_text_in() -> None:
    """Without a transaction they speak nothing."""
    paid = Transaction("2500.00", "INR", "ACME Stores")
    text = "Pay {amount} to {{ payee }}: {otp}"
    assert fill_text(text, spoken_variables(paid, "hi")) == "Pay 2500 रुपये to ACME Stores: {otp}"
    assert fill_text(text, spoken_variables(None, "hi")) == "Pay  to : {otp}"


def test_transaction_is_hidden_in_its_repr() -> None:
    assert repr(Transaction("2500.00", "INR", "ACME")) == "Transaction(...)"
