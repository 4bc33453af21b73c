"""Type errors in plain words, independent of Python."""

from typing import Any

import pytest
from api.api_client import ApiClient, assert_problem


def field_errors(api: ApiClient, path: str, members: Any) -> dict[str, str]:
    """Return the detail of each member, by its pointer."""
    body = assert_problem(api.post(path, members), 422, "invalid_request")
    assert (
        body["detail"] == "; ".join(f"{e['pointer']} {e['detail']}" for e in body["errors"]) + "."
    )
    assert "`" not in body["detail"]
    return {each["pointer"]: each["detail"] for each in body["errors"]}


STRINGS = {"name": "must be a string", "code": 'must be a string, such as "471102"'}
"""Members whose type is any string, and their errors."""


@pytest.mark.parametrize("member", STRINGS)
@pytest.mark.parametrize("value", [471102, 1.5, True, [], ["471102"], {}, {"a": "b"}])
def test_member_of_wrong_type_must_be_a_string(api: ApiClient, member: str, value: Any) -> None:
    """Not "expected `str | null`"."""
    found = field_errors(api, "/v1/verifications", {"to": "+919876543210", member: value})
    assert found == {f"/{member}": STRINGS[member]}


@pytest.mark.parametrize(
    ("member", "value", "detail"),
    [
        ("to", None, 'must be a string, such as "+919876543210"'),
        ("to", 919876543210, 'must be a string, such as "+919876543210"'),
        ("reference", 81, "must be a string of at most 64 characters"),
        ("reference", "r" * 65, "must be a string of at most 64 characters"),
        ("locale", ["hi"], 'must be a string of at most 255 characters, such as "hi-IN"'),
        ("ip", {}, 'must be a string of at most 512 characters, such as "203.0.113.9"'),
        ("ttl", "300", "must be a whole number from 60 to 600"),
        ("ttl", 300.5, "must be a whole number from 60 to 600"),
        ("ttl", 5, "must be a whole number from 60 to 600"),
        ("ttl", True, "must be a whole number from 60 to 600"),
        ("call_after", -1, "must be a whole number from 0 to 300"),
        ("route", "sms", 'must be "c2c" or "obd"'),
        ("route", 1, "must be a string"),
        ("route", "x - at `$.to`", 'must be "c2c" or "obd"'),
    ],
)
def test_invalid_member_names_the_valid_values(
    api: ApiClient, member: str, value: Any, detail: str
) -> None:
    """With range and words, without the value."""
    found = field_errors(api, "/v1/verifications", {"to": "+919876543210"} | {member: value})
    assert found == {f"/{member}": detail}


def test_all_type_errors_are_reported_at_once(api: ApiClient) -> None:
    """In one response."""
    found = field_errors(
        api, "/v1/verifications", {"ttl": "x", "route": 5, "name": [], "code": 471102}
    )
    assert found == {
        "/to": "is missing",
        "/ttl": "must be a whole number from 60 to 600",
        "/route": "must be a string",
        "/name": "must be a string",
        "/code": 'must be a string, such as "471102"',
    }


@pytest.mark.parametrize(
    ("step", "members", "expected"),
    [
        ("checks", {"code": 471102}, {"/code": 'must be a string, such as "471102"'}),
        ("checks", {"code": None}, {"/code": 'must be a string, such as "471102"'}),
        ("checks", {}, {"/code": "is missing"}),
        (
            "calls",
            {"locale": 5},
            {"/locale": 'must be a string of at most 255 characters, such as "hi-IN"'},
        ),
        ("cancel", {"reason": "x"}, {"/reason": "is unknown; this request has no members"}),
        ("checks", {"otp": "1"}, {"/otp": "is unknown; the members are code, transaction"}),
        ("checks", {"Code": "1"}, {"/Code": "is unknown; did you mean code?"}),
    ],
)
def test_actions_report_the_same_errors(
    api: ApiClient, step: str, members: Any, expected: dict[str, str]
) -> None:
    """All bodies use one mechanism."""
    assert field_errors(api, f"/v1/verifications/{api.create()['id']}/{step}", members) == expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("callAfter", "call_after"),
        ("TTL", "ttl"),
        ("referense", "reference"),
        ("call-after", "call_after"),
    ],
)
def test_unknown_member_gets_a_suggestion(api: ApiClient, name: str, meant: str) -> None:
    """For a typo and for another spelling."""
    found = field_errors(api, "/v1/verifications", {"to": "+919876543210", name: 1})
    assert found == {f"/{name}": f"is unknown; did you mean {meant}?"}
