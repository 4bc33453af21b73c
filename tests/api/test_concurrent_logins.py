"""Two logins of one number, each with a reference of its own: neither learns of the other."""

from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from werkzeug.test import TestResponse

ONE: dict[str, Any] = {"reference": "login-81", "code": "471199"}
OTHER: dict[str, Any] = {"reference": "login-82", "code": "335577"}


def marks_of(verification: dict[str, Any], asked: dict[str, Any]) -> set[str]:
    """What would tell of it."""
    calls = {call["id"] for call in verification["calls"]}
    return {verification["id"], asked["reference"], asked["code"], *calls}


def told_in(answers: list[TestResponse], marks: set[str]) -> set[str]:
    """The marks that stand in an answer or its headers."""
    texts = [answer.text + str(answer.headers) for answer in answers]
    return {mark for mark in marks if any(mark in text for text in texts)}


@pytest.mark.parametrize("end", ["cancel", "approve"])
def test_neither_learns_of_the_other(api: ApiClient, dialer: ManualDialer, end: str) -> None:
    """Whatever they ask: each has its own code, guesses and end, and no code fits the other's."""
    begun = [api.create_response(**ONE)]
    one = begun[0].get_json()
    dialer.place()
    newer = [api.create_response(**OTHER)]
    other = newer[0].get_json()
    assert (begun[0].status_code, newer[0].status_code) == (201, 201)

    newer += [api.check(other, ONE["code"]), api.create_response(**OTHER), api.act(other, "calls")]
    begun += [api.check(one, OTHER["code"]), api.create_response(**ONE), api.act(one, "calls")]
    looks = [api.get(f"/v1/verifications/{each['id']}") for each in (one, other)]
    assert [each.get_json()["status"] for each in looks] == ["pending", "pending"]
    assert [each.get_json()["checks_left"] for each in looks] == [4, 4]
    begun += [looks[0], api.act(one, end)]
    newer += [looks[1], api.check(other, OTHER["code"])]
    assert newer[-1].get_json()["valid"] is True
    assert not any(answer.get_json().get("valid") for answer in [*begun, *newer[:-1]])

    assert told_in(newer, marks_of(one, ONE)) == set()
    assert told_in(begun, marks_of(other, OTHER)) == set()
    assert told_in(newer, marks_of(other, OTHER)) == marks_of(other, OTHER) - {OTHER["code"]}


@pytest.mark.parametrize("code", [None, "335577"])
def test_a_refused_login_is_not_shown_the_other(api: ApiClient, code: str | None) -> None:
    """Nobody dials: 503 without the verification that another login has under way."""
    one = api.create(**ONE)
    api.store.clock_offset_ms += 31_000
    refused = api.create_response(reference="login-82", code=code)
    assert "verification" not in assert_problem(refused, 503, "calls_unavailable")
    assert told_in([refused], marks_of(one, ONE)) == set()
