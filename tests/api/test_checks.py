"""``POST …/checks``: what is compared, what it costs, and when nothing is compared any more."""

from typing import Any

import pytest
from api.door import UNKNOWN, VERIFICATIONS, Door, HandDialer, pointers, problem

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


def left(door: Door, verification: dict[str, Any]) -> int:
    """How many checks it has left."""
    found: int = door.looks(verification)["checks_left"]
    return found


def test_the_right_code_is_accepted_once(door: Door) -> None:
    """200 with ``valid: true`` and the approved object; again: 409 with that object."""
    began = door.asks(code="0123")
    answer = door.checks(began, "0123")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    shown = answer.get_json()
    assert shown["valid"] is True
    assert (shown["status"], shown["reason"], shown["checks_left"]) == ("approved", None, 5)
    again = problem(door.checks(began, "0123"), 409, "verification_closed")
    assert again["verification"] == {
        k: v for k, v in shown.items() if k not in {"valid", "receipt"}
    }


def test_a_generated_code_is_accepted(door: Door, dialer: HandDialer) -> None:
    """What the voice was given is what is right."""
    began = door.asks()
    _, code, _ = dialer.reads(dialer.places())
    assert door.checks(began, code).get_json()["valid"] is True


def test_a_wrong_code_costs_one_check(door: Door) -> None:
    """200 with ``valid: false``; the verification goes on."""
    began = door.asks(code="123456")
    answer = door.checks(began, "000000")
    shown = answer.get_json()
    assert (answer.status_code, shown["valid"], shown["status"]) == (200, False, "pending")
    assert (shown["checks_left"], left(door, began)) == (4, 4)
    assert shown["next"]["check"]["allowed"] is True


def test_the_same_wrong_code_costs_once(door: Door) -> None:
    """A double click is no second guess, even with another between."""
    began = door.asks(code="123456")
    costs = [door.checks(began, code).get_json() for code in ("000000", "000000", "111111")]
    costs.append(door.checks(began, "000000").get_json())
    assert [shown["checks_left"] for shown in costs] == [4, 4, 3, 3]
    assert not any(shown["valid"] for shown in costs)


def test_the_last_wrong_code_ends_it(door: Door, dialer: HandDialer) -> None:
    """At 0 it is ``max_attempts_reached``: the right code is refused and no call comes."""
    began = door.asks(code="123456")
    shown = [door.checks(began, f"00000{n}").get_json() for n in range(5)]
    assert [each["checks_left"] for each in shown] == [4, 3, 2, 1, 0]
    ended = shown[-1]
    assert (ended["status"], ended["reason"]) == ("max_attempts_reached", None)
    assert ended["valid"] is False
    assert ended["ended_at"] is not None
    for code in ("123456", "000004"):
        body = problem(door.checks(began, code), 409, "verification_closed")
        assert body["verification"]["status"] == "max_attempts_reached"
    assert dialer.finds_nothing()


@pytest.mark.parametrize("code", NOT_CODES)
def test_what_is_no_code_costs_nothing(door: Door, code: Any) -> None:
    """422 that points at it; no check is used and the right code stays right."""
    began = door.asks(code="123456")
    body = problem(door.checks(began, code), 422, "invalid_request")
    assert pointers(body) == ["/code"]
    assert left(door, began) == 5
    assert door.checks(began, "123456").get_json()["valid"] is True


@pytest.mark.parametrize("code", ["12345", "1234567", "1234", "0123456789"])
def test_a_code_of_another_length_costs_nothing(door: Door, code: str) -> None:
    """422 that points at it and shows the verification, whose ``code_length`` tells."""
    began = door.asks(code="123456")
    body = problem(door.checks(began, code), 422, "invalid_request")
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
def test_a_check_has_one_member(door: Door, members: dict[str, Any], pointer: str) -> None:
    """Without a code, and with anything beside it: 422 and no check used."""
    began = door.asks(code="123456")
    body = problem(door.does(began, "checks", members), 422, "invalid_request")
    assert pointers(body) == [pointer]
    assert left(door, began) == 5


def test_a_check_without_a_body(door: Door) -> None:
    """It is an empty object: the code is missing."""
    began = door.asks()
    answer = door.post(f"{VERIFICATIONS}/{began['id']}/checks")
    assert pointers(problem(answer, 422, "invalid_request")) == ["/code"]


def test_the_end_is_the_end(door: Door) -> None:
    """Accepted a moment before the end of its life, refused at the end."""
    late, early = door.asks(code="1234"), door.asks("+919876543211", code="1234")
    door.later(299)
    assert door.checks(early, "1234").get_json()["valid"] is True
    door.later(1)
    body = problem(door.checks(late, "1234"), 409, "verification_closed")
    assert body["verification"]["status"] == "expired"


def test_a_canceled_one_takes_no_code(door: Door) -> None:
    """409 with the canceled object."""
    began = door.asks(code="1234")
    door.does(began, "cancel")
    body = problem(door.checks(began, "1234"), 409, "verification_closed")
    assert (body["verification"]["status"], body["verification"]["reason"]) == (
        "canceled",
        "requested",
    )


def test_a_code_is_for_its_own_verification(door: Door) -> None:
    """A's code on B is one wrong code more, whoever's B is."""
    a = door.asks(code="111111")
    b = door.asks("+919876543211", code="222222")
    answer = door.checks(b, "111111").get_json()
    assert (answer["valid"], answer["checks_left"]) == (False, 4)
    assert left(door, a) == 5


def test_two_clients_with_one_number_do_not_share(door: Door) -> None:
    """Same number, same code: each approves its own and only that."""
    ours, banks = door.asks(code="1234"), door.bank().asks(code="1234")
    problem(door.bank().checks(ours, "1234"), 404, "not_found")
    assert door.checks(ours, "1234").get_json()["valid"] is True
    assert door.bank().looks(banks)["status"] == "pending"


def test_approval_needs_no_call(door: Door, dialer: HandDialer) -> None:
    """The SMS came after all: the delayed call is called off."""
    began = door.asks(code="1234", call_after=30)
    shown = door.checks(began, "1234").get_json()
    assert [(c["status"], c["reason"]) for c in shown["calls"]] == [("canceled", "ended_first")]
    door.later(31)
    assert dialer.finds_nothing()


def test_a_malformed_code_tells_nothing_of_whose_it_is(door: Door) -> None:
    """The same 422 for an own, another's and no verification at all."""
    began = door.bank().asks(code="123456")
    bodies = []
    for name in (began["id"], UNKNOWN):
        answer = door.post(f"{VERIFICATIONS}/{name}/checks", {"code": "१२३४५६"})
        bodies.append(problem(answer, 422, "invalid_request") | {"instance": None})
    assert bodies[0] == bodies[1]
