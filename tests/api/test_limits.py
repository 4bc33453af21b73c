"""Limits at the door: what a refusal tells, and what the object says before one is met."""

from collections.abc import Callable

import pytest
from api.door import VERIFICATIONS, Door, HandDialer, pointers, problem, settings_with
from redis import Redis
from world import ASHA

from otpvoice.app import create_app, queue_rules
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.models import CallResult
from otpvoice.store.redis_store import RedisStore

RAVI = "+919812345678"
NEIGHBOUR = "+919876543211"
ADDRESS = "49.36.0.1"
Limited = Callable[..., Door]


@pytest.fixture
def limited(environ: dict[str, str], redis: Redis) -> Limited:
    """Opens a door with other settings, named as in ``limits_calls_per_day="1"``."""

    def open_door(**changes: str) -> Door:
        settings = settings_with(environ, verification_max_redials="0", **changes)
        store = RedisStore(redis, keep=600_000, rules=queue_rules(settings))
        store.sweep("a dialer")
        return Door(create_app(settings, store), store)

    return open_door


def dials(door: Door) -> None:
    """The call that is due fails after it may have rung."""
    dialer = HandDialer(door.store)
    claim = dialer.claims()
    assert door.store.mark(claim, 165_000, [0])
    dialer.records(claim, CallStatus.FAILED, CallReason.PROVIDER_ERROR)


def answers(door: Door) -> None:
    """The call that is due is answered."""
    dialer = HandDialer(door.store)
    claim = dialer.claims()
    assert door.store.mark(claim, 165_000, [0])
    dialer.records(claim, CallStatus.ANSWERED)


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
    door = limited(**changes)
    door.asks(ip=ADDRESS)
    body = problem(door.bank().creates(to, ip=f"::ffff:{ADDRESS}"), 429, "rate_limited")
    assert body["limit"] == limit
    assert wait - 5 <= body["retry_after"] <= wait + wait // 60
    assert "verification" not in body


def test_each_client_has_its_own_limits(limited: Limited) -> None:
    """One that is used up keeps no other from calling."""
    door = limited(limits_calls_per_client="1/1m", clients_login_calls_per_day="2")
    door.asks()
    assert problem(door.creates(RAVI), 429, "rate_limited")["limit"] == "calls_per_client"
    door.bank().asks(RAVI)
    for _ in range(2):
        dials(door)
    door.later(62)
    door.asks("+919123456789")
    dials(door)
    door.later(62)
    body = problem(door.creates("+919123456780"), 429, "rate_limited")
    assert body["limit"] == "calls_per_day"


def test_a_refusal_shows_ones_own_verification(limited: Limited) -> None:
    """It lives on, and `next` names the moment that the refusal names."""
    door = limited(limits_calls_per_number="1/10m")
    begun = door.asks()
    dials(door)
    step = door.looks(begun)["next"]["call"]
    assert (step["allowed"], step["reason"]) == (False, "rate_limited")
    for answer in (door.creates(), door.does(begun, "calls")):
        body = problem(answer, 429, "rate_limited")
        assert abs(body["retry_after"] - step["retry_after"]) <= 1
        assert body["verification"]["id"] == begun["id"]
        assert body["verification"]["next"]["call"]["at"] == step["at"]
        assert body["verification"]["next"]["check"]["allowed"]
    door.later(step["retry_after"])
    assert door.creates().status_code == 201


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "203.0.113.9", "2001:db8::1"])
def test_an_address_of_nobody_is_ignored(limited: Limited, address: str) -> None:
    """Behind it are many, or none."""
    door = limited(limits_calls_per_ip="1/1h")
    for to in (ASHA, RAVI):
        door.asks(to, ip=address)


def test_a_line_counts_as_one(limited: Limited) -> None:
    """All addresses of an IPv6 /64; the next /64 is somebody else."""
    door = limited(limits_calls_per_ip="1/1h")
    door.asks(ip="2401:4900:1c2a:7f00::1")
    answer = door.creates(RAVI, ip="2401:4900:1c2a:7f00:ffff::9")
    assert problem(answer, 429, "rate_limited")["limit"] == "calls_per_ip"
    door.asks(RAVI, ip="2401:4900:1c2a:7f01::1")


def test_a_gap_that_leaves_no_time_refuses(limited: Limited) -> None:
    """As a limit does: it names itself and says when it would be taken."""
    door = limited()
    begun = door.asks()
    claim = HandDialer(door.store).claims()
    assert door.store.mark(claim, 165_000, [300_000])
    door.store.record(claim, CallResult(CallStatus.FAILED))
    door.does(begun, "cancel")
    body = problem(door.creates(), 429, "rate_limited")
    assert body["limit"] == "call_gap"
    assert 55 <= body["retry_after"] <= 60


# Wrong codes -------------------------------------------------------------------------------------


def test_too_many_wrong_codes(limited: Limited) -> None:
    """Checks, creates and calls are refused; the verification is pending, its checks untouched."""
    door = limited(limits_wrong_codes_per_number="2/1h")
    begun = door.asks(code="012345")
    dials(door)
    for code in ("999991", "999992"):
        assert door.checks(begun, code).get_json()["valid"] is False
    seen = door.looks(begun)
    assert seen["status"] == "pending"
    for step in ("check", "call"):
        assert (seen["next"][step]["allowed"], seen["next"][step]["reason"]) == (
            False,
            "too_many_wrong_codes",
        )
        assert 3_595 <= seen["next"][step]["retry_after"] <= 3_661
        assert seen["next"][step]["at"]
    for answer in (door.checks(begun, "012345"), door.creates(), door.does(begun, "calls")):
        body = problem(answer, 429, "too_many_wrong_codes")
        assert body["limit"] == "wrong_codes_per_number"
        assert 3_595 <= body["retry_after"] <= 3_661
    after = door.looks(begun)
    assert (after["checks_left"], after["version"]) == (seen["checks_left"], seen["version"])
    problem(door.bank().creates(), 429, "too_many_wrong_codes")


def test_the_right_code_after_the_window(limited: Limited) -> None:
    """At the moment that the refusal named it is taken."""
    door = limited(limits_wrong_codes_per_number="2/1m")
    begun = door.asks(code="012345")
    for code in ("999991", "999992"):
        door.checks(begun, code)
    body = problem(door.checks(begun, "012345"), 429, "too_many_wrong_codes")
    door.later(body["retry_after"])
    assert door.checks(begun, "012345").get_json()["valid"] is True


# Clients that report nothing ---------------------------------------------------------------------


def test_a_client_that_reports_nothing_brings_its_code(limited: Limited) -> None:
    """Without one it is told which member is missing, and nothing is used up."""
    door = limited(clients_login_deliver_only="true", clients_login_calls_per_day="1")
    refused = problem(door.creates(), 422, "invalid_request")
    assert pointers(refused) == ["/code"]
    door.asks(code="012345")
    assert problem(door.creates(RAVI, code="012345"), 429, "rate_limited")["limit"] == (
        "calls_per_day"
    )


def test_its_calls_leave_the_others_theirs(limited: Limited) -> None:
    """On the same number."""
    door = limited(
        clients_login_deliver_only="true",
        clients_login_calls_per_day="9",
        limits_calls_per_number="1/10m",
    )
    for code in ("0001", "0002"):
        door.asks(code=code)
        dials(door)
    door.bank().asks()


# Breakers ----------------------------------------------------------------------------------------


def test_an_area_that_is_refused(limited: Limited) -> None:
    """429 under the setting's name; readiness tells that it is open and not where."""
    door = limited(limits_unverified_per_prefix="99/1h", limits_calls_per_client="99/1m")
    for n in range(20):
        begun = door.asks(f"+919876{540_000 + n}")
        answers(door)
        door.does(begun, "cancel")
    body = problem(door.creates(), 429, "rate_limited")
    assert body["limit"] == "conversion_breaker"
    assert 1_795 <= body["retry_after"] <= 1_800
    ready = door.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json()["degraded"] == ["conversion_breaker"]
    assert "9876" not in ready.text
    door.asks("+919123456789")
    door.later(1_800)
    assert door.client.get("/readyz").get_json()["degraded"] == []
    door.asks()


def test_a_wave_of_guesses(limited: Limited) -> None:
    """New verifications start with three checks; readiness tells why."""
    door = limited(limits_calls_per_client="999/1m")
    for n in range(40):
        begun = door.asks(f"+919{n:03}{543_210 + n}", code="012345")
        for guess in range(5):
            door.checks(begun, f"99999{guess}")
    assert door.asks()["checks_left"] == 3
    assert door.client.get("/readyz").get_json()["degraded"] == ["wrong_code_breaker"]


# Once more ---------------------------------------------------------------------------------------


def test_a_refused_create_may_be_repeated_under_its_key(limited: Limited) -> None:
    """A refusal is not remembered: later the same request under the same key is taken."""
    door = limited(limits_calls_per_number="1/1m")
    door.bank().asks()
    dials(door)
    raw = b'{"to": "%s"}' % ASHA.encode()
    body = problem(door.posts(VERIFICATIONS, raw, idempotency_key="k"), 429, "rate_limited")
    door.later(body["retry_after"])
    assert door.posts(VERIFICATIONS, raw, idempotency_key="k").status_code == 201
