"""Access to the console: keys, hosts, origins, headers and what is logged of an operator."""

import re

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from api.console.console_browser import HOME, KEY, ConsoleBrowser, audit_entries
from flask import Flask
from support.service import ASHA

from otpvoice.api.console.auth import LoginThrottle
from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore

ENDPOINTS = [
    ("GET", "/console"),
    ("GET", "/console/preview"),
    ("GET", "/console/static/console.js"),
    ("POST", "/console/search"),
    ("POST", "/console/limits/clear"),
    ("POST", "/console/block"),
    ("GET", "/console/verifications"),
    ("GET", "/console/verifications.csv"),
]


@pytest.fixture
def new_app(variables: dict[str, str], store: RedisStore) -> Flask:
    """Create an application that has seen no wrong key."""
    return create_app(settings_with(variables), store)


def test_console_without_an_admin_key_is_not_found(app: Flask) -> None:
    """404, whatever the request carries."""
    for method, path in ENDPOINTS:
        assert ConsoleBrowser(app).request(method, path).status_code == 404


@pytest.mark.parametrize("key", [None, "", "ova_another", KEY + " ", KEY[:-1], "0" * 64, "ключ"])
def test_console_without_a_valid_key_is_unauthorized(new_app: Flask, key: str | None) -> None:
    """401 with a challenge, for pages, static files and actions."""
    for method, path in ENDPOINTS:
        response = ConsoleBrowser(new_app, key).request(method, path, Origin=HOME)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert "Approved" not in response.text


@pytest.mark.parametrize("credential", ["Bearer " + KEY, "Basic", "Basic ???", "Basic " + "A" * 9])
def test_console_refuses_other_forms_of_credentials(new_app: Flask, credential: str) -> None:
    """401, never 500."""
    response = ConsoleBrowser(new_app, None).request("GET", "/console", Authorization=credential)
    assert response.status_code == 401


def test_console_refuses_an_api_key(api: ApiClient) -> None:
    """And the API refuses an admin key."""
    assert api.get("/console").status_code == 401
    assert api.with_key(KEY).create_response().status_code == 401


def test_console_throttles_wrong_keys_by_address(new_app: Flask) -> None:
    """After ten wrong keys within a minute, a valid key is refused as well."""
    wrong, right = ConsoleBrowser(new_app, "ova_guess"), ConsoleBrowser(new_app)
    assert [wrong.open_overview().status_code for _ in range(10)] == [401] * 10
    response = right.open_overview()
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_login_throttle_forgets_failures_after_a_minute() -> None:
    """For each address, and for a bounded number of addresses."""
    throttle = LoginThrottle()
    for second in range(10):
        throttle.record_failure("here", second)
    assert throttle.retry_after("here", 10) == 51
    assert throttle.retry_after("there", 10) == 0
    assert throttle.retry_after("here", 61) == 0
    for n in range(2000):
        throttle.record_failure(f"address {n}", 61)
    assert throttle.retry_after("here", 61) == 0


def test_console_pages_carry_security_headers(browser: ConsoleBrowser) -> None:
    """No inline or foreign content, no frames, no caching; forms send their origin."""
    response = browser.open_overview()
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", response.text)


@pytest.mark.parametrize(
    "host",
    [
        *("otp.example.com", "OTP.example.com", "otp.example.com.", "otp.example.com:443"),
        *("localhost", "localhost:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000"),
    ],
)
def test_console_serves_its_own_hosts(browser: ConsoleBrowser, host: str) -> None:
    """The public URL's host, and this machine."""
    assert browser.request("GET", "/console", Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "otp.example.com.evil.example", "example.com"),
        *("10.0.0.1:8000", "localhost.evil.example", "otp.example.com@evil.example", "[::2]", "[x"),
        *("0.0.0.0", "127.0.0.1.evil.example", ":8000", " "),
    ],
)
def test_console_refuses_other_hosts(browser: ConsoleBrowser, host: str) -> None:
    """DNS rebinding does not give another site the console's origin."""
    for method, path in ENDPOINTS:
        response = browser.request(method, path, Host=host, Origin=f"http://{host}")
        assert response.status_code in {400, 421}
        assert "WWW-Authenticate" not in response.headers
        assert "Overview" not in response.text


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://otp.example.com.evil.example"},
        {"Origin": "http://otp.example.com"},
        {"Origin": "https://otp.example.com:8443"},
        {"Referer": f"{HOME}/console"},
    ],
)
@pytest.mark.parametrize("path", ["/console/limits/clear", "/console/search", "/console/block"])
def test_console_refuses_forms_of_other_sites(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer, path: str, origin: dict[str, str]
) -> None:
    """403, although the browser attaches the key."""
    api.create()
    dialer.place()
    response = browser.request("POST", path, {"number": ASHA, "query": ASHA}, **origin)
    assert response.status_code == 403
    assert api.as_bank().create_response().status_code == 429
    assert not audit_entries(api.store, "limits.cleared")


@pytest.mark.parametrize("path", ["/console/limits/clear", "/console/search", "/console/block"])
def test_actions_refuse_get(browser: ConsoleBrowser, path: str) -> None:
    """A link cannot trigger them, and no access log contains a number."""
    assert browser.request("GET", f"{path}?number=%2B919876543210").status_code == 405


@pytest.mark.parametrize("name", ["", "+919876543210", "a\tb", "x" * 41, "9876"])
def test_operator_name_that_may_be_a_number_is_not_logged(api: ApiClient, name: str) -> None:
    """Nor is a long one, or one with control characters."""
    ConsoleBrowser(api.app, name=name).search("x")
    (entry,) = audit_entries(api.store, "operator.searched")
    assert entry.details["operator"] == "console: unnamed"


def test_search_refuses_a_large_form(browser: ConsoleBrowser) -> None:
    """413, as for any other body."""
    assert browser.search("x" * 10_000).status_code == 413
