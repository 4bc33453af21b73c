"""Request bodies: validation by type and beyond."""

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

ASHA = "+919876543210"
Body = TypeVar("Body", bound=RequestBody)


def decode(kind: type[Body], members: object) -> Body:
    """Decode a body."""
    return msgspec.json.decode(json.dumps(members), type=kind)


def error_pointers(body: RequestBody) -> list[str]:
    """Return the pointers of a body's errors."""
    return [fault.pointer for fault in body.field_errors()]


def test_create_needs_a_number_and_accepts_all_members() -> None:
    """Those of the contract."""
    least = decode(CreateRequest, {"to": ASHA})
    assert least == CreateRequest(to=ASHA)
    assert not least.field_errors()
    most = {
        "to": ASHA, "name": "Asha", "locale": "hi-IN", "code": "0123", "call_after": 300,
        "ttl": 600, "route": "c2c", "reference": "r" * 64, "ip": "2001:db8::1",
        "transaction": {"amount": "2500.00", "currency": "INR", "payee": "ACME Stores"},
    }  # fmt: skip
    body = decode(CreateRequest, most)
    assert msgspec.to_builtins(body) == most
    assert body.route == "c2c"
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
        {"route": 5},
        {"reference": "r" * 65},
        {"reference": 5},
        {"ip": 5},
        {"transaction": "2500.00 INR"},
        {"transaction": {"amount": "1", "currency": "INR"}},
        {"transaction": {"amount": 2500, "currency": "INR", "payee": "ACME"}},
        {"transaction": {"amount": "1", "currency": "INR", "payee": "ACME", "iban": ""}},
        {"unknown": 1},
        {"To": ASHA},
    ],
)
def test_create_with_wrong_member_is_rejected(wrong: dict[str, Any]) -> None:
    """Of another type, out of range, or not of the contract."""
    with pytest.raises(msgspec.DecodeError):
        decode(CreateRequest, {"to": ASHA, **wrong})


@pytest.mark.parametrize("document", [{}, [], None, 5, "x", [ASHA]])
def test_create_that_is_not_an_object_with_a_number_is_rejected(document: object) -> None:
    """No other JSON is accepted."""
    with pytest.raises(msgspec.DecodeError):
        decode(CreateRequest, document)


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
def test_field_errors_have_the_pointer_of_the_member(wrong: dict[str, Any], pointer: str) -> None:
    """For what a type cannot express."""
    assert error_pointers(decode(CreateRequest, {"to": ASHA, **wrong})) == [pointer]


def test_field_errors_lists_all_errors() -> None:
    """A client can correct them in one step."""
    body = CreateRequest(to=ASHA, code="x", locale="?", reference="\n", ip="?")
    assert sorted(error_pointers(body)) == ["/code", "/ip", "/locale", "/reference"]


@pytest.mark.parametrize("code", ["1234", "0000", "0123456789"])
def test_check_accepts_codes_of_4_to_10_digits(code: str) -> None:
    """With leading zeros."""
    assert not decode(CheckRequest, {"code": code}).field_errors()


@pytest.mark.parametrize("code", ["१२३४५६", "１２３４５６", "123456\n", " 123456", "12" * 6, ""])
def test_check_of_malformed_code_has_an_error(code: str) -> None:
    """It does not count as a check."""
    assert error_pointers(decode(CheckRequest, {"code": code})) == ["/code"]


@pytest.mark.parametrize(
    "document", [{}, {"code": 123456}, {"code": None}, {"code": ["1"]}, {"code": "1234", "x": 1}]
)
def test_check_with_another_shape_is_rejected(document: object) -> None:
    """A code is a string, because a number has no leading zeros."""
    with pytest.raises(msgspec.DecodeError):
        decode(CheckRequest, document)


def test_call_request_needs_no_member() -> None:
    """Str and locale are optional."""
    assert decode(CallRequest, {}) == CallRequest(route=None, locale=None)
    assert error_pointers(decode(CallRequest, {"locale": "x y"})) == ["/locale"]
    with pytest.raises(msgspec.DecodeError):
        decode(CallRequest, {"name": "Asha"})


def test_cancel_and_approve_accept_no_member() -> None:
    """Any member is an error of the client."""
    assert not decode(EmptyRequest, {}).field_errors()
    with pytest.raises(msgspec.DecodeError):
        decode(EmptyRequest, {"reason": "x"})
