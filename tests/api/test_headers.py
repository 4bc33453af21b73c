"""Headers for browsers: OWASP ASVS 5.0, section 3.4, and CORS (the Fetch standard)."""

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
from flask import Flask, Response
from redis import Redis
from support.raw_http import head
from support.service import ASHA, LOGIN_KEY
from support.stack import running_api
from werkzeug.test import TestResponse

from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore

USUAL = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
OVER_TLS = "Strict-Transport-Security"


def has_once(response: TestResponse, headers: dict[str, str]) -> bool:
    """Return whether each of these headers occurs exactly once."""
    return all(response.headers.getlist(name) == [value] for name, value in headers.items())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/readyz", 200),
        ("OPTIONS", VERIFICATIONS, 204),
        ("GET", "/nowhere", 404),
        ("PUT", VERIFICATIONS, 405),
        ("POST", VERIFICATIONS, 422),
        ("POST", WEBHOOK, 401),
    ],
)
def test_response_has_the_security_headers(
    api: ApiClient, method: str, path: str, status: int
) -> None:
    """Errors too; with TLS also Strict-Transport-Security."""
    response = api.client.open(path, method=method, headers=bearer(LOGIN_KEY))
    assert response.status_code == status
    assert has_once(response, USUAL | {OVER_TLS: "max-age=31536000"})


def test_500_has_the_security_headers(environ: dict[str, str], store: RedisStore) -> None:
    """Like every response."""
    app = create_app(settings_with(environ), store)

    @app.get("/fails")
    def fails() -> Response:
        raise ZeroDivisionError

    response = app.test_client().get("/fails")
    assert response.status_code == 500
    assert has_once(response, USUAL | {OVER_TLS: "max-age=31536000"})


def test_response_without_tls_has_no_hsts(environ: dict[str, str], store: RedisStore) -> None:
    """Browsers would ignore it (RFC 6797, section 8.1)."""
    plain = settings_with(environ, server_public_url="http://localhost:8000")
    response = create_app(plain, store).test_client().get("/healthz")
    assert has_once(response, USUAL)
    assert OVER_TLS not in response.headers


@pytest.mark.parametrize("name", ["Content-Security-Policy", "content-security-policy"])
def test_view_can_override_a_security_header(
    environ: dict[str, str], store: RedisStore, name: str
) -> None:
    """In any case of letters; the others are added."""
    app = create_app(settings_with(environ), store)
    policy = "default-src 'self'"

    @app.get("/page")
    def page() -> Response:
        return Response("<p>Hello", headers={name: policy})

    response = app.test_client().get("/page")
    assert has_once(response, USUAL | {"Content-Security-Policy": policy})


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


@pytest.fixture(scope="module")
def cors_app(environ: dict[str, str], lasting_store: RedisStore) -> Flask:
    """Create an application with allowed origins."""
    return create_app(settings_with(environ, server_cors_origins=ORIGINS), lasting_store)


@pytest.fixture
def cors_api(cors_app: Flask, store: RedisStore) -> ApiClient:
    """Return a driver of an API with allowed origins."""
    store.sweep("a dialer")
    return ApiClient(cors_app, store)


def request_from(
    origin: str | None, api: ApiClient, method: str, path: str, **more: Any
) -> TestResponse:
    """Send a request as a page of this origin."""
    headers = {**more.pop("headers", {}), **({} if origin is None else {"Origin": origin})}
    return api.client.open(path, method=method, headers=headers, **more)


def preflight(origin: str, api: ApiClient, path: str, method: str = "POST") -> TestResponse:
    """Send the preflight request of a browser; it has no credential."""
    headers = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return request_from(origin, api, "OPTIONS", path, headers=headers)


def cors_of(response: TestResponse) -> dict[str, str]:
    """Return the CORS headers of a response."""
    return {name: text for name, text in response.headers if name.startswith("Access-Control-")}


def header_list(response: TestResponse, header: str) -> set[str]:
    """Return the members of a list header."""
    return set(response.headers[header].split(", "))


def is_shared(response: TestResponse, origin: str = PAGE) -> bool:
    """Return whether the page can read the response and caches keep it separate."""
    assert response.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert header_list(response, "Access-Control-Expose-Headers") == READS
    assert "Access-Control-Allow-Credentials" not in response.headers
    return response.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("origin", ORIGINS.split(","))
def test_preflight_without_credential_returns_204(
    cors_api: ApiClient, origin: str, path: str
) -> None:
    """It lists methods, headers and the maximum age."""
    response = preflight(origin, cors_api, path)
    assert (response.status_code, response.data) == (204, b"")
    assert "Content-Type" not in response.headers
    assert is_shared(response, origin)
    assert header_list(response, "Access-Control-Allow-Methods") == {"GET", "POST"}
    assert header_list(response, "Access-Control-Allow-Headers") == SENDS
    assert response.headers["Access-Control-Max-Age"] == "7200"


def test_allowed_origin_reads_every_response(cors_api: ApiClient) -> None:
    """201 with Location, 200, 202, and all errors."""
    token = cors_api.create()["client_token"]
    created = request_from(
        PAGE, cors_api, "POST", VERIFICATIONS, headers=bearer(LOGIN_KEY), json={"to": ASHA}
    ).get_json()
    one, app = f"{VERIFICATIONS}/{created['id']}", bearer(token)
    responses = {
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
    for (method, path, status), headers in responses.items():
        raw = b"x" * 20_000 if status == 413 else b"{" if status == 415 else b""
        response = request_from(PAGE, cors_api, method, path, headers=headers, data=raw)
        assert (response.status_code, is_shared(response)) == (status, True)
        assert cors_of(response).keys() == {
            "Access-Control-Allow-Origin",
            "Access-Control-Expose-Headers",
        }


def test_allowed_origin_reads_503_and_500(environ: dict[str, str], store: RedisStore) -> None:
    """``Retry-After`` included."""
    settings = settings_with(environ, server_cors_origins=PAGE, redis_url="redis://127.0.0.1:1/0")
    app = create_app(settings)

    @app.get("/v1/fails")
    def fails() -> Response:
        raise ZeroDivisionError

    away = ApiClient(app, store)
    response = request_from(
        PAGE, away, "GET", f"{VERIFICATIONS}/{UNKNOWN}", headers=bearer(LOGIN_KEY)
    )
    assert_problem(response, 503, "store_unavailable")
    assert is_shared(response)
    fault = request_from(PAGE, away, "GET", "/v1/fails")
    assert_problem(fault, 500, "internal_error")
    assert is_shared(fault)


def test_allowed_origin_reads_why_a_path_with_two_slashes_fails(cors_api: ApiClient) -> None:
    paths = {"PATH_INFO": f"/{VERIFICATIONS}", "RAW_URI": f"/{VERIFICATIONS}"}
    response = request_from(PAGE, cors_api, "POST", "/", environ_overrides=paths)
    assert_problem(response, 404, "not_found")
    assert is_shared(response)


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com"),
        *("https://app.example.com:8443", "https://APP.example.com", "https://app.example.com/"),
        *("https://app.example.co", "https://xapp.example.com", "null", "*", "", ORIGINS),
        *(f"{PAGE} https://evil.example.com", f"{PAGE},{PAGE}"),
    ],
)
def test_other_origin_gets_no_cors_headers(cors_api: ApiClient, origin: str) -> None:
    """Origins are compared as a whole; caches keep the responses separate."""
    path = f"{VERIFICATIONS}/{UNKNOWN}"
    for response in (
        preflight(origin, cors_api, path),
        request_from(origin, cors_api, "GET", path),
    ):
        assert response.status_code in {204, 401}
        assert cors_of(response) == {}
        assert response.headers.getlist("Vary") == ["Origin"]


def test_request_without_origin_gets_no_cors_headers(cors_api: ApiClient) -> None:
    """``Vary`` keeps a cache from mixing the responses."""
    response = request_from(
        None, cors_api, "GET", f"{VERIFICATIONS}/{UNKNOWN}", headers=bearer(LOGIN_KEY)
    )
    assert (response.status_code, cors_of(response)) == (404, {})
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", WEBHOOK, "/v1", "/v10/verifications"])
def test_cors_applies_to_v1_only(cors_api: ApiClient, path: str) -> None:
    """Callbacks and health checks are not for pages."""
    for response in (preflight(PAGE, cors_api, path), request_from(PAGE, cors_api, "GET", path)):
        assert cors_of(response) == {}
        assert "Vary" not in response.headers


@pytest.mark.parametrize("path", [*ROUTES, "/healthz"])
def test_cors_without_configured_origins_is_off(api: ApiClient, path: str) -> None:
    """The default: no CORS header in any response."""
    for origin in (PAGE, "null", "*"):
        for response in (preflight(origin, api, path), request_from(origin, api, "GET", path)):
            assert cors_of(response) == {}
            assert "Vary" not in response.headers
        assert preflight(origin, api, path).status_code == 204


def test_cors_over_the_wire(
    environ: dict[str, str], redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With gunicorn: 204 without length or body, then a readable response."""
    assert redis.dbsize() == 0
    variables = environ | {"OTPVOICE_SERVER_CORS_ORIGINS": ORIGINS}
    path = f"{VERIFICATIONS}/{UNKNOWN}"
    with running_api(variables, tmp_path_factory.mktemp("cors")) as served:
        with served.connect() as connection:
            connection.send(head(f"OPTIONS {path} HTTP/1.1", f"Origin: {PAGE}"))
            requested = connection.read_response("OPTIONS")
        found = served.send(
            head(f"GET {path} HTTP/1.1", f"Origin: {PAGE}", f"Authorization: Bearer {LOGIN_KEY}")
        )
    assert (requested.status, requested.body) == (204, b"")
    assert not {"content-length", "content-type", "transfer-encoding"} & requested.headers.keys()
    assert found.is_problem(404, "not_found")
    for reply in (requested, found):
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["vary"] == "Origin"
