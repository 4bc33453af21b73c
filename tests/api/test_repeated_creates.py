"""When a create returns the pending verification, and when it starts a new one."""

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem


def is_superseded(api: ApiClient, verification: dict[str, object]) -> bool:
    """Return whether the verification and its call were superseded."""
    now = api.get_verification(verification)
    ended = {(call["status"], call["reason"]) for call in now["calls"]}
    assert ended == {("canceled", "ended_first")}
    return (now["status"], now["reason"]) == ("canceled", "superseded")


@pytest.mark.parametrize("reference", [None, "", "login-81", "r" * 64])
def test_create_with_same_reference_returns_the_pending_one(
    api: ApiClient, reference: str | None
) -> None:
    """200 with the same id, and no further call."""
    created = api.create(reference=reference)
    again = api.create_response(reference=reference)
    assert again.status_code == 200
    assert again.headers["Location"] == created["url"]
    shown = again.get_json()
    assert (shown["id"], shown["version"]) == (created["id"], created["version"])
    assert shown["calls"] == created["calls"]


def test_create_without_reference_equals_null(api: ApiClient) -> None:
    """An empty reference is another one."""
    created = api.create()
    assert api.create_again(reference=None)["id"] == created["id"]
    other = api.create(reference="")
    assert other["id"] != created["id"]
    assert api.get_verification(created)["status"] == "pending"


@pytest.mark.parametrize("other", ["login-82", None, "LOGIN-81", "login-81 "])
def test_create_with_another_reference_leaves_the_first_pending(
    api: ApiClient, other: str | None
) -> None:
    """201, and the code of the first is still accepted."""
    created = api.create(reference="login-81", code="1234")
    newer = api.create(reference=other)
    assert newer["id"] != created["id"]
    assert api.check(created, "1234").get_json()["valid"] is True


def test_create_with_another_own_code_supersedes(api: ApiClient, dialer: ManualDialer) -> None:
    """Only the newest code is spoken and accepted."""
    first = api.create(code="1234")
    second = api.create(code="4321")
    assert is_superseded(api, first)
    assert dialer.decrypt(dialer.claim())[1] == "4321"
    assert dialer.has_nothing_due()
    assert api.check(second, "1234").get_json()["valid"] is False
    assert api.check(second, "4321").get_json()["valid"] is True


def test_create_with_another_spelling_of_the_number_returns_the_pending_one(api: ApiClient) -> None:
    """The canonical number counts."""
    created = api.create()
    again = api.create_again("+9109876543210")
    assert (again["id"], again["to"]) == (created["id"], created["to"])


def test_repeated_create_ignores_name_ttl_and_ip(api: ApiClient, dialer: ManualDialer) -> None:
    """They apply to the first create."""
    created = api.create(name="Asha", ttl=120)
    again = api.create_again(name="Ravi", ttl=600, ip="203.0.113.9")
    assert again["expires_at"] == created["expires_at"]
    assert dialer.decrypt(dialer.claim())[2] == "Asha"


def test_create_within_the_gap_without_time_returns_429(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """With the pending verification, which continues; later it is accepted."""
    created = api.create(ttl=60)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    body = assert_problem(api.create_response(ttl=60), 429, "rate_limited")
    assert body["limit"] == "call_gap"
    assert body["retry_after"] in {29, 30}
    assert body["verification"]["id"] == created["id"]
    assert api.get_verification(created)["status"] == "pending"
    api.advance_time(body["retry_after"])
    assert api.create(ttl=60)["id"] != created["id"]


def test_create_without_dialer_returns_503(api: ApiClient) -> None:
    """30 s after the last heartbeat, unless the call is for later."""
    api.store.clock_offset_ms += 31_000
    body = assert_problem(api.create_response(), 503, "calls_unavailable")
    assert "verification" not in body
    assert api.create(call_after=20)["status"] == "pending"


def test_repeated_create_without_dialer_returns_503_with_the_pending_one(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """It continues."""
    created = api.create(ttl=600)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    api.store.clock_offset_ms += 31_000
    for response in (api.create_response(), api.act(created, "calls")):
        body = assert_problem(response, 503, "calls_unavailable")
        assert body["verification"]["id"] == created["id"]
        assert body["verification"]["status"] == "pending"
    assert len(api.get_verification(created)["calls"]) == 1
    stale = assert_problem(api.create_response(code="4321"), 503, "calls_unavailable")
    assert stale["verification"]["reason"] == "superseded"


def test_create_over_capacity_returns_503(api: ApiClient, dialer: ManualDialer) -> None:
    """The oldest due call waits for more than 60 s."""
    created = api.create("+919876543211", ttl=600)
    api.advance_time(59)
    assert api.create("+919876543212", ttl=600)
    api.advance_time(2)
    assert "verification" not in assert_problem(api.create_response(), 503, "over_capacity")
    assert dialer.claim().verification_id == created["id"]
    assert api.create()["status"] == "pending"
