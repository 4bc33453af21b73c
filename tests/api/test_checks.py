"""``POST …/checks``: which codes are compared, what a check costs, and when it is rejected."""

from typing import Any

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, ApiClient, ManualDialer, assert_problem, pointers

NOT_CODES = [
    "१२३४५६",
    "１２３４５６",
    "123456\n",
    "\n123456",
    " 123456",
    "123456 ",
    "12345６",
    "+12345",
    "0x1234",
    "1e5555",
    "123",
    "1" * 11,
    "123456123456",
    "",
    "123456\x00",
    123456,
    123456.0,
    None,
    True,
    ["123456"],
    {"code": "123456"},
]


def checks_left(api: ApiClient, verification: dict[str, Any]) -> int:
    """Return the number of checks checks_left."""
    found: int = api.get_verification(verification)["checks_left"]
    return found


def test_correct_code_is_accepted_once(api: ApiClient) -> None:
    """200 with the approved object; again: 409 with that object."""
    created = api.create(code="0123")
    response = api.check(created, "0123")
    assert (response.status_code, response.content_type) == (200, "application/json")
    shown = response.get_json()
    assert shown["valid"] is True
    assert (shown["status"], shown["reason"], shown["checks_left"]) == ("approved", None, 5)
    again = assert_problem(api.check(created, "0123"), 409, "verification_closed")
    assert again["verification"] == {
        k: v for k, v in shown.items() if k not in {"valid", "receipt"}
    }


def test_generated_code_is_accepted(api: ApiClient, dialer: ManualDialer) -> None:
    """The code that the call speaks is correct."""
    created = api.create()
    _, code, _ = dialer.decrypt(dialer.place())
    assert api.check(created, code).get_json()["valid"] is True


def test_wrong_code_costs_one_check(api: ApiClient) -> None:
    """200 with ``valid: false``; the verification stays pending."""
    created = api.create(code="123456")
    response = api.check(created, "000000")
    shown = response.get_json()
    assert (response.status_code, shown["valid"], shown["status"]) == (200, False, "pending")
    assert (shown["checks_left"], checks_left(api, created)) == (4, 4)
    assert shown["next"]["check"]["allowed"] is True


def test_last_wrong_code_ends_the_verification(api: ApiClient, dialer: ManualDialer) -> None:
    """``max_attempts_reached``: the correct code is rejected and no call is placed."""
    created = api.create(code="123456")
    shown = [api.check(created, f"00000{n}").get_json() for n in range(5)]
    assert [each["checks_left"] for each in shown] == [4, 3, 2, 1, 0]
    ended = shown[-1]
    assert (ended["status"], ended["reason"]) == ("max_attempts_reached", None)
    assert ended["valid"] is False
    assert ended["ended_at"] is not None
    for code in ("123456", "000004"):
        body = assert_problem(api.check(created, code), 409, "verification_closed")
        assert body["verification"]["status"] == "max_attempts_reached"
    assert dialer.has_nothing_due()


@pytest.mark.parametrize("code", NOT_CODES)
def test_malformed_code_returns_422_and_costs_nothing(api: ApiClient, code: Any) -> None:
    """The correct code is still accepted."""
    created = api.create(code="123456")
    body = assert_problem(api.check(created, code), 422, "invalid_request")
    assert pointers(body) == ["/code"]
    assert checks_left(api, created) == 5
    assert api.check(created, "123456").get_json()["valid"] is True


@pytest.mark.parametrize("code", ["12345", "1234567", "1234", "0123456789"])
def test_code_of_wrong_length_returns_422_and_costs_nothing(api: ApiClient, code: str) -> None:
    """The error contains the verification with its ``code_length``."""
    created = api.create(code="123456")
    body = assert_problem(api.check(created, code), 422, "invalid_request")
    assert pointers(body) == ["/code"]
    assert (body["verification"]["checks_left"], body["verification"]["code_length"]) == (5, 6)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({}, "/code"),
        ({"Code": "123456"}, "/Code"),
        ({"code": "123456", "valid": True}, "/valid"),
    ],
)
def test_check_with_missing_or_unknown_member_returns_422(
    api: ApiClient, members: dict[str, Any], pointer: str
) -> None:
    """It costs no check."""
    created = api.create(code="123456")
    body = assert_problem(api.act(created, "checks", members), 422, "invalid_request")
    assert pointers(body) == [pointer]
    assert checks_left(api, created) == 5


def test_check_without_body_returns_422(api: ApiClient) -> None:
    """The empty object has no code."""
    created = api.create()
    response = api.post(f"{VERIFICATIONS}/{created['id']}/checks")
    assert pointers(assert_problem(response, 422, "invalid_request")) == ["/code"]


def test_check_of_canceled_returns_409(api: ApiClient) -> None:
    """With the canceled object."""
    created = api.create(code="1234")
    api.act(created, "cancel")
    body = assert_problem(api.check(created, "1234"), 409, "verification_closed")
    assert (body["verification"]["status"], body["verification"]["reason"]) == (
        "canceled",
        "requested",
    )


def test_code_of_another_verification_is_wrong(api: ApiClient) -> None:
    """It costs a check, also if both belong to one client."""
    a = api.create(code="111111")
    b = api.create("+919876543211", code="222222")
    response = api.check(b, "111111").get_json()
    assert (response["valid"], response["checks_left"]) == (False, 4)
    assert checks_left(api, a) == 5


def test_own_code_is_accepted_before_the_call(api: ApiClient, dialer: ManualDialer) -> None:
    """The SMS arrived: the delayed call is removed."""
    created = api.create(code="1234", call_after=30)
    shown = api.check(created, "1234").get_json()
    assert [(c["status"], c["reason"]) for c in shown["calls"]] == [("canceled", "ended_first")]
    api.advance_time(31)
    assert dialer.has_nothing_due()


def test_malformed_code_returns_the_same_422_for_any_id(api: ApiClient) -> None:
    """It does not reveal whether a verification exists."""
    created = api.as_bank().create(code="123456")
    bodies = []
    for name in (created["id"], UNKNOWN):
        response = api.post(f"{VERIFICATIONS}/{name}/checks", {"code": "१२३४५६"})
        bodies.append(assert_problem(response, 422, "invalid_request") | {"instance": None})
    assert bodies[0] == bodies[1]
