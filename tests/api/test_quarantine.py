"""A record that cannot be read, as clients and operators of the API meet it."""

import hashlib
import re

import pytest
from api.door import VERIFICATIONS, Door, HandDialer, problem, settings_with
from redis import Redis
from world import ASHA

from otpvoice.app import create_app, queue_rules
from otpvoice.store.redis_store import RedisStore

RAVI = "+919812345678"
PREFIX = "{otpvoice}:"
ADMIN_KEY = "ova_key-of-an-operator"


@pytest.fixture
def door(environ: dict[str, str], redis: Redis) -> Door:
    """A service with a console."""
    admin = hashlib.sha256(ADMIN_KEY.encode()).hexdigest()
    settings = settings_with(environ, secrets_admin_key_sha256=admin)
    store = RedisStore(redis, keep=600_000, rules=queue_rules(settings))
    store.sweep("a dialer")
    return Door(create_app(settings, store), store)


@pytest.fixture
def dialer(door: Door) -> HandDialer:
    """A dialer of the same service."""
    return HandDialer(door.store)


def console(door: Door, search: str | None = None) -> str:
    """The text of the overview, or of what a search finds."""
    credentials = ("asha", ADMIN_KEY)
    if search is None:
        answer = door.client.get("/console", auth=credentials)
    else:
        origin = {"Origin": "https://otp.example.com"}
        answer = door.client.post(
            "/console/search", data={"query": search}, auth=credentials, headers=origin
        )
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


def broken(door: Door) -> dict[str, str]:
    """A verification of which the store cannot read when it expires."""
    begun = door.asks(ASHA, reference="broken")
    door.store.redis.hset(f"{PREFIX}verification:{begun['id']}", "expires_at", "soon")
    return begun


@pytest.mark.parametrize("step", ["", "/checks", "/calls", "/cancel", "/approve"])
def test_unreadable_verification_is_not_found(door: Door, step: str) -> None:
    """A clean error for this id, and none for the others."""
    begun, other = broken(door), door.asks(RAVI)
    path = f"{VERIFICATIONS}/{begun['id']}{step}"
    body = {"code": "123456"} if step == "/checks" else None
    for _ in range(2):
        answer = door.post(path, body) if step else door.get(path)
        problem(answer, 404, "not_found")
    assert door.looks(other)["status"] == "pending"
    assert door.asks(ASHA, reference="broken")["status"] == "pending"


def test_unreadable_call_is_left_out(door: Door) -> None:
    """The verification is shown without it, and a further call can be asked for."""
    begun = door.asks()
    door.store.redis.hset(f"{PREFIX}call:{begun['calls'][0]['id']}", "due_at", "soon")
    found = door.looks(begun)
    assert (found["status"], found["calls"]) == ("pending", [])
    assert found["next"]["call"]["allowed"] is True


def test_unreadable_record_is_shown_to_operators(door: Door) -> None:
    """``/readyz``, the metrics and the console show it for a quarter of an hour."""
    begun = broken(door)
    problem(door.get(f"{VERIFICATIONS}/{begun['id']}"), 404, "not_found")
    ready = door.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["degraded"]) == (200, ["quarantine"])
    assert "otpvoice_quarantined_records 1.0" in door.client.get("/metrics").text
    page = console(door)
    assert "1 unreadable records were set aside" in page
    assert f"verification:{begun['id']} (unreadable expires_at)" in page
    door.later(901)
    assert door.client.get("/readyz").get_json()["degraded"] == []


def test_undialable_call_is_shown_to_operators(door: Door, dialer: HandDialer) -> None:
    """The call that a dialer gave up for want of a setting is named, and what is missing."""
    begun = door.asks()
    door.store.report_undialable(dialer.claims(), "no adapter for the route sip")
    assert door.client.get("/readyz").get_json()["degraded"] == ["undialable_calls"]
    assert "otpvoice_undialable_calls 1.0" in door.client.get("/metrics").text
    page = console(door)
    assert f"call:{begun['calls'][0]['id']} (no adapter for the route sip)" in page


def test_search_leaves_out_what_cannot_be_read(door: Door) -> None:
    """The console finds the rest."""
    begun = broken(door)
    page = console(door, begun["id"])
    assert "expires_at" not in page
    assert door.store.health().set_aside.quarantined == 1
