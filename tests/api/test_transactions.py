"""``transaction``: payments that a code authorises, from the create to the receipt."""

import json
from typing import Any

import jwt
import pytest
from api.api_client import VERIFICATIONS, ApiClient, ManualDialer, assert_problem
from support.service import ASHA

RENT = {"amount": "2500.00", "currency": "INR", "payee": "ACME Stores"}
FOOD = RENT | {"amount": "250.00"}
CODE = "123456"
CHECKS = "/v1/checks"
OTHERS = [None, FOOD, RENT | {"currency": "USD"}, RENT | {"payee": "ACME Store"}]


def check(
    api: ApiClient, created: dict[str, Any], transaction: dict[str, str] | None, code: str = CODE
) -> dict[str, Any]:
    """Check a code with a transaction, or without one; return the object."""
    members = {"code": code} | ({"transaction": transaction} if transaction else {})
    response = api.act(created, "checks", members)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.get_json()
    return shown


def claims_of(receipt: str) -> dict[str, Any]:
    """Return a receipt's claims; the tests of receipts verify signatures."""
    claims: dict[str, Any] = jwt.decode(receipt, options={"verify_signature": False})
    return claims


def test_payment_is_authorised_by_its_code_and_shown_everywhere(api: ApiClient) -> None:
    """In the object of each request, in the problem after the end, and in the receipt."""
    created = api.create(code=CODE, transaction=RENT)
    assert created["transaction"] == RENT
    assert api.get_verification(created)["transaction"] == RENT
    assert api.post("/v1/lookups", {"to": ASHA}).get_json()["transaction"] == RENT
    app = api.with_key(created["client_token"])
    assert app.get_verification(created)["transaction"] == RENT
    shown = check(app, created, RENT)
    assert (shown["valid"], shown["transaction"]) == (True, RENT)
    assert claims_of(shown["receipt"])["transaction"] == RENT
    closed = assert_problem(api.act(created, "checks", {"code": CODE}), 409, "verification_closed")
    assert closed["verification"]["transaction"] == RENT


def test_verification_without_payment_has_none(api: ApiClient) -> None:
    created = api.create(code=CODE)
    assert created["transaction"] is None
    assert "transaction" not in claims_of(check(api, created, None)["receipt"])


def test_null_is_no_transaction(api: ApiClient) -> None:
    created = api.create(code=CODE, transaction=None)
    assert api.act(created, "checks", {"code": CODE, "transaction": None}).get_json()["valid"]


def test_payee_is_shown_as_it_is_spoken(api: ApiClient) -> None:
    """And a check may bring it as the create did, or as it is shown."""
    for payee in ("<b>ACME</b> & Sons 24x7", "bACMEb Sons x"):
        created = api.create(code=CODE, transaction=RENT | {"payee": "<b>ACME</b> & Sons 24x7"})
        assert created["transaction"]["payee"] == "bACMEb Sons x"
        assert check(api, created, RENT | {"payee": payee})["valid"]


@pytest.mark.parametrize("other", OTHERS)
def test_right_code_with_another_transaction_is_a_wrong_code(
    api: ApiClient, other: dict[str, str] | None
) -> None:
    """It costs one check, the same pair again none; by id and by number."""
    created = api.create(code=CODE, transaction=RENT)
    for _ in range(2):
        shown = check(api, created, other)
        assert (shown["valid"], shown["status"], shown["checks_left"]) == (False, "pending", 4)
        assert "receipt" not in shown
    by_number = {"to": ASHA, "code": CODE, "transaction": other}
    for _ in range(2):
        shown = api.post(CHECKS, by_number).get_json()
        assert (shown["valid"], shown["checks_left"]) == (False, 3)
    assert api.post(CHECKS, by_number | {"transaction": RENT}).get_json()["valid"]


def test_guess_limit_holds_over_transactions(api: ApiClient) -> None:
    """The right code with five other payments uses up the checks."""
    created = api.create(code=CODE, transaction=RENT)
    tried = [check(api, created, RENT | {"amount": f"{n}"}) for n in range(1, 6)]
    assert [each["checks_left"] for each in tried] == [4, 3, 2, 1, 0]
    assert tried[-1]["status"] == "max_attempts_reached"
    right = api.act(created, "checks", {"code": CODE, "transaction": RENT})
    assert_problem(right, 409, "verification_closed")


def test_amount_may_be_written_with_other_zeros(api: ApiClient) -> None:
    """The object and the receipt keep what the create sent."""
    created = api.create(code=CODE, transaction=RENT)
    again = api.create_again(code=CODE, transaction=RENT | {"amount": "2500"})
    assert (again["id"], again["transaction"]) == (created["id"], RENT)
    shown = check(api, created, RENT | {"amount": "2500.0"})
    assert claims_of(shown["receipt"])["transaction"] == RENT


@pytest.mark.parametrize("other", OTHERS)
def test_create_with_another_transaction_supersedes(
    api: ApiClient, other: dict[str, str] | None
) -> None:
    """Its code does not authorise the newer payment, nor the other way round."""
    created = api.create(transaction=RENT, reference="order-7")
    newer = api.create(transaction=other, reference="order-7")
    old = api.get_verification(created)
    assert (old["status"], old["reason"], old["transaction"]) == ("canceled", "superseded", RENT)
    assert newer["transaction"] == other


def test_repeated_create_with_idempotency_key_returns_the_same(api: ApiClient) -> None:
    """Another transaction under the key is a mismatch, not another payment."""
    body = {"to": ASHA, "transaction": RENT}
    headers = {"Idempotency-Key": "order-7"}
    first, second = (
        api.post_raw(VERIFICATIONS, json.dumps(body).encode(), **headers) for _ in range(2)
    )
    assert (first.status_code, second.get_json()["id"]) == (201, first.get_json()["id"])
    assert second.get_json()["transaction"] == RENT
    other = json.dumps(body | {"transaction": FOOD}).encode()
    assert_problem(api.post_raw(VERIFICATIONS, other, **headers), 422, "idempotency_mismatch")


def test_approve_keeps_the_transaction(api: ApiClient) -> None:
    created = api.create(transaction=RENT)
    assert api.act(created, "approve").get_json()["transaction"] == RENT


def test_call_speaks_the_payment(api: ApiClient, dialer: ManualDialer) -> None:
    api.create(transaction=RENT)
    assert dialer.decrypt_transaction(dialer.place()) == ("2500.00", "INR", "ACME Stores")


AMOUNT = "must be a decimal number above zero, such as 2500.00"
TEXT = 'must be a string of at most 14 characters, such as "2500.00"'


@pytest.mark.parametrize(
    ("members", "faults"),
    [
        ({"amount": "1e9"}, {"/amount": AMOUNT}),
        ({"amount": "-1"}, {"/amount": AMOUNT}),
        ({"amount": "1,000"}, {"/amount": AMOUNT}),
        ({"amount": "१००"}, {"/amount": AMOUNT}),
        ({"amount": "0"}, {"/amount": AMOUNT}),
        ({"amount": "007"}, {"/amount": AMOUNT}),
        ({"amount": 2500}, {"/amount": TEXT}),
        ({"amount": 2500.5}, {"/amount": TEXT}),
        ({"amount": None}, {"/amount": TEXT}),
        ({"currency": "inr"}, {"/currency": "must be the ISO 4217 code of a currency"}),
        ({"currency": 356}, {"/currency": 'must be a string, such as "INR"'}),
        ({"payee": "{{"}, {"/payee": "must have letters"}),
        ({"payee": "x" * 10_240}, {"/payee": "must have at most 30 characters"}),
        ({"payee": ["ACME"]}, {"/payee": 'must be a string, such as "ACME Stores"'}),
        ({"ammount": "1"}, {"/ammount": "is unknown; did you mean amount?"}),
        (
            {"amount": "0", "currency": "", "payee": ""},
            {"/amount": AMOUNT, "/currency": "must be", "/payee": "must have letters"},
        ),
    ],
)
@pytest.mark.parametrize("where", ["create", "check", "check by number"])
def test_bad_transaction_is_refused_with_its_pointers(
    api: ApiClient, where: str, members: dict[str, Any], faults: dict[str, str]
) -> None:
    """422 that says what is taken; nothing is created or counted."""
    body = {"to": ASHA, "code": CODE, "transaction": RENT | members}
    created = api.create(code=CODE, transaction=RENT)
    if where == "create":
        response = api.post(VERIFICATIONS, body)
    elif where == "check":
        response = api.act(
            created, "checks", {name: body[name] for name in ("code", "transaction")}
        )
    else:
        response = api.post(CHECKS, body)
    problem = assert_problem(response, 422, "invalid_request")
    found = {each["pointer"]: each["detail"] for each in problem["errors"]}
    assert found.keys() == {f"/transaction{pointer}" for pointer in faults}
    for pointer, detail in faults.items():
        assert found[f"/transaction{pointer}"].startswith(detail)
    assert api.get_verification(created)["checks_left"] == 5


@pytest.mark.parametrize(
    ("transaction", "detail"),
    [
        ("2500.00 INR", "must be an object with the members amount, currency, payee"),
        ([RENT], "must be an object with the members amount, currency, payee"),
        (2500, "must be an object with the members amount, currency, payee"),
    ],
)
def test_transaction_that_is_no_object_is_refused(
    api: ApiClient, transaction: Any, detail: str
) -> None:
    problem = assert_problem(api.create_response(transaction=transaction), 422, "invalid_request")
    assert problem["errors"] == [{"pointer": "/transaction", "detail": detail}]


def test_incomplete_transaction_names_what_is_missing(api: ApiClient) -> None:
    problem = assert_problem(
        api.create_response(transaction={"amount": "1"}), 422, "invalid_request"
    )
    assert [each["pointer"] for each in problem["errors"]] == [
        "/transaction/currency",
        "/transaction/payee",
    ]
