"""Limits at the door: what a refusal tells, and what the object says before one is met."""

from collections.abc import Callable

import pytest
from api.api_client import (
    VERIFICATIONS,
    ApiClient,
    ManualDialer,
    assert_problem,
    pointers,
    settings_with,
)
from redis import Redis
from support.service import ASHA

from otpvoice.app import create_app, store_policy
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.models import CallResult
from otpvoice.store.redis_store import RedisStore

RAVI = "+919812345678"
NEIGHBOUR = "+919876543211"
ADDRESS = "49.36.0.1"
Limited = Callable[..., ApiClient]


@pytest.fixture
def limited(environ: dict[str, str], redis: Redis) -> Limited:
    """Opens a door with other settings, named as in ``limits_calls_per_day="1"``."""

    def open_door(**changes: str) -> ApiClient:
        settings = settings_with(environ, verification_max_redials="0", **changes)
        store = RedisStore(redis, policy=store_policy(settings))
        store.sweep("a dialer")
        return ApiClient(create_app(settings, store), store)

    return open_door


def dials(api: ApiClient) -> None:
    """The call that is due fails after it may have rung."""
    dialer = ManualDialer(api.store)
    claim = dialer.claim()
    assert api.store.mark_sent(claim, 165_000, [0])
    dialer.record(claim, CallStatus.FAILED, CallReason.PROVIDER_ERROR)


def answers(api: ApiClient) -> None:
    """The call that is due is answered."""
    dialer = ManualDialer(api.store)
    claim = dialer.claim()
    assert api.store.mark_sent(claim, 165_000, [0])
    dialer.record(claim, CallStatus.ANSWERED)


# Refused calls -----------------------------------------------------------------------------------


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
def test_two_clients_share_a_limit(
    limited: Limited, changes: dict[str, str], to: str, limit: str, wait: int
) -> None:
    """429 with the limit and the wait, and not a word of the other's verification."""
    api = limited(**changes)
    api.create(ip=ADDRESS)
    body = assert_problem(
        api.as_bank().create_response(to, ip=f"::ffff:{ADDRESS}"), 429, "rate_limited"
    )
    assert body["limit"] == limit
    assert wait - 5 <= body["retry_after"] <= wait + wait // 60
    assert "verification" not in body


def test_each_client_has_its_own_limits(limited: Limited) -> None:
    """One that is used up keeps no other from calling."""
    api = limited(limits_calls_per_client="1/1m", clients_login_calls_per_day="2")
    api.create()
    assert (
        assert_problem(api.create_response(RAVI), 429, "rate_limited")["limit"]
        == "calls_per_client"
    )
    api.as_bank().create(RAVI)
    for _ in range(2):
        dials(api)
    api.advance_time(62)
    api.create("+919123456789")
    dials(api)
    api.advance_time(62)
    body = assert_problem(api.create_response("+919123456780"), 429, "rate_limited")
    assert body["limit"] == "calls_per_day"


def test_a_refusal_shows_ones_own_verification(limited: Limited) -> None:
    """It lives on, and `next` names the moment that the refusal names."""
    api = limited(limits_calls_per_number="1/10m")
    begun = api.create()
    dials(api)
    step = api.get_verification(begun)["next"]["call"]
    assert (step["allowed"], step["reason"]) == (False, "rate_limited")
    for answer in (api.create_response(), api.act(begun, "calls")):
        body = assert_problem(answer, 429, "rate_limited")
        assert abs(body["retry_after"] - step["retry_after"]) <= 1
        assert body["verification"]["id"] == begun["id"]
        assert body["verification"]["next"]["call"]["at"] == step["at"]
        assert body["verification"]["next"]["check"]["allowed"]
    api.advance_time(step["retry_after"])
    assert api.create_response().status_code == 201


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "203.0.113.9", "2001:db8::1"])
def test_an_address_of_nobody_is_ignored(limited: Limited, address: str) -> None:
    """Behind it are many, or none."""
    api = limited(limits_calls_per_ip="1/1h")
    for to in (ASHA, RAVI):
        api.create(to, ip=address)


def test_a_line_counts_as_one(limited: Limited) -> None:
    """All addresses of an IPv6 /64; the next /64 is somebody else."""
    api = limited(limits_calls_per_ip="1/1h")
    api.create(ip="2401:4900:1c2a:7f00::1")
    answer = api.create_response(RAVI, ip="2401:4900:1c2a:7f00:ffff::9")
    assert assert_problem(answer, 429, "rate_limited")["limit"] == "calls_per_ip"
    api.create(RAVI, ip="2401:4900:1c2a:7f01::1")


def test_a_gap_that_leaves_no_time_refuses(limited: Limited) -> None:
    """As a limit does: it names itself and says when it would be taken."""
    api = limited()
    begun = api.create()
    claim = ManualDialer(api.store).claim()
    assert api.store.mark_sent(claim, 165_000, [300_000])
    api.store.record_result(claim, CallResult(CallStatus.FAILED))
    api.act(begun, "cancel")
    body = assert_problem(api.create_response(), 429, "rate_limited")
    assert body["limit"] == "call_gap"
    assert 55 <= body["retry_after"] <= 60


# Wrong codes -------------------------------------------------------------------------------------


def test_too_many_wrong_codes(limited: Limited) -> None:
    """Checks, creates and calls are refused; the verification is pending, its checks untouched."""
    api = limited(limits_wrong_codes_per_number="2/1h")
    begun = api.create(code="012345")
    dials(api)
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
    for answer in (api.check(begun, "012345"), api.create_response(), api.act(begun, "calls")):
        body = assert_problem(answer, 429, "too_many_wrong_codes")
        assert body["limit"] == "wrong_codes_per_number"
        assert 3_595 <= body["retry_after"] <= 3_661
    after = api.get_verification(begun)
    assert (after["checks_left"], after["version"]) == (seen["checks_left"], seen["version"])
    assert_problem(api.as_bank().create_response(), 429, "too_many_wrong_codes")


def test_the_right_code_after_the_window(limited: Limited) -> None:
    """At the moment that the refusal named it is taken."""
    api = limited(limits_wrong_codes_per_number="2/1m")
    begun = api.create(code="012345")
    for code in ("999991", "999992"):
        api.check(begun, code)
    body = assert_problem(api.check(begun, "012345"), 429, "too_many_wrong_codes")
    api.advance_time(body["retry_after"])
    assert api.check(begun, "012345").get_json()["valid"] is True


# Clients that report nothing ---------------------------------------------------------------------


def test_a_client_that_reports_nothing_brings_its_code(limited: Limited) -> None:
    """Without one it is told which member is missing, and nothing is used up."""
    api = limited(clients_login_deliver_only="true", clients_login_calls_per_day="1")
    refused = assert_problem(api.create_response(), 422, "invalid_request")
    assert pointers(refused) == ["/code"]
    api.create(code="012345")
    assert assert_problem(api.create_response(RAVI, code="012345"), 429, "rate_limited")[
        "limit"
    ] == ("calls_per_day")


def test_its_calls_leave_the_others_theirs(limited: Limited) -> None:
    """On the same number."""
    api = limited(
        clients_login_deliver_only="true",
        clients_login_calls_per_day="9",
        limits_calls_per_number="1/10m",
    )
    for code in ("0001", "0002"):
        api.create(code=code)
        dials(api)
    api.as_bank().create()


# Breakers ----------------------------------------------------------------------------------------


def test_an_area_that_is_refused(limited: Limited) -> None:
    """429 under the setting's name; readiness tells that it is open and not where."""
    api = limited(limits_unverified_per_prefix="99/1h", limits_calls_per_client="99/1m")
    for n in range(20):
        begun = api.create(f"+919876{540_000 + n}")
        answers(api)
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


def test_a_wave_of_guesses(limited: Limited) -> None:
    """New verifications start with three checks; readiness tells why."""
    api = limited(limits_calls_per_client="999/1m")
    for n in range(40):
        begun = api.create(f"+919{n:03}{543_210 + n}", code="012345")
        for guess in range(5):
            api.check(begun, f"99999{guess}")
    assert api.create()["checks_left"] == 3
    assert api.client.get("/readyz").get_json()["degraded"] == ["wrong_code_breaker"]


# Once more ---------------------------------------------------------------------------------------


def test_a_refused_create_may_be_repeated_under_its_key(limited: Limited) -> None:
    """A refusal is not remembered: later the same request under the same key is taken."""
    api = limited(limits_calls_per_number="1/1m")
    api.as_bank().create()
    dials(api)
    raw = b'{"to": "%s"}' % ASHA.encode()
    body = assert_problem(
        api.post_raw(VERIFICATIONS, raw, idempotency_key="k"), 429, "rate_limited"
    )
    api.advance_time(body["retry_after"])
    assert api.post_raw(VERIFICATIONS, raw, idempotency_key="k").status_code == 201
