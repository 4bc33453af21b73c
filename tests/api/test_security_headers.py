"""Headers of every response for browsers (OWASP ASVS 5.0, section 3.4)."""

import pytest
from api.api_client import VERIFICATIONS, WEBHOOK, ApiClient, bearer, settings_with
from flask import Response
from support.service import LOGIN_KEY
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
