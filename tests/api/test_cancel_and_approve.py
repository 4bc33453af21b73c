"""``GET``, ``calls``, ``cancel`` and ``approve``, and who can access a verification."""

from collections.abc import Callable
from typing import Any

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, ApiClient, ManualDialer, assert_problem, pointers

STEPS = ["", "/checks", "/calls", "/cancel", "/approve"]
EMPTY: list[tuple[bytes, str | None]] = [
    (b"", None),
    (b"", "text/plain"),
    (b"", "application/json"),
    (b"{}", "application/json"),
    (b" {\n} ", "application/json; charset=utf-8"),
]
"""Empty bodies, with their Content-Type."""


def take(api: ApiClient, verification_id: str, step: str) -> Any:
    """Send one valid request for a verification."""
    path = f"{VERIFICATIONS}/{verification_id}{step}"
    if not step:
        return api.get(path)
    return api.post(path, {"code": "123456"} if step == "/checks" else None)


@pytest.mark.parametrize("step", STEPS)
def test_verification_of_another_client_returns_the_404_of_an_unknown_one(
    api: ApiClient, step: str
) -> None:
    """Byte for byte except for the request's id, and nothing happens to it."""
    theirs = api.as_bank().create(code="123456")
    ids = [theirs["id"], UNKNOWN, "vrf_", "x" * 300, theirs["id"].upper(), "vrf_%00", "हिन्दी"]
    texts, headers = set(), set()
    for verification_id in ids:
        response = take(api, verification_id, step)
        body = assert_problem(response, 404, "not_found")
        texts.add(response.text.replace(body["instance"], ""))
        headers.add(tuple(h for h in response.headers.items() if h[0] != "Request-Id"))
    assert len(texts) == 1
    assert len(headers) == 1
    assert api.as_bank().get_verification(theirs)["version"] == theirs["version"]


def test_get_ended_verification_returns_its_object(api: ApiClient) -> None:
    """For as long as it is retained."""
    created = api.create(code="1234")
    ended = api.act(created, "cancel").get_json()
    api.advance_time(3600)
    assert api.get_verification(created) == ended


@pytest.mark.parametrize(("raw", "content_type"), EMPTY)
def test_calls_without_body_returns_202(
    api: ApiClient, raw: bytes, content_type: str | None
) -> None:
    """No route and no locale is requested."""
    created = api.create(call_after=60)
    response = api.post_raw(f"{VERIFICATIONS}/{created['id']}/calls", raw, content_type)
    assert (response.status_code, response.get_json()["id"]) == (202, created["id"])


@pytest.mark.parametrize("step", ["cancel", "approve"])
@pytest.mark.parametrize(("raw", "content_type"), EMPTY)
def test_cancel_and_approve_without_body_return_200(
    api: ApiClient, step: str, raw: bytes, content_type: str | None
) -> None:
    """They have no members."""
    created = api.create()
    response = api.post_raw(f"{VERIFICATIONS}/{created['id']}/{step}", raw, content_type)
    assert (response.status_code, response.get_json()["id"]) == (200, created["id"])


@pytest.mark.parametrize("step", ["calls", "cancel", "approve"])
def test_unknown_member_returns_422_in_every_action(api: ApiClient, step: str) -> None:
    """The error names it, and nothing happens."""
    created = api.create(call_after=60)
    body = assert_problem(api.act(created, step, {"why": 1, "name": "x"}), 422, "invalid_request")
    assert sorted(pointers(body)) == ["/name", "/why"]
    assert api.get_verification(created)["version"] == created["version"]


@pytest.mark.parametrize(
    ("member", "value"), [("route", "sms"), ("route", 1), ("locale", "hi IN"), ("locale", 1)]
)
def test_calls_with_invalid_member_returns_422(api: ApiClient, member: str, value: Any) -> None:
    """The error points at it, and no call is queued or moved."""
    created = api.create(call_after=60)
    body = assert_problem(api.act(created, "calls", {member: value}), 422, "invalid_request")
    assert pointers(body) == [f"/{member}"]
    assert api.get_verification(created)["calls"] == created["calls"]


def test_calls_queues_a_call_with_the_requested_route_and_locale(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """By default it uses the verification's own."""
    created = api.create(ttl=600, route="c2c", locale="hi", code="1234")
    for n, (wish, route, locale) in enumerate(
        [({"route": "obd", "locale": "en-IN"}, "obd", "default"), ({}, "c2c", "hi")], 1
    ):
        claim = dialer.place()
        api.send_callback(id=claim.call_id, status="BUSY")
        api.advance_time(61)
        call = api.act(created, "calls", wish).get_json()["calls"][n]
        assert (call["status"], call["route"], call["locale"]) == ("queued", route, locale)
    assert dialer.decrypt(dialer.claim())[1] == "1234"


def test_calls_brings_a_delayed_call_forward(api: ApiClient, dialer: ManualDialer) -> None:
    """It is the same call, due now."""
    created = api.create(call_after=200)
    assert dialer.has_nothing_due()
    shown = api.act(created, "calls").get_json()
    assert [call["id"] for call in shown["calls"]] == [created["calls"][0]["id"]]
    assert shown["version"] > created["version"]
    assert dialer.claim().call_id == created["calls"][0]["id"]


def test_calls_during_a_queued_call_adds_none(api: ApiClient, dialer: ManualDialer) -> None:
    """202 while a call is queued or dialing."""
    created = api.create()
    queued = api.act(created, "calls", {"route": "c2c"})
    dialer.claim()
    dialing = api.act(created, "calls", {"route": "c2c"})
    for response, status in ((queued, "queued"), (dialing, "dialing")):
        assert response.status_code == 202
        (call,) = response.get_json()["calls"]
        assert (call["status"], call["route"]) == (status, "obd")


def test_calls_over_capacity_returns_503(api: ApiClient, dialer: ManualDialer) -> None:
    """With the verification, while other calls wait for more than a minute."""
    created = api.create(ttl=600)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    api.create("+919876543211", ttl=600)
    api.advance_time(61)
    body = assert_problem(api.act(created, "calls"), 503, "over_capacity")
    assert body["verification"] == api.get_verification(created)


def test_cancel_removes_the_queued_call(api: ApiClient, dialer: ManualDialer) -> None:
    """200, and again 200 with the same object."""
    created = api.create(code="1234")
    responses = [api.act(created, "cancel") for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 200]
    first, second = (response.get_json() for response in responses)
    assert first == second
    assert (first["status"], first["reason"]) == ("canceled", "requested")
    assert [(c["status"], c["reason"]) for c in first["calls"]] == [("canceled", "ended_first")]
    assert dialer.has_nothing_due()


def test_approve_ends_the_verification_as_approved_elsewhere(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """Again 200 with the same object; the code is then rejected."""
    created = api.create(code="1234", call_after=60)
    responses = [api.act(created, "approve") for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 200]
    first, second = (response.get_json() for response in responses)
    assert first == second
    assert (first["status"], first["reason"]) == ("approved", "approved_elsewhere")
    assert "valid" not in first
    assert_problem(api.check(created, "1234"), 409, "verification_closed")
    api.advance_time(61)
    assert dialer.has_nothing_due()


@pytest.mark.parametrize(
    ("end", "rejected", "status"),
    [
        ("cancel", ["approve", "calls", "checks"], "canceled"),
        ("approve", ["cancel", "calls", "checks"], "approved"),
        ("check", ["cancel", "calls", "checks"], "approved"),
        ("expire", ["cancel", "approve", "calls", "checks"], "expired"),
        ("guess", ["cancel", "approve", "calls", "checks"], "max_attempts_reached"),
    ],
)
def test_ended_verification_returns_409_for_every_other_action(
    api: ApiClient, end: str, rejected: list[str], status: str
) -> None:
    """With the object, which does not change."""
    created = api.create(code="1234")
    ends: dict[str, Callable[[], object]] = {
        "cancel": lambda: api.act(created, "cancel"),
        "approve": lambda: api.act(created, "approve"),
        "check": lambda: api.check(created, "1234"),
        "expire": lambda: api.advance_time(301),
        "guess": lambda: [api.check(created, f"000{n}") for n in range(5)],
    }
    ends[end]()
    ended = api.get_verification(created)
    assert ended["status"] == status
    for step in rejected:
        body = {"code": "1234"} if step == "checks" else None
        shown = assert_problem(api.act(created, step, body), 409, "verification_closed")
        assert shown["verification"] == ended
    assert api.get_verification(created) == ended
