"""A call for a payment, with the real adapter and the sandbox's phone."""

import pytest
from support.service import ASHA, ClientAndDialer, SandboxPhones

from otpvoice.core.requests import TransactionRequest


@pytest.mark.parametrize("route", ["obd", "c2c"])
def test_phone_gets_amount_and_payee_as_variables(
    harness: ClientAndDialer, phones: SandboxPhones, route: str
) -> None:
    """By both routes, in the language of the flow. A call of a login has none."""
    rent = TransactionRequest("2500.00", "INR", "{{otp}} <break/> शर्मा स्टोर")
    harness.create(transaction=rent, locale="hi", route=route)
    assert harness.dial_next()
    (call,) = phones.calls(ASHA)
    assert call["route"] == route
    assert call["variables"]["amount"] == "2500 रुपये"
    assert call["variables"]["payee"] == "otp break शर्मा स्टोर"
    other = "+919812345678"
    harness.create(other, route=route)
    assert harness.dial_next()
    assert phones.calls(other)[0]["variables"].keys() == {"Name", "otp"}
