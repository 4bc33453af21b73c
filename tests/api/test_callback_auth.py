"""Authentication of callbacks, and what an unauthenticated sender can change."""

import json
from typing import Any

import pytest
from api.api_client import WEBHOOK, ApiClient, ManualDialer, assert_problem, bearer, settings_with
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.service import LOGIN_KEY, PATH_TOKEN, PROVIDER_TOKEN, VALIDATION_KEY, WEBHOOK_SECRET

from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore

MESSAGES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["ANSWER", "BUSY", "C2C", "OBD", "+919876543210", "918068280000"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ("id", "mid", "callId", "status", "status1", "source", "bridge", "from", "to")
FUZZ = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


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


def test_callback_with_any_configured_secret_is_accepted(
    environ: dict[str, str], store: RedisStore
) -> None:
    """Several secrets allow a rotation."""
    several = settings_with(
        environ,
        provider_webhook_secret=f"new-secret,{WEBHOOK_SECRET}",
        provider_webhook_path_token=f"{PATH_TOKEN},new-{PATH_TOKEN}",
    )
    client = create_app(several, store).test_client()
    for secret in ("new-secret", WEBHOOK_SECRET):
        response = client.post(WEBHOOK, json={"id": "x", "status": "BUSY"}, headers=bearer(secret))
        assert response.status_code == 200
    for token in (PATH_TOKEN, f"new-{PATH_TOKEN}"):
        assert (
            client.post(f"{WEBHOOK}/{token}", json={"id": "x", "status": "BUSY"}).status_code == 200
        )


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


@FUZZ
@given(
    body=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))
)
def test_callback_of_any_bytes_returns_200_or_400(api: ApiClient, body: bytes) -> None:
    """Never 500."""
    response = api.client.post(WEBHOOK, data=body, headers=bearer(WEBHOOK_SECRET))
    assert response.status_code in {200, 400}, response.text


@FUZZ
@given(
    members=st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), MESSAGES, max_size=6)
)
def test_callback_of_any_content_never_approves(
    api: ApiClient, dialer: ManualDialer, members: dict[str, Any]
) -> None:
    """The verification stays pending with all its checks."""
    created = api.create()
    claim = dialer.place()
    raw = json.dumps({"id": claim.call_id, **members})
    response = api.client.post(WEBHOOK, data=raw, headers=bearer(WEBHOOK_SECRET))
    assert response.status_code in {200, 400}, response.text
    shown = api.get_verification(created)
    assert (shown["status"], shown["checks_left"]) == ("pending", 5)
    api.advance_time(800)


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


@pytest.mark.parametrize(
    ("challenge", "status"), [("5", 200), ("null", 400), ("[]", 400), ('"\\ud800"', 400)]
)
def test_challenge_that_is_not_text_returns_400(
    api: ApiClient, challenge: str, status: int
) -> None:
    """A number is read as text."""
    raw = f'{{"validation_key": "{VALIDATION_KEY}", "challenge": {challenge}}}'
    response = api.client.post(WEBHOOK, data=raw, headers=bearer(WEBHOOK_SECRET))
    assert response.status_code == status, response.text
