"""Type errors in plain words: what is wrong is said as a caller in any language would say it."""

from typing import Annotated, Any

import pytest
from api.api_client import ApiClient, assert_problem
from msgspec import Meta, Struct

from otpvoice.api.validation import type_errors, unknown_members
from otpvoice.core.requests import RequestBody

UNKNOWN = "vrf_" + "0" * 32


def faults(api: ApiClient, path: str, members: Any) -> dict[str, str]:
    """What is said of each member, by its pointer."""
    body = assert_problem(api.post(path, members), 422, "invalid_request")
    assert (
        body["detail"] == "; ".join(f"{e['pointer']} {e['detail']}" for e in body["errors"]) + "."
    )
    assert "`" not in body["detail"]
    return {each["pointer"]: each["detail"] for each in body["errors"]}


STRINGS = ("name", "code")
"""Members that are any string, as far as their type goes."""


@pytest.mark.parametrize("member", STRINGS)
@pytest.mark.parametrize("value", [471102, 1.5, True, [], ["471102"], {}, {"a": "b"}])
def test_member_that_is_no_string_is_said_to_be_one(
    api: ApiClient, member: str, value: Any
) -> None:
    """Not "expected `str | null`"."""
    found = faults(api, "/v1/verifications", {"to": "+919876543210", member: value})
    assert found == {f"/{member}": "must be a string"}


@pytest.mark.parametrize(
    ("member", "value", "detail"),
    [
        ("to", None, "must be a string"),
        ("to", 919876543210, "must be a string"),
        ("reference", 81, "must be a string of at most 64 characters"),
        ("reference", "r" * 65, "must be a string of at most 64 characters"),
        ("locale", ["hi"], "must be a string of at most 255 characters"),
        ("ip", {}, "must be a string of at most 512 characters"),
        ("ttl", "300", "must be a whole number from 60 to 600"),
        ("ttl", 300.5, "must be a whole number from 60 to 600"),
        ("ttl", 5, "must be a whole number from 60 to 600"),
        ("ttl", True, "must be a whole number from 60 to 600"),
        ("call_after", -1, "must be a whole number from 0 to 300"),
        ("route", "sms", 'must be "c2c" or "obd"'),
        ("route", 1, 'must be "c2c" or "obd"'),
        ("route", "x - at `$.to`", 'must be "c2c" or "obd"'),
    ],
)
def test_wrong_member_says_what_it_must_be(
    api: ApiClient, member: str, value: Any, detail: str
) -> None:
    """With its range and its words; the value is not repeated."""
    found = faults(api, "/v1/verifications", {"to": "+919876543210"} | {member: value})
    assert found == {f"/{member}": detail}


def test_all_wrong_types_are_reported_at_once(api: ApiClient) -> None:
    """One request is enough to find them all."""
    found = faults(api, "/v1/verifications", {"ttl": "x", "route": 5, "name": [], "code": 471102})
    assert found == {
        "/to": "is missing",
        "/ttl": "must be a whole number from 60 to 600",
        "/route": 'must be "c2c" or "obd"',
        "/name": "must be a string",
        "/code": "must be a string",
    }


@pytest.mark.parametrize(
    ("step", "members", "expected"),
    [
        ("checks", {"code": 471102}, {"/code": "must be a string"}),
        ("checks", {"code": None}, {"/code": "must be a string"}),
        ("checks", {}, {"/code": "is missing"}),
        ("calls", {"locale": 5}, {"/locale": "must be a string of at most 255 characters"}),
        ("cancel", {"reason": "x"}, {"/reason": "is unknown; this request has no members"}),
        ("checks", {"otp": "1"}, {"/otp": "is unknown; the members are code"}),
        ("checks", {"Code": "1"}, {"/Code": "is unknown; did you mean code?"}),
    ],
)
def test_steps_say_it_in_the_same_words(
    api: ApiClient, step: str, members: Any, expected: dict[str, str]
) -> None:
    """Each body is read by the same mechanism."""
    assert faults(api, f"/v1/verifications/{api.create()['id']}/{step}", members) == expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("callAfter", "call_after"),
        ("TTL", "ttl"),
        ("referense", "reference"),
        ("call-after", "call_after"),
    ],
)
def test_unknown_member_names_the_one_that_was_meant(api: ApiClient, name: str, meant: str) -> None:
    """A typo and another spelling."""
    found = faults(api, "/v1/verifications", {"to": "+919876543210", name: 1})
    assert found == {f"/{name}": f"is unknown; did you mean {meant}?"}


class Payment(Struct, forbid_unknown_fields=True):
    amount: Annotated[str, Meta(max_length=13)]
    splits: list[int] = []
    notes: dict[str, bool] = {}


class NestedRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    payment: Payment | None = None
    tags: Annotated[list[str] | None, Meta(description="any")] = None
    size: Annotated[int, Meta(ge=1)] | str | None = None


@pytest.mark.parametrize(
    ("members", "pointer", "detail"),
    [
        ({"payment": 5}, "/payment", "must be an object"),
        ({"payment": {}}, "/payment/amount", "is missing"),
        (
            {"payment": {"amount": 5}},
            "/payment/amount",
            "must be a string of at most 13 characters",
        ),
        ({"payment": {"amount": "5", "x": 1}}, "/payment/x", "is unknown"),
        ({"payment": {"amount": "5", "splits": {}}}, "/payment/splits", "must be a list"),
        (
            {"payment": {"amount": "5", "splits": [1, "2"]}},
            "/payment/splits/1",
            "must be a whole number",
        ),
        (
            {"payment": {"amount": "5", "notes": {"a": 1}}},
            "/payment/notes/...",
            "must be true or false",
        ),
        ({"tags": "x"}, "/tags", "must be a list"),
        ({"tags": ["a", None]}, "/tags/1", "must be a string"),
        ({"size": []}, "/size", "must be a whole number, at least 1 or a string"),
    ],
)
def test_nested_member_is_pointed_at(members: dict[str, Any], pointer: str, detail: str) -> None:
    """In objects and lists, as deep as the type goes."""
    assert not unknown_members(members, NestedRequest)
    (fault,) = type_errors(members, NestedRequest)
    assert (fault.pointer, fault.detail) == (pointer, detail)
