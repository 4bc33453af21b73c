"""Request bodies: what their types refuse, and what is refused beyond them."""

import json
from typing import Any, TypeVar

import msgspec
import pytest

from otpvoice.core.requests import (
    CallRequest,
    CheckRequest,
    CreateRequest,
    EmptyRequest,
    RequestBody,
)
from otpvoice.core.verification import Route

ASHA = "+919876543210"
Body = TypeVar("Body", bound=RequestBody)


def read(kind: type[Body], members: object) -> Body:
    """The body that this JSON is."""
    return msgspec.json.decode(json.dumps(members), type=kind)


def faulty(body: RequestBody) -> list[str]:
    """The pointers of what is wrong with it."""
    return [fault.pointer for fault in body.field_errors()]


def test_the_least_and_the_most_that_a_create_says() -> None:
    """Only ``to`` is needed; all members of the contract are known."""
    least = read(CreateRequest, {"to": ASHA})
    assert least == CreateRequest(to=ASHA)
    assert not least.field_errors()
    most = {
        "to": ASHA, "name": "Asha", "locale": "hi-IN", "code": "0123", "call_after": 300,
        "ttl": 600, "route": "c2c", "reference": "r" * 64, "ip": "2001:db8::1",
    }  # fmt: skip
    body = read(CreateRequest, most)
    assert msgspec.to_builtins(body) == most
    assert body.route is Route.C2C
    assert not body.field_errors()


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": None},
        {"to": 919876543210},
        {"name": 5},
        {"locale": 5},
        {"code": 123456},
        {"code": ["1", "2"]},
        {"call_after": -1},
        {"call_after": 301},
        {"call_after": 1.5},
        {"call_after": True},
        {"call_after": "5"},
        {"ttl": 59},
        {"ttl": 601},
        {"ttl": "300"},
        {"ttl": 1e400},
        {"ttl": 10**30},
        {"route": "OBD"},
        {"route": ""},
        {"route": "sms"},
        {"reference": "r" * 65},
        {"reference": 5},
        {"ip": 5},
        {"unknown": 1},
        {"To": ASHA},
    ],
)
def test_types_refuse_a_wrong_create(wrong: dict[str, Any]) -> None:
    """A member of another type, out of its range or not of the contract."""
    with pytest.raises(msgspec.DecodeError):
        read(CreateRequest, {"to": ASHA, **wrong})


@pytest.mark.parametrize("document", [{}, [], None, 5, "x", [ASHA]])
def test_a_create_is_an_object_with_a_number(document: object) -> None:
    """Nothing else is one."""
    with pytest.raises(msgspec.DecodeError):
        read(CreateRequest, document)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"code": "123"}, "/code"),
        ({"code": "12345678901"}, "/code"),
        ({"code": ""}, "/code"),
        ({"code": "123456\n"}, "/code"),
        ({"code": " 123456"}, "/code"),
        ({"code": "१२३४५६"}, "/code"),
        ({"code": "１２３４５６"}, "/code"),
        ({"locale": "not a tag"}, "/locale"),
        ({"locale": ""}, "/locale"),
        ({"reference": "a\nb"}, "/reference"),
        ({"reference": "a\x00"}, "/reference"),
        ({"reference": "a\u2028b"}, "/reference"),
        ({"reference": "a\u202eb"}, "/reference"),
        ({"ip": "localhost"}, "/ip"),
        ({"ip": "10.0.0.256"}, "/ip"),
        ({"ip": ""}, "/ip"),
        ({"ip": "10.0.0.0/8"}, "/ip"),
    ],
)
def test_faults_beyond_types_are_pointed_at(wrong: dict[str, Any], pointer: str) -> None:
    """What a type can not say is said with the member's pointer."""
    assert faulty(read(CreateRequest, {"to": ASHA, **wrong})) == [pointer]


def test_all_faults_are_told_at_once() -> None:
    """Nobody has to send a request once for each of its faults."""
    body = CreateRequest(to=ASHA, code="x", locale="?", reference="\n", ip="?")
    assert sorted(faulty(body)) == ["/code", "/ip", "/locale", "/reference"]


@pytest.mark.parametrize("code", ["1234", "0000", "0123456789"])
def test_codes_that_can_be_handed_in(code: str) -> None:
    """4 to 10 digits, leading zeros included."""
    assert not read(CheckRequest, {"code": code}).field_errors()


@pytest.mark.parametrize("code", ["१२३४५६", "１２３４５６", "123456\n", " 123456", "12" * 6, ""])
def test_codes_that_can_not(code: str) -> None:
    """They are faults of the request and cost no check."""
    assert faulty(read(CheckRequest, {"code": code})) == ["/code"]


@pytest.mark.parametrize(
    "document", [{}, {"code": 123456}, {"code": None}, {"code": ["1"]}, {"code": "1234", "x": 1}]
)
def test_checks_of_another_shape(document: object) -> None:
    """A code is a string: as a number it would lose its zeros."""
    with pytest.raises(msgspec.DecodeError):
        read(CheckRequest, document)


def test_a_call_request_may_say_nothing() -> None:
    """Route and locale are wishes."""
    assert read(CallRequest, {}) == CallRequest(route=None, locale=None)
    assert faulty(read(CallRequest, {"locale": "x y"})) == ["/locale"]
    with pytest.raises(msgspec.DecodeError):
        read(CallRequest, {"name": "Asha"})


def test_cancel_and_approve_say_nothing() -> None:
    """A member is a mistake of the caller's."""
    assert not read(EmptyRequest, {}).field_errors()
    with pytest.raises(msgspec.DecodeError):
        read(EmptyRequest, {"reason": "x"})
