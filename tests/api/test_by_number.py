"""``/v1/checks``, ``/v1/approvals`` and ``/v1/lookups``: a number instead of an id."""

from collections.abc import Callable
from typing import Any

import pytest
from api.api_client import (
    ApiClient,
    ManualDialer,
    StartApi,
    assert_problem,
    pointers,
)
from api.test_numbers_and_names import NO_NUMBERS
from support.service import ASHA

CHECKS, APPROVALS, LOOKUPS = "/v1/checks", "/v1/approvals", "/v1/lookups"
PATHS = [CHECKS, APPROVALS, LOOKUPS]
RAVI = "+919812345678"
CODE = "1234"


def body_for(path: str, to: Any = ASHA, **members: Any) -> dict[str, Any]:
    """Return a valid body of a path."""
    return {"to": to, **({"code": CODE} if path == CHECKS else {}), **members}


def check(api: ApiClient, code: str = CODE, to: str = ASHA, **members: Any) -> Any:
    """Check a code by number and return the object."""
    response = api.post(CHECKS, {"to": to, "code": code, **members})
    assert response.status_code == 200, response.text
    return response.get_json()


def look_up(api: ApiClient, to: str = ASHA, **members: Any) -> Any:
    """Look a verification up and return its object."""
    response = api.post(LOOKUPS, {"to": to, **members})
    assert response.status_code == 200, response.text
    return response.get_json()


def test_right_code_is_accepted_once_with_a_receipt(api: ApiClient) -> None:
    """As by id; then both ways return 409 with the object."""
    created = api.create(code=CODE)
    shown = check(api)
    assert (shown["id"], shown["valid"], shown["status"]) == (created["id"], True, "approved")
    assert shown["receipt"].count(".") == 2
    ended = {name: value for name, value in shown.items() if name not in {"valid", "receipt"}}
    for again in (api.post(CHECKS, body_for(CHECKS)), api.check(created, CODE)):
        assert assert_problem(again, 409, "verification_closed")["verification"] == ended


def test_wrong_codes_by_id_and_by_number_share_their_checks(api: ApiClient) -> None:
    created = api.create(code=CODE)
    left = []
    for n in range(5):
        shown = api.check(created, f"900{n}").get_json() if n % 2 else check(api, f"900{n}")
        left.append(shown["checks_left"])
        assert shown["valid"] is False
        assert "receipt" not in shown
    assert left == [4, 3, 2, 1, 0]
    body = assert_problem(api.post(CHECKS, body_for(CHECKS)), 409, "verification_closed")
    assert body["verification"]["status"] == "max_attempts_reached"


def test_generated_code_is_compared_after_the_call(api: ApiClient, dialer: ManualDialer) -> None:
    """Before it: 409 with the object, and nothing is counted."""
    created = api.create()
    body = assert_problem(api.post(CHECKS, {"to": ASHA, "code": "123456"}), 409, "no_call_yet")
    seen = body["verification"]
    assert (seen["id"], seen["checks_left"]) == (created["id"], created["checks_left"])
    _, code, _ = dialer.decrypt(dialer.place())
    assert check(api, code)["valid"] is True


def test_code_of_wrong_length_returns_422_and_costs_nothing(api: ApiClient) -> None:
    api.create(code="123456")
    body = assert_problem(api.post(CHECKS, body_for(CHECKS)), 422, "invalid_request")
    assert pointers(body) == ["/code"]
    assert (body["verification"]["checks_left"], body["verification"]["code_length"]) == (5, 6)


def test_wrong_codes_of_the_number_are_limited_over_both_ways(start_api: StartApi) -> None:
    """The next one is 429, by number and by id, for every session of the number."""
    api = start_api(limits_wrong_codes_per_number="3/1h")
    one, two = (api.create(reference=name, code=CODE) for name in ("one", "two"))
    check(api, "9001", reference="one")
    api.check(two, "9002")
    check(api, "9003", reference="two")
    for refused in (
        api.post(CHECKS, body_for(CHECKS)),
        api.post(CHECKS, body_for(CHECKS, reference="one")),
        api.check(one, CODE),
    ):
        body = assert_problem(refused, 429, "too_many_wrong_codes")
        assert body["limit"] == "wrong_codes_per_number"


def test_repeated_check_with_a_key_is_replayed(api: ApiClient) -> None:
    """The same receipt; another body is 422; the key of another path is another key."""
    api.create(code=CODE)
    send = b'{"to": "%s", "code": "%s"}' % (ASHA.encode(), CODE.encode())
    first, again = (api.post_raw(CHECKS, send, idempotency_key="k") for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    other = api.post_raw(CHECKS, send.replace(b"1234", b"4321"), idempotency_key="k")
    assert_problem(other, 422, "idempotency_mismatch")
    api.create(RAVI, code=CODE)
    assert api.post_raw(CHECKS, send, idempotency_key="").status_code == 422
    path = f"/v1/verifications/{look_up(api, RAVI)['id']}/checks"
    by_id = api.post_raw(path, b'{"code": "1234"}', idempotency_key="k")
    assert "Idempotent-Replayed" not in by_id.headers


def test_newest_session_is_meant_and_reference_selects_its_own(api: ApiClient) -> None:
    """Null is no reference at all: the newest."""
    ids = {}
    for reference in ("one", "two", None):
        api.advance_time(1)
        ids[reference] = api.create(reference=reference, code=CODE)["id"]
        assert look_up(api)["id"] == ids[reference]
    assert look_up(api, reference=None)["id"] == ids[None]
    for reference in ("one", "two"):
        assert look_up(api, reference=reference)["id"] == ids[reference]
    assert check(api, reference="one")["id"] == ids["one"]
    approved = api.post(APPROVALS, {"to": ASHA, "reference": "two"}).get_json()
    assert (approved["id"], approved["status"]) == (ids["two"], "approved")
    assert look_up(api)["status"] == "pending"


def test_approval_ends_the_verification_and_gives_places_back(
    start_api: StartApi,
) -> None:
    """Again 200 with the same object; no receipt. The number may be called again."""
    api = start_api(limits_calls_per_number="1/10m", limits_call_gap="0")
    dialer = ManualDialer(api.store)
    created = api.create(code=CODE, reference="one")
    dialer.place()
    refused = assert_problem(api.create_response(reference="two"), 429, "rate_limited")
    assert refused["limit"] == "calls_per_number"
    responses = [api.post(APPROVALS, {"to": ASHA}) for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 200]
    first, second = (response.get_json() for response in responses)
    assert first == second
    assert (first["id"], first["reason"]) == (created["id"], "approved_elsewhere")
    assert first.keys().isdisjoint({"valid", "receipt", "client_token"})
    api.create(reference="two")


@pytest.mark.parametrize("end", ["cancel", "approve", "expire", "guess", "check"])
def test_ended_verification_is_found(api: ApiClient, end: str) -> None:
    """By lookup for as long as it is retained; 409 with the object for what it no longer allows."""
    created = api.create(code=CODE)
    ends: dict[str, Callable[[], object]] = {
        "cancel": lambda: api.act(created, "cancel"),
        "approve": lambda: api.act(created, "approve"),
        "expire": lambda: api.advance_time(301),
        "guess": lambda: [check(api, f"900{n}") for n in range(5)],
        "check": lambda: check(api),
    }
    ends[end]()
    api.advance_time(1800)
    ended = look_up(api)
    assert ended == api.get_verification(created)
    assert ended["status"] != "pending"
    refused = [CHECKS] if end in {"approve", "check"} else [CHECKS, APPROVALS]
    for path in refused:
        problem = assert_problem(api.post(path, body_for(path)), 409, "verification_closed")
        assert problem["verification"] == ended


@pytest.mark.parametrize("path", PATHS)
def test_number_of_another_client_returns_the_404_of_an_unknown_one(
    api: ApiClient, path: str
) -> None:
    """Byte for byte except for the request's id, and nothing happens to it."""
    theirs = api.as_bank().create(code=CODE, reference="theirs")
    api.create(RAVI, code=CODE, reference="ours")
    texts, headers = set(), set()
    for members in (
        {"to": ASHA},
        {"to": ASHA, "reference": "theirs"},
        {"to": ASHA, "reference": "none"},
        {"to": "+919876543211"},
        {"to": RAVI, "reference": "theirs"},
        {"to": "+14155552671"},
    ):
        response = api.post(path, body_for(path, **members))
        body = assert_problem(response, 404, "not_found")
        texts.add(response.text.replace(body["instance"], ""))
        headers.add(tuple(h for h in response.headers.items() if h[0] != "Request-Id"))
    assert len(texts) == 1
    assert len(headers) == 1
    assert api.as_bank().get_verification(theirs)["version"] == theirs["version"]


@pytest.mark.parametrize("path", PATHS)
def test_malformed_number_returns_422(api: ApiClient, path: str) -> None:
    """Whatever its shape; so does a value of another type."""
    for number in NO_NUMBERS:
        assert_problem(api.post(path, body_for(path, number)), 422, "invalid_number")
    for value in (None, 919876543210, True, [ASHA], {"to": ASHA}):
        body = assert_problem(api.post(path, body_for(path, value)), 422, "invalid_request")
        assert pointers(body) == ["/to"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"reference": 81}, "/reference"),
        ({"reference": "x" * 65}, "/reference"),
        ({"reference": "a\x00b"}, "/reference"),
        ({"transaction": 5}, "/transaction"),
        ({"id": "vrf_1"}, "/id"),
        ({"To": ASHA}, "/To"),
    ],
)
def test_invalid_or_unknown_member_returns_422(
    api: ApiClient, path: str, members: dict[str, Any], pointer: str
) -> None:
    """The error names it, and nothing happens."""
    created = api.create(code=CODE)
    body = assert_problem(api.post(path, body_for(path) | members), 422, "invalid_request")
    assert pointers(body) == [pointer]
    assert api.get_verification(created)["version"] == created["version"]


@pytest.mark.parametrize("path", PATHS)
def test_body_without_number_returns_422(api: ApiClient, path: str) -> None:
    """Also an absent body; a check names its code as well."""
    missing = {"/to", "/code"} if path == CHECKS else {"/to"}
    for response in (api.post(path), api.post(path, {})):
        assert {*pointers(assert_problem(response, 422, "invalid_request"))} == missing


def test_malformed_code_returns_422(api: ApiClient) -> None:
    api.create(code=CODE)
    for code in ("", "123", "1" * 11, "१२३४", 1234, None):
        body = assert_problem(api.post(CHECKS, {"to": ASHA, "code": code}), 422, "invalid_request")
        assert pointers(body) == ["/code"]
    assert look_up(api)["checks_left"] == 5


@pytest.mark.parametrize("path", PATHS)
def test_client_token_returns_403(api: ApiClient, path: str) -> None:
    """Also for its own verification; without a credential it is 401."""
    created = api.create(code=CODE)
    app = api.with_key(created["client_token"])
    assert_problem(app.post(path, body_for(path)), 403, "forbidden")
    assert_problem(api.client.post(path, json=body_for(path)), 401, "unauthorized")
    assert api.get_verification(created)["version"] == created["version"]


@pytest.mark.parametrize("path", PATHS)
def test_number_in_an_address_is_not_read(api: ApiClient, path: str) -> None:
    """It must be in the body; GET is 405."""
    api.create(code=CODE)
    query = f"{path}?to=%2B{ASHA[1:]}&code={CODE}"
    assert_problem(api.post(query), 422, "invalid_request")
    assert_problem(api.get(path), 405, "method_not_allowed")
