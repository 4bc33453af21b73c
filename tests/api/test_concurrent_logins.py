"""Two logins of one number with different references: neither learns of the other."""

from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from werkzeug.test import TestResponse

ONE: dict[str, Any] = {"reference": "login-81", "code": "471199"}
OTHER: dict[str, Any] = {"reference": "login-82", "code": "335577"}


def identifying_values(verification: dict[str, Any], requested: dict[str, Any]) -> set[str]:
    """Return the values that would reveal the verification."""
    calls = {call["id"] for call in verification["calls"]}
    return {verification["id"], requested["reference"], requested["code"], *calls}


def revealed_in(responses: list[TestResponse], marks: set[str]) -> set[str]:
    """Return the values that a response or its headers contain."""
    texts = [response.text + str(response.headers) for response in responses]
    return {mark for mark in marks if any(mark in text for text in texts)}


@pytest.mark.parametrize("end", ["cancel", "approve"])
def test_concurrent_logins_do_not_reveal_each_other(
    api: ApiClient, dialer: ManualDialer, end: str
) -> None:
    """Each has its own code, checks and end, and neither code fits the other."""
    begun = [api.create_response(**ONE)]
    one = begun[0].get_json()
    dialer.place()
    newer = [api.create_response(**OTHER)]
    other = newer[0].get_json()
    assert (begun[0].status_code, newer[0].status_code) == (201, 201)

    newer += [api.check(other, ONE["code"]), api.create_response(**OTHER), api.act(other, "calls")]
    begun += [api.check(one, OTHER["code"]), api.create_response(**ONE), api.act(one, "calls")]
    reads = [api.get(f"/v1/verifications/{each['id']}") for each in (one, other)]
    assert [each.get_json()["status"] for each in reads] == ["pending", "pending"]
    assert [each.get_json()["checks_left"] for each in reads] == [4, 4]
    begun += [reads[0], api.act(one, end)]
    newer += [reads[1], api.check(other, OTHER["code"])]
    assert newer[-1].get_json()["valid"] is True
    assert not any(response.get_json().get("valid") for response in [*begun, *newer[:-1]])

    assert revealed_in(newer, identifying_values(one, ONE)) == set()
    assert revealed_in(begun, identifying_values(other, OTHER)) == set()
    assert revealed_in(newer, identifying_values(other, OTHER)) == identifying_values(
        other, OTHER
    ) - {OTHER["code"]}


@pytest.mark.parametrize("code", [None, "335577"])
def test_refused_login_does_not_show_the_other(api: ApiClient, code: str | None) -> None:
    """No dialer: 503 without the other login's pending verification."""
    one = api.create(**ONE)
    api.store.clock_offset_ms += 31_000
    rejected = api.create_response(reference="login-82", code=code)
    assert "verification" not in assert_problem(rejected, 503, "calls_unavailable")
    assert revealed_in([rejected], identifying_values(one, ONE)) == set()
