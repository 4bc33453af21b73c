"""Authentication of callbacks: forged ones change nothing and cost the store nothing."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from api.api_client import WEBHOOK, ApiClient, ManualDialer, assert_problem, bearer, settings_with
from api.callback_samples import C2C_AS_FORM, C2C_AS_INTEGERS, C2C_TRAILING_COMMA, OBD
from redis import Redis
from support.service import LOGIN_KEY, PATH_TOKEN, PROVIDER_TOKEN, VALIDATION_KEY, WEBHOOK_SECRET
from support.valkey import Valkey

from otpvoice.app import create_app
from otpvoice.settings import Settings
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        ("", None),
        ("", ""),
        ("", "Bearer "),
        ("", "Bearer wrong"),
        ("", f"Bearer {WEBHOOK_SECRET}x"),
        ("", f"Bearer {WEBHOOK_SECRET[:-1]}"),
        ("", f"Basic {WEBHOOK_SECRET}"),
        ("", WEBHOOK_SECRET),
        ("", f"Bearer {PATH_TOKEN}"),
        ("", f"Bearer {LOGIN_KEY}"),
        ("", f"Bearer {PROVIDER_TOKEN}"),
        ("", f"Bearer {VALIDATION_KEY}"),
        ("", "Bearer \xff\xfe"),
        ("/wrong", None),
        (f"/{PATH_TOKEN}x", None),
        (f"/{PATH_TOKEN.upper()}", None),
        (f"/{WEBHOOK_SECRET}", None),
        ("/%00", None),
        ("/%ff", None),
        ("/हि", "Bearer wrong"),
    ],
)
def test_callback_without_known_secret_returns_401(
    api: ApiClient, dialer: ManualDialer, method: str, path: str, authorization: str | None
) -> None:
    """Nothing changes, and the same message is applied when it arrives with the secret."""
    created = api.create()
    claim = dialer.place()
    raw = json.dumps({"id": claim.call_id, "status": "BUSY"})
    headers = {} if authorization is None else {"Authorization": authorization}
    response = api.client.open(f"{WEBHOOK}{path}", method=method, headers=headers, data=raw)
    assert_problem(response, 401, "unauthorized")
    assert api.get_verification(created)["calls"][0]["status"] == "placed"
    response = api.client.post(WEBHOOK, data=raw, headers=bearer(WEBHOOK_SECRET))
    assert response.status_code == 200
    assert api.get_verification(created)["calls"][0]["status"] == "busy"


def test_callback_without_configured_secret_returns_401(
    environ: dict[str, str], store: RedisStore
) -> None:
    """Empty secrets never match: not in the header, the path or the challenge."""
    bare = settings_with(
        environ,
        provider_webhook_secret=None,
        provider_webhook_path_token=None,
        provider_validation_key=None,
    )
    client = create_app(bare, store).test_client()
    challenge = {"validation_key": "", "challenge": "a234qwe"}
    for credential in ("", "Bearer", "Bearer ", f"Bearer {WEBHOOK_SECRET}"):
        headers = {"Authorization": credential}
        for body in ({"id": "x", "status": "BUSY"}, challenge):
            assert_problem(client.post(WEBHOOK, json=body, headers=headers), 401, "unauthorized")
    assert_problem(client.post(f"{WEBHOOK}/{PATH_TOKEN}", json={"id": "x"}), 401, "unauthorized")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"{",
        b"[]",
        b'[{"status":"BUSY"}]',
        b'{"status":"BUSY"}',
        b'{"status":"BUSY","id":"*","to":"flow:24"}',
        b'{"event":"voice:message:out","payload":{}}',
        b"--x\r\nContent-Disposition: form-data; name=id\r\n\r\nx",
        b"status=BUSY&id=%7B%7Bid%7D%7D",
        b"null",
        b"5",
        b"hello",
        b"<xml/>",
        b"\xff\xfe",
        b'{"status":"\xff"}',
        b'{"status":"BUSY"} trailing',
        b'{"status":' + b"[" * 15_000,
        b'{"a":' * 3_000,
        b'{"status":' + b"[" * 8_000 + b"]" * 8_000 + b"}",
    ],
)
def test_callback_unreadable_returns_400_with_secret_and_401_without(
    api: ApiClient, raw: bytes
) -> None:
    """The secret is checked first."""
    response = api.client.post(WEBHOOK, data=raw, headers=bearer(WEBHOOK_SECRET))
    assert_problem(response, 400, "invalid_request")
    assert_problem(api.client.post(WEBHOOK, data=raw), 401, "unauthorized")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"callId":"other","status":"BUSY","duration":NaN}',
        b'{"callId":"other","status":"BUSY","duration":Infinity}',
        b'{"callId":"other","status":"BUSY","duration":1e400}',
        b'{"callId":"other","status":"BUSY","duration":' + b"9" * 5000 + b"}",
        b'{"callId":"other","status":"BUSY","start_at":"9999-99-99 99:99:99"}',
        b'{"callId":"other","status":"BUSY","start_at":"0001-01-01 00:00:00"}',
        b'{"callId":"other","status":"BUSY","start_at":"9999-12-31 23:59:59"}',
        b'{"callId":"other","status":"BUSY","status":"ANSWER"}',
        b'{"callId":"other","status":"BUSY","id":"\\ud800","mid":"\\u0000"}',
        b'{"callId":"other","status":"\\ud800\\udfff"}',
        b'{"callId":"other","status":["ANSWER"],"id":{"a":1},"to":[],"bridge":true}',
        b'{"callId":"other","status":"BUSY","id":"*","bridge":"*","to":"{otpvoice}:queue"}',
        b'{"callId":"other","status":"BUSY","x":"' + b"y" * (16 * 1024 - 42) + b'"}',
        b"callId=other&status=%ff&id=%00",
        b"callId=other&status=BUSY&" + b"a=1&" * 90,
    ],
)
def test_callback_with_hostile_content_changes_nothing(
    api: ApiClient, dialer: ManualDialer, raw: bytes
) -> None:
    """A readable message that matches no call is acknowledged."""
    created = api.create()
    dialer.place()
    before = api.get_verification(created)["version"]
    response = api.client.post(WEBHOOK, data=raw, headers=bearer(WEBHOOK_SECRET))
    assert response.status_code == 200, response.text
    assert api.get_verification(created)["version"] == before


def test_callback_larger_than_16_kib_returns_413(api: ApiClient) -> None:
    """The limit of request bodies applies."""
    raw = b'{"status":"BUSY"}' + b" " * 16 * 1024
    response = api.client.post(WEBHOOK, data=raw, headers=bearer(WEBHOOK_SECRET))
    assert_problem(response, 413, "body_too_large")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Bearer {WEBHOOK_SECRET}"])
@pytest.mark.parametrize("place", ["body", "query", "both", "form"])
def test_challenge_with_right_key_is_answered(
    api: ApiClient, authorization: str | None, place: str
) -> None:
    """It requires no other credential."""
    key, challenge = {"validation_key": VALIDATION_KEY}, {"challenge": "a234qwe"}
    places: dict[str, dict[str, Any]] = {
        "body": {"json": key | challenge},
        "query": {"query_string": key | challenge},
        "both": {"json": key | challenge, "query_string": {"token": VALIDATION_KEY}},
        "form": {"data": key | challenge},
    }
    headers = {} if authorization is None else {"Authorization": authorization}
    response = api.client.post(WEBHOOK, headers=headers, **places[place])
    assert (response.status_code, response.get_json()) == (200, {"challenge": "a234qwe"})


@pytest.mark.parametrize(
    "key", ["", "wrong", VALIDATION_KEY + "x", WEBHOOK_SECRET, None, 5, "\u00ff"]
)
@pytest.mark.parametrize("authorization", [None, f"Bearer {WEBHOOK_SECRET}"])
def test_challenge_with_wrong_key_returns_401(
    api: ApiClient, key: Any, authorization: str | None
) -> None:
    """No other secret replaces the key."""
    headers = {} if authorization is None else {"Authorization": authorization}
    body = {"validation_key": key, "challenge": "a234qwe"}
    response = api.client.post(WEBHOOK, json=body, headers=headers)
    assert_problem(response, 401, "unauthorized")
    assert "a234qwe" not in response.text


@pytest.mark.parametrize("key", ["", VALIDATION_KEY])
def test_challenge_without_configured_key_returns_401(
    environ: dict[str, str], store: RedisStore, key: str
) -> None:
    """An empty key never matches, with the webhook's secret or without."""
    client = create_app(settings_with(environ, provider_validation_key=None), store).test_client()
    body = {"validation_key": key, "challenge": "a234qwe"}
    for headers in ({}, bearer(WEBHOOK_SECRET)):
        assert_problem(client.post(WEBHOOK, json=body, headers=headers), 401, "unauthorized")


METHODS = ("POST", "PUT", "GET")
CREDENTIALS: list[tuple[str, str | None]] = [
    ("", None),
    ("", ""),
    ("", "Bearer"),
    ("", "Bearer wrong"),
    ("", f"Bearer {WEBHOOK_SECRET}x"),
    ("", f"Basic {WEBHOOK_SECRET}"),
    ("", f"Bearer {PATH_TOKEN}"),
    ("", f"Bearer {LOGIN_KEY}"),
    (f"/{WEBHOOK_SECRET}", None),
    ("/wrong", f"Bearer {VALIDATION_KEY}"),
]
"""The path token, and the Authorization header."""
BODIES = [
    b"",
    C2C_AS_INTEGERS,
    C2C_TRAILING_COMMA,
    C2C_AS_FORM,
    OBD,
    b'{"id":"call_x","status":"ANSWER"}',
    b'{"validation_key":"wrong","challenge":"a234qwe"}',
    b'{"validation_key":"","challenge":"a234qwe","status":"ANSWER"}',
    b"{" * 5_000,
    b"\xff\xfe\x00" * 999,
    b'{"status":"' + b"A" * 16_000 + b'"}',
]
FORGED = [
    (method, path, authorization, body)
    for method, (path, authorization), body in product(METHODS, CREDENTIALS, BODIES)
]


@pytest.fixture
def api_on_server(settings: Settings, valkey: Valkey) -> Iterator[ApiClient]:
    """Return a driver of an API on that server."""
    client = connect(valkey.url, timeout_s=30)
    yield ApiClient(
        create_app(settings, RedisStore(client)),
        RedisStore(client),
    )
    client.close()


def command_counts(client: Redis) -> dict[str, int]:
    """Return how often each command ran, without those of this function."""
    stats = client.info("commandstats")
    return {name: found["calls"] for name, found in stats.items() if name != "cmdstat_info"}


def forge_all(api: ApiClient) -> None:
    """Send every forged callback; each returns 401."""
    for method, path, authorization, body in FORGED:
        headers = {} if authorization is None else {"Authorization": authorization}
        response = api.client.open(f"{WEBHOOK}{path}", method=method, headers=headers, data=body)
        assert_problem(response, 401, "unauthorized")


def test_forged_callbacks_never_reach_the_store(api_on_server: ApiClient, valkey: Valkey) -> None:
    """The server's command counters do not move; a genuine callback moves them."""
    assert len(FORGED) >= 200
    with connect(valkey.url, timeout_s=30) as watcher:
        watcher.ping()
        before = command_counts(watcher)
        forge_all(api_on_server)
        assert command_counts(watcher) == before
        assert api_on_server.send_callback(id="call_x", status="BUSY").status_code == 200
        assert command_counts(watcher) != before


def test_forged_callbacks_without_store_return_401(
    api_on_server: ApiClient, valkey: Valkey
) -> None:
    """A genuine callback returns 503; the challenge needs no store."""
    valkey.kill()
    forge_all(api_on_server)
    assert_problem(
        api_on_server.send_callback(id="call_x", status="BUSY"), 503, "store_unavailable"
    )
    challenge = {"validation_key": VALIDATION_KEY, "challenge": "a234qwe"}
    assert api_on_server.client.post(WEBHOOK, json=challenge).get_json() == {"challenge": "a234qwe"}


@pytest.mark.parametrize("place", ["header", "address"])
def test_secret_rotation_accepts_exactly_the_configured_secrets(
    environ: dict[str, str], store: RedisStore, place: str
) -> None:
    """Old, both, new; a part of the list is never accepted."""
    steps = [["old-one"], ["old-one", "new-one"], ["new-one"]]
    tried = ["old-one", "new-one", "third-one", "old-one,new-one", "old-one ", "old", ""]
    name = {"header": "provider_webhook_secret", "address": "provider_webhook_path_token"}[place]
    for known in steps:
        client = create_app(settings_with(environ, **{name: ",".join(known)}), store).test_client()
        for secret in tried:
            path = f"{WEBHOOK}/{secret}" if place == "address" else WEBHOOK
            headers = bearer(secret if place == "header" else "nothing")
            response = client.post(
                path, data=json.dumps({"id": "x", "status": "BUSY"}), headers=headers
            )
            is_known = (secret.strip() if place == "header" else secret) in known
            assert (response.status_code == 200) == is_known, (known, secret, response.text)
            assert is_known or response.status_code in {401, 404}
