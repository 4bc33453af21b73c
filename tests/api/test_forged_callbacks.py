"""Forged callbacks cost the store nothing: authentication comes first."""

import json
from collections.abc import Iterator
from itertools import product

import pytest
from api.api_client import WEBHOOK, ApiClient, assert_problem, bearer, settings_with
from api.callback_samples import C2C_AS_FORM, C2C_AS_INTEGERS, C2C_TRAILING_COMMA, OBD
from redis import Redis
from support.service import LOGIN_KEY, PATH_TOKEN, VALIDATION_KEY, WEBHOOK_SECRET
from support.valkey import Valkey

from otpvoice.app import create_app
from otpvoice.settings import Settings
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

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
    client = connect(valkey.url)
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
    with connect(valkey.url) as watcher:
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
