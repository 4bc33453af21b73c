"""Web pages of allowed origins may use the API, as browsers ask for it; others hear nothing of it.

The Fetch standard, "HTTP extensions" and "HTTP-network fetch".
"""

from typing import Any

import pytest
from api.api_client import (
    UNKNOWN,
    VERIFICATIONS,
    WEBHOOK,
    ApiClient,
    assert_problem,
    bearer,
    settings_with,
)
from flask import Response
from redis import Redis
from support.raw_http import head
from support.service import ASHA, LOGIN_KEY
from support.stack import running_api
from werkzeug.test import TestResponse

from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore

PAGE = "https://app.example.com"
WEB_VIEW = "capacitor://localhost"
ORIGINS = f"{PAGE},http://localhost:5173,{WEB_VIEW}"
ROUTES = [
    VERIFICATIONS,
    f"{VERIFICATIONS}/{UNKNOWN}",
    *(f"{VERIFICATIONS}/{UNKNOWN}/{step}" for step in ("checks", "calls", "cancel", "approve")),
]
SENDS = {"Authorization", "Content-Type", "Idempotency-Key", "Request-Id"}
READS = {"Retry-After", "Request-Id", "Location", "Idempotent-Replayed"}


@pytest.fixture
def shared(environ: dict[str, str], store: RedisStore) -> ApiClient:
    """The door with allowed origins."""
    store.sweep("a dialer")
    return ApiClient(create_app(settings_with(environ, server_cors_origins=ORIGINS), store), store)


def asked_by(
    origin: str | None, api: ApiClient, method: str, path: str, **more: Any
) -> TestResponse:
    """The answer to a page of this origin."""
    headers = {**more.pop("headers", {}), **({} if origin is None else {"Origin": origin})}
    return api.client.open(path, method=method, headers=headers, **more)


def preflight(origin: str, api: ApiClient, path: str, method: str = "POST") -> TestResponse:
    """What a browser asks before it lets a page ask; it has no credential."""
    headers = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return asked_by(origin, api, "OPTIONS", path, headers=headers)


def cors_of(answer: TestResponse) -> dict[str, str]:
    """The headers that share an answer."""
    return {name: text for name, text in answer.headers if name.startswith("Access-Control-")}


def listed(answer: TestResponse, header: str) -> set[str]:
    """The members of a header that is a list."""
    return set(answer.headers[header].split(", "))


def is_shared(answer: TestResponse, origin: str = PAGE) -> bool:
    """Whether the page may read it, its own headers included, and caches keep it apart."""
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert listed(answer, "Access-Control-Expose-Headers") == READS
    assert "Access-Control-Allow-Credentials" not in answer.headers
    return answer.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("origin", ORIGINS.split(","))
def test_a_preflight_needs_no_credential(shared: ApiClient, origin: str, path: str) -> None:
    """204 without a body: which methods and headers may be sent, and for how long it is true."""
    answer = preflight(origin, shared, path)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert is_shared(answer, origin)
    assert listed(answer, "Access-Control-Allow-Methods") == {"GET", "POST"}
    assert listed(answer, "Access-Control-Allow-Headers") == SENDS
    assert answer.headers["Access-Control-Max-Age"] == "7200"


def test_a_page_reads_every_answer(shared: ApiClient) -> None:
    """201 with its place, 200, 202, and each refusal, whoever is at fault."""
    token = shared.create()["client_token"]
    began = asked_by(
        PAGE, shared, "POST", VERIFICATIONS, headers=bearer(LOGIN_KEY), json={"to": ASHA}
    ).get_json()
    one, app = f"{VERIFICATIONS}/{began['id']}", bearer(token)
    answers = {
        ("GET", one, 200): app,
        ("POST", f"{one}/calls", 202): app,
        ("POST", f"{one}/checks", 422): app,
        ("POST", f"{one}/approve", 403): app,
        ("GET", one, 401): {},
        ("GET", f"{VERIFICATIONS}/{UNKNOWN}", 404): app,
        ("GET", "/v1/nowhere", 404): app,
        ("PUT", one, 405): app,
        ("POST", VERIFICATIONS, 415): bearer(LOGIN_KEY) | {"Content-Type": "text/plain"},
        ("POST", VERIFICATIONS, 413): bearer(LOGIN_KEY) | {"Content-Type": "application/json"},
    }
    for (method, path, status), headers in answers.items():
        raw = b"x" * 20_000 if status == 413 else b"{" if status == 415 else b""
        answer = asked_by(PAGE, shared, method, path, headers=headers, data=raw)
        assert (answer.status_code, is_shared(answer)) == (status, True)
        assert cors_of(answer).keys() == {
            "Access-Control-Allow-Origin",
            "Access-Control-Expose-Headers",
        }


def test_a_page_reads_that_the_store_is_away(environ: dict[str, str], store: RedisStore) -> None:
    """503 and its ``Retry-After``, and 500 too: what a person is told depends on it."""
    settings = settings_with(environ, server_cors_origins=PAGE, redis_url="redis://127.0.0.1:1/0")
    app = create_app(settings)

    @app.get("/v1/fails")
    def fails() -> Response:
        raise ZeroDivisionError

    away = ApiClient(app, store)
    answer = asked_by(PAGE, away, "GET", f"{VERIFICATIONS}/{UNKNOWN}", headers=bearer(LOGIN_KEY))
    assert_problem(answer, 503, "store_unavailable")
    assert is_shared(answer)
    fault = asked_by(PAGE, away, "GET", "/v1/fails")
    assert_problem(fault, 500, "internal_error")
    assert is_shared(fault)


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com"),
        *("https://app.example.com:8443", "https://APP.example.com", "https://app.example.com/"),
        *("https://app.example.co", "https://xapp.example.com", "null", "*", "", ORIGINS),
        *(f"{PAGE} https://evil.example.com", f"{PAGE},{PAGE}"),
    ],
)
def test_another_origin_hears_nothing(shared: ApiClient, origin: str) -> None:
    """An origin is compared as a whole; the answer is the same but for that, and cached apart."""
    path = f"{VERIFICATIONS}/{UNKNOWN}"
    for answer in (preflight(origin, shared, path), asked_by(origin, shared, "GET", path)):
        assert answer.status_code in {204, 401}
        assert cors_of(answer) == {}
        assert answer.headers.getlist("Vary") == ["Origin"]


def test_who_is_no_page_hears_nothing(shared: ApiClient) -> None:
    """Backends and native apps send no Origin; ``Vary`` keeps a cache from mixing them up."""
    answer = asked_by(None, shared, "GET", f"{VERIFICATIONS}/{UNKNOWN}", headers=bearer(LOGIN_KEY))
    assert (answer.status_code, cors_of(answer)) == (404, {})
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", WEBHOOK, "/v1", "/v10/verifications"])
def test_only_the_api_is_shared(shared: ApiClient, path: str) -> None:
    """Callbacks and health checks are no page's business."""
    for answer in (preflight(PAGE, shared, path), asked_by(PAGE, shared, "GET", path)):
        assert cors_of(answer) == {}
        assert "Vary" not in answer.headers


@pytest.mark.parametrize("path", [*ROUTES, "/healthz"])
def test_without_origins_there_is_no_cors(api: ApiClient, path: str) -> None:
    """The default: not one of its headers, whoever asks."""
    for origin in (PAGE, "null", "*"):
        for answer in (preflight(origin, api, path), asked_by(origin, api, "GET", path)):
            assert cors_of(answer) == {}
            assert "Vary" not in answer.headers
        assert preflight(origin, api, path).status_code == 204


def test_a_page_is_served_over_the_wire(
    environ: dict[str, str], redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By gunicorn: a 204 without length or body, then an answer that may be read."""
    assert redis.dbsize() == 0
    variables = environ | {"OTPVOICE_SERVER_CORS_ORIGINS": ORIGINS}
    path = f"{VERIFICATIONS}/{UNKNOWN}"
    with running_api(variables, tmp_path_factory.mktemp("cors")) as served:
        with served.connect() as line:
            line.send(head(f"OPTIONS {path} HTTP/1.1", f"Origin: {PAGE}"))
            asked = line.read_response("OPTIONS")
        told = served.send(
            head(f"GET {path} HTTP/1.1", f"Origin: {PAGE}", f"Authorization: Bearer {LOGIN_KEY}")
        )
    assert (asked.status, asked.body) == (204, b"")
    assert not {"content-length", "content-type", "transfer-encoding"} & asked.headers.keys()
    assert told.is_problem(404, "not_found")
    for reply in (asked, told):
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["vary"] == "Origin"
