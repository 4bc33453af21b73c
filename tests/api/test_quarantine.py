"""Unreadable records, as clients and operators of the API see them."""

import hashlib
import re

import pytest
from api.api_client import VERIFICATIONS, ApiClient, ManualDialer, assert_problem, settings_with
from redis import Redis
from support.service import ASHA

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.store.redis_store import RedisStore

RAVI = "+919812345678"
PREFIX = "{otpvoice}:"
ADMIN_KEY = "ova_key-of-an-operator"


@pytest.fixture
def api(environ: dict[str, str], redis: Redis) -> ApiClient:
    """Return a driver of an API with a console."""
    admin = hashlib.sha256(ADMIN_KEY.encode()).hexdigest()
    settings = settings_with(environ, secrets_admin_key_sha256=admin)
    store = RedisStore(redis, policy=Container(settings).policy)
    store.sweep("a dialer")
    return ApiClient(create_app(settings, store), store)


@pytest.fixture
def dialer(api: ApiClient) -> ManualDialer:
    """Return a dialer of the same service."""
    return ManualDialer(api.store)


def console(api: ApiClient, search: str | None = None) -> str:
    """Return the text of the overview, or of a search."""
    credentials = ("asha", ADMIN_KEY)
    if search is None:
        response = api.client.get("/console", auth=credentials)
    else:
        origin = {"Origin": "https://otp.example.com"}
        response = api.client.post(
            "/console/search", data={"query": search}, auth=credentials, headers=origin
        )
    assert response.status_code == 200, response.text
    return " ".join(re.sub(r"<[^>]*>", " ", response.text).split())


def broken(api: ApiClient) -> dict[str, str]:
    """Create a verification whose expiry cannot be read."""
    begun = api.create(ASHA, reference="broken")
    api.store.redis.hset(f"{PREFIX}verification:{begun['id']}", "expires_at", "soon")
    return begun


@pytest.mark.parametrize("step", ["", "/checks", "/calls", "/cancel", "/approve"])
def test_unreadable_verification_returns_404(api: ApiClient, step: str) -> None:
    """Other verifications are not affected."""
    begun, other = broken(api), api.create(RAVI)
    path = f"{VERIFICATIONS}/{begun['id']}{step}"
    body = {"code": "123456"} if step == "/checks" else None
    for _ in range(2):
        response = api.post(path, body) if step else api.get(path)
        assert_problem(response, 404, "not_found")
    assert api.get_verification(other)["status"] == "pending"
    assert api.create(ASHA, reference="broken")["status"] == "pending"


def test_unreadable_call_is_omitted(api: ApiClient) -> None:
    """The verification is returned without it, and a further call can be requested."""
    begun = api.create()
    api.store.redis.hset(f"{PREFIX}call:{begun['calls'][0]['id']}", "due_at", "soon")
    found = api.get_verification(begun)
    assert (found["status"], found["calls"]) == ("pending", [])
    assert found["next"]["call"]["allowed"] is True


def test_unreadable_record_is_shown_to_operators(api: ApiClient) -> None:
    """``/readyz``, the metrics and the console show it for 15 minutes."""
    begun = broken(api)
    assert_problem(api.get(f"{VERIFICATIONS}/{begun['id']}"), 404, "not_found")
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["degraded"]) == (200, ["quarantine"])
    assert "otpvoice_quarantined_records 1.0" in api.client.get("/metrics").text
    page = console(api)
    assert "1 unreadable records were quarantined" in page
    assert f"verification:{begun['id']} (unreadable expires_at)" in page
    api.advance_time(901)
    assert api.client.get("/readyz").get_json()["degraded"] == []


def test_undialable_call_is_shown_to_operators(api: ApiClient, dialer: ManualDialer) -> None:
    """With the missing setting."""
    begun = api.create()
    api.store.report_undialable(dialer.claim(), "no adapter for the route sip")
    assert api.client.get("/readyz").get_json()["degraded"] == ["undialable_calls"]
    assert "otpvoice_undialable_calls 1.0" in api.client.get("/metrics").text
    page = console(api)
    assert f"call:{begun['calls'][0]['id']} (no adapter for the route sip)" in page


def test_search_omits_unreadable_records(api: ApiClient) -> None:
    """It finds the others."""
    begun = broken(api)
    page = console(api, begun["id"])
    assert "expires_at" not in page
    assert api.store.health().quarantine.quarantined == 1
