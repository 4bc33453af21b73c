"""Limits over HTTP: what an error reveals, and what the object says before a limit is reached."""

import pytest
from api.api_client import (
    VERIFICATIONS,
    ApiClient,
    ManualDialer,
    StartApi,
    assert_problem,
    pointers,
)
from support.service import ASHA

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.models import CallResult

RAVI = "+919812345678"
NEIGHBOUR = "+919876543211"
ADDRESS = "49.36.0.1"


def fail_due_call(api: ApiClient) -> None:
    """Send the due call and let it fail after it may have rung."""
    dialer = ManualDialer(api.store)
    claim = dialer.claim()
    assert api.store.mark_sent(claim, 165_000, [0])
    dialer.record(claim, CallStatus.FAILED, CallReason.PROVIDER_ERROR)


def answer_due_call(api: ApiClient) -> None:
    """Send the due call and let it be answered."""
    dialer = ManualDialer(api.store)
    claim = dialer.claim()
    assert api.store.mark_sent(claim, 165_000, [0])
    dialer.record(claim, CallStatus.ANSWERED)


# Calls -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "to", "limit", "wait"),
    [
        ({"limits_calls_per_number": "1/10m"}, ASHA, "calls_per_number", 600),
        ({"limits_calls_per_number": "1/10m,5/24h"}, ASHA, "calls_per_number 1/10m", 600),
        ({"limits_all_calls_per_number": "1/24h"}, ASHA, "all_calls_per_number", 86_400),
        ({"limits_unverified_per_prefix": "1/10m"}, NEIGHBOUR, "unverified_per_prefix", 600),
        ({"limits_calls_per_ip": "1/1h"}, RAVI, "calls_per_ip", 3_600),
        ({"limits_calls_per_day": "1"}, RAVI, "calls_per_day", 86_400),
    ],
)
def test_limit_of_a_number_is_shared_by_clients(
    start_api: StartApi, changes: dict[str, str], to: str, limit: str, wait: int
) -> None:
    """429 without any detail of the other client's verification."""
    api = start_api(**changes)
    api.create(ip=ADDRESS)
    body = assert_problem(
        api.as_bank().create_response(to, ip=f"::ffff:{ADDRESS}"), 429, "rate_limited"
    )
    assert body["limit"] == limit
    assert wait - 5 <= body["retry_after"] <= wait + wait // 60
    assert "verification" not in body


def test_429_shows_the_own_verification(start_api: StartApi) -> None:
    """It stays pending, and `next` has the same time as the error."""
    api = start_api(limits_calls_per_number="1/10m")
    begun = api.create()
    fail_due_call(api)
    step = api.get_verification(begun)["next"]["call"]
    assert (step["allowed"], step["reason"]) == (False, "rate_limited")
    for response in (api.create_response(), api.act(begun, "calls")):
        body = assert_problem(response, 429, "rate_limited")
        assert abs(body["retry_after"] - step["retry_after"]) <= 1
        assert body["verification"]["id"] == begun["id"]
        assert body["verification"]["next"]["call"]["at"] == step["at"]
        assert body["verification"]["next"]["check"]["allowed"]
    api.advance_time(step["retry_after"])
    assert api.create_response().status_code == 201


def test_call_gap_without_time_left_returns_429(start_api: StartApi) -> None:
    """It names the limit and the time to retry."""
    api = start_api()
    begun = api.create()
    claim = ManualDialer(api.store).claim()
    assert api.store.mark_sent(claim, 165_000, [300_000])
    api.store.record_result(claim, CallResult(CallStatus.FAILED))
    api.act(begun, "cancel")
    body = assert_problem(api.create_response(), 429, "rate_limited")
    assert body["limit"] == "call_gap"
    assert 55 <= body["retry_after"] <= 60


# Wrong codes -------------------------------------------------------------------------------------


def test_wrong_codes_limit_refuses_checks_creates_and_calls(start_api: StartApi) -> None:
    """The verification stays pending, with its checks."""
    api = start_api(limits_wrong_codes_per_number="2/1h")
    begun = api.create(code="012345")
    fail_due_call(api)
    for code in ("999991", "999992"):
        assert api.check(begun, code).get_json()["valid"] is False
    seen = api.get_verification(begun)
    assert seen["status"] == "pending"
    for step in ("check", "call"):
        assert (seen["next"][step]["allowed"], seen["next"][step]["reason"]) == (
            False,
            "too_many_wrong_codes",
        )
        assert 3_595 <= seen["next"][step]["retry_after"] <= 3_661
        assert seen["next"][step]["at"]
    for response in (api.check(begun, "012345"), api.create_response(), api.act(begun, "calls")):
        body = assert_problem(response, 429, "too_many_wrong_codes")
        assert body["limit"] == "wrong_codes_per_number"
        assert 3_595 <= body["retry_after"] <= 3_661
    after = api.get_verification(begun)
    assert (after["checks_left"], after["version"]) == (seen["checks_left"], seen["version"])
    assert_problem(api.as_bank().create_response(), 429, "too_many_wrong_codes")


# deliver_only clients ----------------------------------------------------------------------------


def test_deliver_only_client_without_code_gets_422(start_api: StartApi) -> None:
    """The error names the member, and no limit counts it."""
    api = start_api(clients_login_deliver_only="true", clients_login_calls_per_day="1")
    rejected = assert_problem(api.create_response(), 422, "invalid_request")
    assert pointers(rejected) == ["/code"]
    api.create(code="012345")
    assert assert_problem(api.create_response(RAVI, code="012345"), 429, "rate_limited")[
        "limit"
    ] == ("calls_per_day")


# Breakers ----------------------------------------------------------------------------------------


def test_open_conversion_breaker_returns_429(start_api: StartApi) -> None:
    """``/readyz`` shows that it is open, without the prefix."""
    api = start_api(limits_unverified_per_prefix="99/1h", limits_calls_per_client="99/1m")
    for n in range(20):
        begun = api.create(f"+919876{540_000 + n}")
        answer_due_call(api)
        api.act(begun, "cancel")
    body = assert_problem(api.create_response(), 429, "rate_limited")
    assert body["limit"] == "conversion_breaker"
    assert 1_795 <= body["retry_after"] <= 1_800
    ready = api.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json()["degraded"] == ["conversion_breaker"]
    assert "9876" not in ready.text
    api.create("+919123456789")
    api.advance_time(1_800)
    assert api.client.get("/readyz").get_json()["degraded"] == []
    api.create()


def test_open_wrong_code_breaker_reduces_checks(start_api: StartApi) -> None:
    """New verifications have three checks; ``/readyz`` shows the reason."""
    api = start_api(limits_calls_per_client="999/1m")
    for n in range(40):
        begun = api.create(f"+919{n:03}{543_210 + n}", code="012345")
        for guess in range(5):
            api.check(begun, f"99999{guess}")
    assert api.create()["checks_left"] == 3
    assert api.client.get("/readyz").get_json()["degraded"] == ["wrong_code_breaker"]


# Retries -----------------------------------------------------------------------------------------


def test_limited_create_can_be_retried_with_its_key(start_api: StartApi) -> None:
    """An error is not remembered."""
    api = start_api(limits_calls_per_number="1/1m")
    api.as_bank().create()
    fail_due_call(api)
    raw = b'{"to": "%s"}' % ASHA.encode()
    body = assert_problem(
        api.post_raw(VERIFICATIONS, raw, idempotency_key="k"), 429, "rate_limited"
    )
    api.advance_time(body["retry_after"])
    assert api.post_raw(VERIFICATIONS, raw, idempotency_key="k").status_code == 201
