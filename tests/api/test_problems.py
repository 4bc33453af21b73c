"""Problem documents, what every response has, and errors while an error is handled."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from api.api_client import UNKNOWN, VERIFICATIONS, ApiClient, assert_problem, bearer, settings_with
from flask import Response
from redis import Redis
from support.service import ASHA, BANK_KEY, LOGIN_KEY, WEBHOOK_SECRET

from otpvoice.api.errors import PROBLEM_TYPES, UnreadableBody
from otpvoice.app import create_app
from otpvoice.logs.context import merge_fields
from otpvoice.store.redis_store import RedisStore

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
OURS = re.compile(r"[0-9a-f]{32}")
"""A generated Request-Id."""
EVERYWHERE = [
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("HEAD", "/healthz", 200),
    ("OPTIONS", VERIFICATIONS, 204),
    ("GET", "/nowhere", 404),
    ("GET", "/v2/verifications", 404),
    ("PUT", VERIFICATIONS, 405),
    ("POST", VERIFICATIONS, 422),
    ("POST", f"{VERIFICATIONS}/{UNKNOWN}/checks", 422),
    ("GET", f"{VERIFICATIONS}/{UNKNOWN}", 404),
    ("POST", "/webhooks/mobtexting", 401),
]


def test_documentation_lists_every_status_and_code() -> None:
    """Those of the table, and 500."""
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", ERRORS.read_text("utf-8"), re.MULTILINE)
    found = {(int(status), code) for status, code in rows}
    table = {(problem.status, problem.code) for problem in PROBLEM_TYPES.values()}
    assert found == table | {(500, "internal_error")}
    assert len(rows) == len(found)


@pytest.mark.parametrize(("method", "path", "status"), EVERYWHERE)
def test_response_has_a_new_request_id(api: ApiClient, method: str, path: str, status: int) -> None:
    """No response may be cached."""
    responses = [api.client.open(path, method=method, headers=bearer(LOGIN_KEY)) for _ in range(2)]
    assert [response.status_code for response in responses] == [status, status]
    ids = [response.headers["Request-Id"] for response in responses]
    assert all(OURS.fullmatch(each) for each in ids)
    assert ids[0] != ids[1]
    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}


@pytest.mark.parametrize(("method", "path", "status"), EVERYWHERE)
def test_request_id_of_the_client_is_used(
    api: ApiClient, method: str, path: str, status: int
) -> None:
    """1 to 64 letters, digits and hyphens."""
    for given in ("a", "Login-81", "a" * 64):
        headers = {**bearer(LOGIN_KEY), "Request-Id": given}
        response = api.client.open(path, method=method, headers=headers)
        assert (response.status_code, response.headers["Request-Id"]) == (status, given)
        if response.content_type == "application/problem+json":
            assert response.get_json()["instance"] == f"urn:request:{given}"


@pytest.mark.parametrize("given", ["", "0" * 65, "a b", "a_b", "ü", "१", "a,b", "<b>", "a\t"])
def test_malformed_request_id_is_replaced(api: ApiClient, given: str) -> None:
    """The request is not rejected."""
    headers = {"Request-Id": given.encode().decode("latin-1")}
    response = api.client.get("/healthz", headers=headers)
    assert response.status_code == 200
    assert OURS.fullmatch(response.headers["Request-Id"])


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/verifications/",
        "/v1//verifications",
        f"{VERIFICATIONS}/{UNKNOWN}/",
        f"{VERIFICATIONS}/{UNKNOWN}/receipts",
        f"{VERIFICATIONS}/{UNKNOWN}/checks/1",
        f"{VERIFICATIONS}/a%2Fb",
        "/webhooks",
        "/webhooks/",
        "/webhooks/mobtexting/",
        "/webhooks/other",
        "/healthz/",
        "/static/x",
        "/%ff%fe",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_path_returns_404(api: ApiClient, method: str, path: str) -> None:
    """With or without a key, never a page or a redirect."""
    responses = [api.client.open(path, method=method, headers=h) for h in (bearer(LOGIN_KEY), {})]
    bodies = [
        assert_problem(response, 404, "not_found") | {"instance": None} for response in responses
    ]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (VERIFICATIONS, {"POST", "OPTIONS"}),
        (f"{VERIFICATIONS}/{UNKNOWN}", {"GET", "HEAD", "OPTIONS"}),
        (f"{VERIFICATIONS}/{UNKNOWN}/checks", {"POST", "OPTIONS"}),
        (f"{VERIFICATIONS}/{UNKNOWN}/calls", {"POST", "OPTIONS"}),
        (f"{VERIFICATIONS}/{UNKNOWN}/cancel", {"POST", "OPTIONS"}),
        (f"{VERIFICATIONS}/{UNKNOWN}/approve", {"POST", "OPTIONS"}),
        ("/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("/readyz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_wrong_method_returns_405_with_allow(api: ApiClient, path: str, allowed: set[str]) -> None:
    """OPTIONS lists the same methods."""
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"}
    for method in known - allowed:
        response = api.client.open(path, method=method, headers=bearer(LOGIN_KEY))
        assert response.headers.get("Allow") is not None
        assert set(response.headers["Allow"].split(", ")) == allowed
        if method != "HEAD":
            assert_problem(response, 405, "method_not_allowed")
    options = api.client.options(path)
    assert (options.status_code, options.data) == (204, b"")
    assert set(options.headers["Allow"].split(", ")) == allowed


def test_head_returns_the_status_and_headers_of_get(api: ApiClient) -> None:
    """Also of errors."""
    created = api.create()
    for name in (created["id"], UNKNOWN):
        path = f"{VERIFICATIONS}/{name}"
        get = api.get(path)
        head = api.client.head(path, headers=bearer(LOGIN_KEY))
        assert (head.status_code, head.content_type) == (get.status_code, get.content_type)
        assert head.data == b""


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer    ",
        LOGIN_KEY,
        f"Basic {LOGIN_KEY}",
        f"Token {LOGIN_KEY}",
        f"Bearer{LOGIN_KEY}",
        f"Bearer {LOGIN_KEY}x",
        f"Bearer {LOGIN_KEY[:-1]}",
        f"Bearer {LOGIN_KEY.upper()}",
        f'Bearer "{LOGIN_KEY}"',
        f"Bearer {LOGIN_KEY}, Bearer {BANK_KEY}",
        f"Bearer {LOGIN_KEY} {BANK_KEY}",
        f"Bearer {WEBHOOK_SECRET}",
        "Bearer \xff\xfe\x80",
        "Bearer \u00a0",
        "\xe0\xa4\xb9 " + LOGIN_KEY,
    ],
)
def test_missing_or_unknown_key_returns_401(api: ApiClient, authorization: str | None) -> None:
    """For every action, whether or not id and body are valid."""
    created = api.create()
    headers = {} if authorization is None else {"Authorization": authorization}
    shown = f"{VERIFICATIONS}/{created['id']}"
    responses = [api.client.get(f"{VERIFICATIONS}/{name}", headers=headers) for name in ("x", "y")]
    responses += [api.client.get(shown, headers=headers)]
    responses += [api.client.post(VERIFICATIONS, headers=headers, json={"to": ASHA})]
    responses += [api.client.post(VERIFICATIONS, headers=headers, data=b"\xff")]
    responses += [
        api.client.post(f"{shown}/{step}", headers=headers)
        for step in ("checks", "calls", "cancel", "approve")
    ]
    bodies = [
        assert_problem(response, 401, "unauthorized") | {"instance": None} for response in responses
    ]
    assert all(body == bodies[0] for body in bodies)
    assert api.get_verification(created)["version"] == created["version"]


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_bearer_scheme_is_case_insensitive(api: ApiClient, scheme: str) -> None:
    """RFC 9110, section 11.1."""
    headers = {"Authorization": f"{scheme}{LOGIN_KEY}"}
    response = api.client.post(VERIFICATIONS, headers=headers, json={"to": ASHA})
    assert response.status_code == 201


def test_internal_error_reveals_no_cause(api: ApiClient, redis: Redis) -> None:
    """A damaged record returns 500 with the request's id."""
    created = api.create(code="1234")
    (key,) = redis.scan_iter("*verification:vrf_*")
    redis.hset(key, "encrypted_number", b"\x01 canary of the damage")
    response = api.get(f"{VERIFICATIONS}/{created['id']}")
    body = assert_problem(response, 500, "internal_error")
    assert "canary" not in response.text
    assert created["id"] not in body["detail"]


def test_undecryptable_number_in_a_409_returns_500(api: ApiClient, redis: Redis) -> None:
    """The problem would show the verification, whose number cannot be decrypted."""
    created = api.create()
    api.act(created, "cancel")
    (key,) = redis.scan_iter("*verification:vrf_*")
    redis.hset(key, "encrypted_number", "damaged")
    assert_problem(api.act(created, "approve"), 500, "internal_error")


@pytest.fixture
def _bound_fields() -> Iterator[None]:
    """Add the fields of the request to the lines that structlog prints by default."""
    before = structlog.get_config()
    structlog.configure(processors=[merge_fields, *before["processors"]])
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("_bound_fields")
def test_failing_error_handler_logs_no_path(
    environ: dict[str, str],
    store: RedisStore,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The location is logged once under the request's id, without path or data."""
    app = create_app(settings_with(environ), store)

    @app.get("/fails/<secret>")
    def fails(secret: str) -> Response:
        raise UnreadableBody(f"{secret} \ud800")

    response = app.test_client().get("/fails/canary?canary=1")
    body = assert_problem(response, 500, "internal_error")
    assert "canary" not in response.text
    printed = "".join(capfd.readouterr())
    assert "canary" not in printed + caplog.text
    assert printed.count("request.failed") == 1
    assert body["instance"].removeprefix("urn:request:") in printed
    assert "UnicodeEncodeError" in printed
