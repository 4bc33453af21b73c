"""What an app can do with the client token of its verification, and what it can read."""

import base64
import time
from collections.abc import Mapping
from typing import Any

import pytest
from api.api_client import (
    PROBLEM_MEMBERS,
    UNKNOWN,
    VERIFICATIONS,
    ApiClient,
    ManualDialer,
    StartApi,
    assert_problem,
    bearer,
    pointers,
)
from redis import Redis
from support.service import ASHA, LOGIN_KEY, RING_KEY
from werkzeug.test import TestResponse

from otpvoice.core.keys import ClientTokens, KeyRing
from otpvoice.core.verification import CallReason, CallStatus

MASKED = "+91******3210"
NEW_KEY = base64.b64encode(b"another ring key of these tests!").decode()
STEPS: Mapping[str, dict[str, Any] | None] = {
    "checks": {"code": "9999"}, "calls": None, "cancel": None
}  # fmt: skip
"""Actions of a verification, each with a valid body."""
NOW_OR_LATER = ("expires_in", "poll_after", "next")
"""Members that change with time alone."""


def app_of(verification: dict[str, Any], api: ApiClient) -> ApiClient:
    """Return a driver for the app that received the verification's token."""
    return api.with_key(verification["client_token"])


def all_app_requests(app: ApiClient, verification_id: str) -> list[TestResponse]:
    """Return the responses to all requests that an app can send about a verification."""
    one = f"{VERIFICATIONS}/{verification_id}"
    return [app.get(one), *(app.post(f"{one}/{step}", body) for step, body in STEPS.items())]


def are_alike(bodies: list[dict[str, Any]]) -> bool:
    """Return whether the problem documents differ in the request's id only."""
    return all(body | {"instance": ""} == bodies[0] | {"instance": ""} for body in bodies)


def test_create_response_contains_the_client_token(api: ApiClient) -> None:
    """201, 200 and replays of both: always the token of the verification shown."""
    headers = {**bearer(LOGIN_KEY), "Idempotency-Key": "login-81"}
    again = {**headers, "Idempotency-Key": "login-81-again"}
    responses = [
        api.client.post(VERIFICATIONS, headers=each, json={"to": ASHA})
        for each in (headers, headers, again, again, bearer(LOGIN_KEY))
    ]
    assert [response.status_code for response in responses] == [201, 201, 200, 200, 200]
    (token,) = {response.get_json()["client_token"] for response in responses}
    assert api.with_key(token).get_verification(responses[0].get_json())["status"] == "pending"


def test_other_responses_contain_no_client_token(api: ApiClient) -> None:
    """Reads, checks, calls, ends and errors."""
    one = api.create(code="1234")
    responses = [*all_app_requests(app_of(one, api), one["id"]), *all_app_requests(api, one["id"])]
    responses += [api.act(one, "approve"), api.check(one, "1234")]
    assert {response.status_code for response in responses} == {200, 202, 409}
    assert not any("vct_" in response.text + str(response.headers) for response in responses)


def test_app_checks_a_code(api: ApiClient, dialer: ManualDialer) -> None:
    """It reads the status, sends a wrong and the correct code, and reads the result."""
    one = api.create(code="1234")
    app = app_of(one, api)
    dialer.place()
    assert app.get_verification(one)["calls"][0]["status"] == "placed"
    wrong, right = app.check(one, "4321"), app.check(one, "1234")
    assert (wrong.get_json()["valid"], wrong.get_json()["checks_left"]) == (False, 4)
    assert (right.get_json()["valid"], right.get_json()["status"]) == (True, "approved")
    assert app.get_verification(one)["status"] == api.get_verification(one)["status"] == "approved"


def test_app_requests_a_call_in_its_language(api: ApiClient, dialer: ManualDialer) -> None:
    """202: the call is due after the gap; a ``route`` of null is absent."""
    one = api.create()
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    response = app_of(one, api).act(one, "calls", {"locale": "hi-IN", "route": None})
    assert response.status_code == 202
    assert [call["locale"] for call in response.get_json()["calls"]] == ["default", "hi"]


def test_app_brings_a_delayed_call_forward(api: ApiClient, dialer: ManualDialer) -> None:
    """The SMS did not arrive."""
    one = api.create(call_after=100)
    assert dialer.has_nothing_due()
    assert app_of(one, api).act(one, "calls").status_code == 202
    assert dialer.claim().verification_id == one["id"]


@pytest.mark.parametrize("route", ["obd", "c2c"])
def test_app_request_with_route_returns_422(api: ApiClient, route: str) -> None:
    """Nothing happens; the client can set it."""
    one = api.create(call_after=100)
    response = app_of(one, api).act(one, "calls", {"route": route})
    assert pointers(assert_problem(response, 422, "invalid_request")) == ["/route"]
    assert api.get_verification(one)["version"] == one["version"]
    assert api.act(one, "calls", {"route": route}).status_code == 202


def test_app_cancels(api: ApiClient) -> None:
    """Again 200; the client sees it."""
    one = api.create()
    app = app_of(one, api)
    assert [app.act(one, "cancel").status_code for _ in range(2)] == [200, 200]
    seen = api.get_verification(one)
    assert (seen["status"], seen["reason"]) == ("canceled", "requested")


@pytest.mark.parametrize("body", [None, {"to": ASHA}, {"to": 1}])
def test_app_create_returns_403(api: ApiClient, redis: Redis, body: Any) -> None:
    """Whatever it sends, nothing is created."""
    app = app_of(api.create(), api)
    keys = redis.dbsize()
    assert_problem(app.post(VERIFICATIONS, body), 403, "forbidden")
    assert redis.dbsize() == keys


def test_app_approve_returns_403(api: ApiClient) -> None:
    """For its own, another and an unknown verification."""
    one, other = api.create(), api.as_bank().create()
    app = app_of(one, api)
    ids = [one["id"], other["id"], UNKNOWN]
    responses = [app.post(f"{VERIFICATIONS}/{name}/approve") for name in ids]
    assert are_alike([assert_problem(response, 403, "forbidden") for response in responses])
    assert api.get_verification(one)["version"] == one["version"]
    assert api.as_bank().get_verification(other)["version"] == other["version"]


def test_app_request_for_another_verification_returns_404(api: ApiClient) -> None:
    """The same response for the same client, another client, an ended one and an unknown one."""
    ended = api.create("+919812345678")
    api.act(ended, "cancel")
    one, other, banks = api.create(), api.create("+919812345678"), api.as_bank().create()
    app = app_of(one, api)
    ids = [UNKNOWN, other["id"], banks["id"], ended["id"], "vrf_", one["id"].upper(), "x"]
    responses = [all_app_requests(app, name) for name in ids]
    found = [assert_problem(response, 404, "not_found") for same in responses for response in same]
    found.append(assert_problem(api.get(f"{VERIFICATIONS}/{UNKNOWN}"), 404, "not_found"))
    assert are_alike(found)
    assert api.get_verification(other)["version"] == other["version"]
    assert api.as_bank().get_verification(banks)["version"] == banks["version"]


def test_client_tokens_of_two_logins_do_not_open_each_other(api: ApiClient) -> None:
    """Both verifications have the same number."""
    one = api.create(reference="login-81")
    other = api.create(reference="login-82")
    banks = api.as_bank().create(reference="login-81")
    assert len({each["client_token"] for each in (one, other, banks)}) == 3
    for mine, theirs in [(a, b) for a in (one, other, banks) for b in (one, other, banks)]:
        responses = all_app_requests(app_of(mine, api), theirs["id"])
        rejected = [response.status_code == 404 for response in responses]
        assert rejected == [mine is not theirs] * len(responses)


def test_expired_token_returns_401_token_expired(api: ApiClient) -> None:
    """For its own verification and others, and instead of 403 or 404."""
    one = api.create()
    tokens = ClientTokens(KeyRing([base64.b64decode(RING_KEY)]))
    over = tokens.issue("login", one["id"], int(time.time() - 601) * 1000)
    app = api.with_key(over)
    responses = [*all_app_requests(app, one["id"]), *all_app_requests(app, UNKNOWN)]
    responses += [app.create_response(), app.act(one, "approve")]
    assert are_alike([assert_problem(response, 401, "token_expired") for response in responses])
    assert api.get_verification(one)["version"] == one["version"]
    still = tokens.issue("login", one["id"], int(time.time() - 540) * 1000)
    assert api.with_key(still).get_verification(one)["status"] == "pending"


def test_invalid_token_returns_401_unauthorized(api: ApiClient) -> None:
    """One response for changed, truncated and foreign tokens and for forgeries."""
    one = api.create()
    token = one["client_token"]
    strange = ClientTokens(KeyRing([base64.b64decode(NEW_KEY)]))
    wrong = [
        *(token[:-1], token + "A", token[:4], f"{token}=", token.replace("vct_", "vct_A")),
        *(f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}" for at in (5, 20, 50)),
        *(strange.issue("login", one["id"], end) for end in (0, int(time.time() * 1000))),
    ]
    responses = [api.with_key(each).get(f"{VERIFICATIONS}/{one['id']}") for each in wrong]
    responses += [api.with_key(each).create_response() for each in wrong]
    assert are_alike([assert_problem(response, 401, "unauthorized") for response in responses])
    texts = [response.text for response in responses]
    assert not any(each[5:] in text for each in wrong for text in texts if each[5:])


def test_client_token_outside_of_bearer_returns_401(api: ApiClient) -> None:
    """In the query, next to a key, or with another scheme."""
    one = api.create()
    token, path = one["client_token"], f"{VERIFICATIONS}/{one['id']}"
    assert_problem(api.client.get(f"{path}?client_token={token}"), 401, "unauthorized")
    for value in (token, f"Basic {token}", f"Token {token}", f"Bearer {token} {LOGIN_KEY}"):
        response = api.client.get(path, headers={"Authorization": value})
        assert_problem(response, 401, "unauthorized")
    response = api.client.get(path, headers={"Authorization": f"bearer  {token} "})
    assert response.status_code == 200


def test_client_token_is_valid_until_its_key_is_dropped(start_api: StartApi) -> None:
    """The key is added second, moved first, and removed."""
    rings = [f"k1:{RING_KEY}", f"k1:{RING_KEY},k2:{NEW_KEY}", f"k2:{NEW_KEY},k1:{RING_KEY}"]
    apis = [start_api(secrets_keys=ring) for ring in rings]
    last = start_api(secrets_keys=f"k2:{NEW_KEY}")
    old = apis[0].create("+919812345678")
    new = apis[2].create()
    for api in apis:
        assert app_of(old, api).get_verification(old)["status"] == "pending"
    for api in (apis[1], apis[2], last):
        assert app_of(new, api).get_verification(new)["status"] == "pending"
    for response in all_app_requests(app_of(old, last), old["id"]):
        assert_problem(response, 401, "unauthorized")


def test_client_token_of_removed_client_returns_401(
    start_api: StartApi, environ: dict[str, str]
) -> None:
    """A client is its name: with another key, its apps keep access to its data only."""
    bank = environ["OTPVOICE_CLIENTS_BANK_KEY_SHA256"]
    api = start_api()
    one = api.create()
    gone = start_api(clients_login_key_sha256=None)
    responses = all_app_requests(app_of(one, gone), one["id"])
    assert are_alike([assert_problem(response, 401, "unauthorized") for response in responses])

    changed = start_api(clients_login_key_sha256=bank, clients_bank_key_sha256="ab" * 32)
    theirs = changed.as_bank().create("+919812345678")
    assert_problem(changed.get(f"{VERIFICATIONS}/{one['id']}"), 401, "unauthorized")
    assert app_of(one, changed).get_verification(one)["status"] == "pending"
    assert_problem(app_of(one, changed).get(f"{VERIFICATIONS}/{theirs['id']}"), 404, "not_found")


def test_app_response_masks_the_number(api: ApiClient, dialer: ManualDialer) -> None:
    """All else is as the client sees it."""
    one = api.create(reference="login-81", code="1234")
    app = app_of(one, api)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    theirs, ours = app.get_verification(one), api.get_verification(one)
    assert (theirs.pop("to"), ours.pop("to")) == (MASKED, ASHA)
    assert theirs.keys() == ours.keys()
    assert {name for name in ours if theirs[name] != ours[name]} <= {*NOW_OR_LATER}
    for response in all_app_requests(app, one["id"]):
        assert response.get_json()["to"] == MASKED
        assert ASHA.removeprefix("+91") not in response.text + str(response.headers)


@pytest.mark.parametrize("step", ["checks", "calls"])
def test_app_409_masks_the_number(api: ApiClient, step: str) -> None:
    """The client sees the whole number."""
    one = api.create()
    api.act(one, "cancel")
    for asker, number in ((app_of(one, api), MASKED), (api, ASHA)):
        rejected = assert_problem(asker.act(one, step, STEPS[step]), 409, "verification_closed")
        assert rejected["verification"]["to"] == number


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"limits_calls_per_number": "1/10m"}, "calls_per_number"),
        ({"limits_calls_per_number": "1/10m,5/24h"}, "calls_per_number 1/10m"),
        ({"limits_all_calls_per_number": "1/24h"}, "all_calls_per_number"),
        ({"limits_calls_per_client": "1/1h"}, "calls_per_client"),
        ({"limits_calls_per_day": "1"}, "calls_per_day"),
    ],
)
def test_app_429_names_no_limit(start_api: StartApi, limits: dict[str, str], name: str) -> None:
    """All limits return the same response, with the wait; the client gets the limit."""
    api = start_api(**limits)
    one = api.create()
    dialer = ManualDialer(api.store)
    dialer.record(dialer.send(), CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    app = app_of(one, api)
    rejected = assert_problem(app.act(one, "calls"), 429, "rate_limited")
    assert rejected.keys() == {*PROBLEM_MEMBERS, "retry_after", "verification"}
    assert (rejected["title"], rejected["detail"]) == ("A limit is reached", "A limit is reached.")
    assert rejected["verification"]["to"] == MASKED
    assert app.get_verification(one)["next"]["call"]["reason"] == "rate_limited"
    found = assert_problem(api.act(one, "calls"), 429, "rate_limited")
    assert (found["limit"], found["verification"]["to"]) == (name, ASHA)
    assert found["detail"] != rejected["detail"]


def test_app_429_for_wrong_codes_names_no_limit(start_api: StartApi) -> None:
    """The code is ``too_many_wrong_codes``."""
    api = start_api(limits_wrong_codes_per_number="1/24h")
    one = api.create(code="1234")
    app = app_of(one, api)
    dialer = ManualDialer(api.store)
    dialer.record(dialer.send(), CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert app.check(one, "9999").get_json()["valid"] is False
    for response in (app.check(one, "1234"), app.act(one, "calls")):
        rejected = assert_problem(response, 429, "too_many_wrong_codes")
        assert rejected.keys() == {*PROBLEM_MEMBERS, "retry_after", "verification"}
        assert rejected["detail"] == "Too many wrong codes for this number."
        assert rejected["verification"]["to"] == MASKED
    assert assert_problem(api.check(one, "1234"), 429, "too_many_wrong_codes")["limit"]
