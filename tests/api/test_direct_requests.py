"""A request that goes straight to its view and one that Flask serves have the same response.

An empty query makes Flask serve a request: it leaves the path as it is and changes the target.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from api.api_client import JSON, UNKNOWN, VERIFICATIONS, WEBHOOK, ApiClient, bearer
from support.service import LOGIN_KEY, WEBHOOK_SECRET
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

ENDED = f"{VERIFICATIONS}/{{ended}}"
FULL = {"Idempotency-Key": "first"}
CASES: list[tuple[str, str, Any, dict[str, str]]] = [
    ("GET", "/", None, {}),
    ("GET", "/healthz", None, {}),
    ("GET", "/readyz", None, {}),
    ("GET", "/openapi.json", None, {}),
    ("GET", "/openapi.json", None, {"If-None-Match": "*"}),
    ("GET", "/docs/errors", None, {}),
    ("GET", "/docs/nothing.css", None, {}),
    ("GET", "/.well-known/jwks.json", None, {}),
    ("POST", VERIFICATIONS, {"to": "+919876543211", "code": "471102"}, FULL),
    ("POST", VERIFICATIONS, {"to": "+919876543212", "code": "471102"}, FULL),
    ("POST", VERIFICATIONS, {"to": "1"}, {}),
    ("POST", VERIFICATIONS, {"to": 1, "codes": 2}, {}),
    ("POST", VERIFICATIONS, [], {}),
    ("POST", VERIFICATIONS, None, {}),
    ("POST", VERIFICATIONS, "x" * 20_000, {}),
    ("POST", VERIFICATIONS, {}, {"Authorization": "Bearer nobody"}),
    ("POST", VERIFICATIONS, {}, {"Content-Type": "text/plain"}),
    ("POST", VERIFICATIONS, {}, {"Content-Encoding": "gzip"}),
    ("POST", VERIFICATIONS, {}, {"Idempotency-Key": "\u00e9"}),
    ("POST", VERIFICATIONS, {}, {"Origin": "https://app.example.com"}),
    ("POST", VERIFICATIONS, {}, {"Origin": "https://elsewhere.example.com"}),
    ("GET", ENDED, None, {}),
    ("GET", f"{VERIFICATIONS}/{UNKNOWN}", None, {}),
    ("POST", f"{ENDED}/checks", {"code": "471102"}, {}),
    ("POST", f"{ENDED}/checks", {"code": "471102"}, {"Authorization": "Bearer {token}"}),
    ("POST", f"{ENDED}/approve", None, {"Authorization": "Bearer {token}"}),
    ("POST", f"{ENDED}/calls", None, {}),
    ("POST", f"{ENDED}/cancel", None, {}),
    ("POST", WEBHOOK, {"id": "x"}, {"Authorization": f"Bearer {WEBHOOK_SECRET}"}),
    ("POST", WEBHOOK, {}, {}),
]


class Response(NamedTuple):
    """Everything that a client receives."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


@pytest.fixture
def ended(api: ApiClient) -> dict[str, str]:
    """An ended verification and its client token."""
    created = api.create(code="471102")
    api.act(created, "cancel")
    first = {"to": "+919876543211", "code": "471102"}
    headers = bearer(LOGIN_KEY) | FULL
    api.client.post(VERIFICATIONS, json=first, headers=headers)
    return {"ended": created["id"], "token": created["client_token"]}


def send(
    api: ApiClient, case: tuple[str, str, Any, dict[str, str]], target: str, values: dict[str, str]
) -> Response:
    """Send the request of a case with this request target."""
    method, path, body, headers = case
    path = path.format(**values)
    filled = {name: value.format(**values) for name, value in headers.items()}
    sent = Headers({"Content-Type": JSON, "Request-Id": "same", **bearer(LOGIN_KEY), **filled})
    data = None if body is None else json.dumps(body)
    environ = EnvironBuilder(path, method=method, data=data, headers=sent).get_environ()
    environ["RAW_URI"] = target.format(path)
    parts, status, received = run_wsgi_app(api.app, environ, buffered=True)
    return Response(status, list(received), b"".join(parts))


def attempts(api: ApiClient, case: Any, values: dict[str, str]) -> Iterator[tuple[Response, ...]]:
    """Yield both responses a few times: they may fall into different seconds."""
    for _ in range(3):
        yield tuple(send(api, case, target, values) for target in ("{}", "{}?"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_ways_have_the_same_response(
    api: ApiClient, ended: dict[str, str], case: tuple[str, str, Any, dict[str, str]]
) -> None:
    """Status, headers in their order, and body."""
    for direct, by_flask in attempts(api, case, ended):
        if direct == by_flask:
            break
    assert direct == by_flask
