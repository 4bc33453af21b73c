"""``Amount`` and ``Payee``: payments in the format of Twilio Verify."""

from typing import Any

import pytest
from api.api_client import ApiClient
from api.twilio_verify.twilio_client import CHECK, VERIFICATIONS, TwilioClient, assert_error
from flask import Flask
from support.service import ASHA

from otpvoice.store.redis_store import RedisStore

CODE = "471102"
RENT = {"Amount": "₹2500.00", "Payee": "ACME Stores"}


def check(twilio: TwilioClient, **form: str) -> Any:
    """Check the code of the number and return the resource."""
    response = twilio.post(CHECK, To=ASHA, **{"Code": CODE, **form})
    assert response.status_code == 200, response.text
    return response.get_json()


def test_payment_is_approved_with_its_amount_and_payee(twilio: TwilioClient) -> None:
    """Whichever way the same amount is written; all resources show it."""
    created = twilio.create(CustomCode=CODE, **RENT)
    shown = ("2500.00 INR", "ACME Stores")
    assert (created["amount"], created["payee"]) == shown
    assert (
        twilio.create(CustomCode=CODE, Amount="INR 2500", Payee="ACME Stores")["sid"]
        == (created["sid"])
    )
    fetched = twilio.fetch(created["sid"]).get_json()
    assert (fetched["amount"], fetched["payee"]) == shown
    checked = check(twilio, Amount=created["amount"], Payee=created["payee"])
    assert (checked["status"], checked["amount"], checked["payee"]) == ("approved", *shown)


@pytest.mark.parametrize(
    "other",
    [
        {},
        RENT | {"Amount": "2500.01 INR"},
        RENT | {"Amount": "€2500"},
        RENT | {"Payee": "ACME Store"},
    ],
)
@pytest.mark.parametrize("by_sid", [False, True])
def test_right_code_for_another_payment_is_pending(
    twilio: TwilioClient, other: dict[str, str], by_sid: bool
) -> None:
    """And costs one check; the same request again costs none."""
    created = twilio.create(CustomCode=CODE, **RENT)
    name = {"VerificationSid": created["sid"]} if by_sid else {}
    for _ in range(6):
        checked = check(twilio, **name, **other)
        assert (checked["status"], checked["valid"]) == ("pending", False)
    assert check(twilio, **name, **RENT)["valid"]


def test_another_payment_begins_another_verification(twilio: TwilioClient) -> None:
    first = twilio.create(CustomCode=CODE, **RENT)
    second = twilio.create(CustomCode=CODE, **RENT | {"Payee": "Corner Shop"})
    assert first["sid"] != second["sid"]
    assert_error(twilio.fetch(first["sid"]), 404, 20404)


def test_payment_is_the_same_in_the_api_of_the_service(
    twilio: TwilioClient, twilio_app: Flask, store: RedisStore
) -> None:
    created = twilio.create(**RENT)
    api = ApiClient(twilio_app, store)
    shown = api.get_verification({"id": created["sid"].replace("VE", "vrf_")})
    assert shown["transaction"] == {
        "amount": "2500.00",
        "currency": "INR",
        "payee": "ACME Stores",
    }


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("INR 2500.00", "2500.00 INR"),
        ("2500.00INR", "2500.00 INR"),
        (" €39.99 ", "39.99 EUR"),
        ("39.99 €", "39.99 EUR"),
        ("£0.5", "0.5 GBP"),
        ("USD 1", "1 USD"),
    ],
)
def test_amount_has_its_currency_before_or_after(
    twilio: TwilioClient, amount: str, shown: str
) -> None:
    assert twilio.create(Amount=amount, Payee="ACME")["amount"] == shown


@pytest.mark.parametrize("present", ["Amount", "Payee"])
@pytest.mark.parametrize("path", [VERIFICATIONS, CHECK])
def test_half_a_payment_is_60206(twilio: TwilioClient, path: str, present: str) -> None:
    """``'Amount' & 'Payee' params are required``."""
    form = {"To": ASHA, "Channel": "call", "Code": CODE, present: RENT[present]}
    missing = "Payee" if present == "Amount" else "Amount"
    error = assert_error(twilio.post(path, **form), 400, 60206)
    assert error["message"] == f"Invalid parameter `{missing}`: is required with {present}"


@pytest.mark.parametrize(
    ("members", "parameter"),
    [
        ({"Amount": "39.99"}, "Amount"),
        ({"Amount": "$39.99"}, "Amount"),
        ({"Amount": "INR 39.99 INR"}, "Amount"),
        ({"Amount": "₹2,500.00"}, "Amount"),
        ({"Amount": "₹-1"}, "Amount"),
        ({"Amount": "₹0"}, "Amount"),
        ({"Amount": "₹1e9"}, "Amount"),
        ({"Amount": "₹१००"}, "Amount"),
        ({"Amount": "1 XXX"}, "Amount"),
        ({"Amount": "x" * 10_000}, "Amount"),
        ({"Payee": "{{"}, "Payee"),
        ({"Payee": "x" * 31}, "Payee"),
    ],
)
@pytest.mark.parametrize("path", [VERIFICATIONS, CHECK])
def test_bad_payment_is_60200_and_names_the_parameter(
    twilio: TwilioClient, path: str, members: dict[str, str], parameter: str
) -> None:
    """A sign of several currencies is none."""
    form = {"To": ASHA, "Channel": "call", "Code": CODE, **RENT, **members}
    error = assert_error(twilio.post(path, **form), 400, 60200)
    assert error["message"].startswith(f"Invalid parameter `{parameter}`: must ")
