"""Attacks on the backend of the login example."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    derive_private_key,
    generate_private_key,
)
from examples.browser_users import Phone
from requests.cookies import RequestsCookieJar

from login_backend import Settings, create_app
from otpvoice.core.keys import derive_receipt_scalar
from otpvoice.settings import load
from otpvoice_client import Client
from otpvoice_demo.settings import DEMO_CLIENT
from otpvoice_demo.stack import Stack

SECRET = "a-session-secret-of-the-tests, 32 characters and more"


class App:
    """An app with a session of the backend, and a token for the service."""

    def __init__(self, url: str, stack: Stack) -> None:
        self._url = url
        self._stack = stack
        self._browser = requests.Session()
        self._browser.headers["Origin"] = url

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        """Post to the backend."""
        return self._browser.post(f"{self._url}{path}", json=body, headers=headers, timeout=10)

    def start_login(self, phone: Phone) -> dict[str, Any]:
        """Start a login, and return the response."""
        response = self.post("/login", {"number": phone.number, "name": "Asha"})
        assert response.status_code == 200, response.text
        started: dict[str, Any] = response.json()
        return started

    def obtain_receipt(self, phone: Phone) -> str:
        """Log in up to a genuine receipt, and return it."""
        started = self.start_login(phone)
        with Client(self._stack.url, started["client_token"]) as service:
            checked = service.check(started["url"].rpartition("/")[2], phone.wait_for_code())
        assert checked.receipt
        return checked.receipt

    def submit_receipt(self, receipt: str) -> int:
        """Submit a receipt, and return the status."""
        return self.post("/login/receipt", {"receipt": receipt}).status_code

    def is_logged_in(self) -> bool:
        """Return whether the page shows a logged-in user."""
        return 'id="verified"' in self._browser.get(self._url, timeout=10).text

    @property
    def session(self) -> RequestsCookieJar:
        """The cookies, which an attacker can store and restore."""
        return self._browser.cookies.copy()

    @session.setter
    def session(self, cookies: RequestsCookieJar) -> None:
        self._browser.cookies = cookies


@pytest.fixture
def app(login_url: str, stack: Stack) -> App:
    """A new app."""
    return App(login_url, stack)


def test_receipt_logs_in_once(app: App, phone: Phone) -> None:
    """Not twice, and not with the cookie from before its use."""
    receipt = app.obtain_receipt(phone)
    before = app.session
    assert app.submit_receipt(receipt) == 204
    assert app.is_logged_in()
    assert app.submit_receipt(receipt) == 403
    app.session = before
    assert app.submit_receipt(receipt) == 403
    assert not app.is_logged_in()


def test_receipt_of_another_login_returns_403(
    app: App, login_url: str, stack: Stack, phone: Phone
) -> None:
    """Although it is genuine and names the same number."""
    receipt = app.obtain_receipt(phone)
    thief = App(login_url, stack)
    thief.start_login(phone)
    assert thief.submit_receipt(receipt) == 403
    assert App(login_url, stack).submit_receipt(receipt) == 403
    assert app.submit_receipt(receipt) == 204


@pytest.fixture
def resigned(stack: Stack) -> Callable[..., str]:
    """Return a function that changes a receipt and signs it with the service's key."""
    (ring_key,) = load({"OTPVOICE_CONFIG": str(stack.config_path)}).settings.secrets.keys
    signer = derive_private_key(derive_receipt_scalar(ring_key.key), SECP256R1())

    def resign(receipt: str, typ: str = "otpvoice-receipt+jwt", **changes: Any) -> str:
        claims = jwt.decode(receipt, options={"verify_signature": False})
        headers = {"typ": typ, "kid": f"{ring_key.id}.es256"}
        return jwt.encode({**claims, **changes}, signer, algorithm="ES256", headers=headers)

    return resign


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-client"},
        {"iss": "https://otp.example.com"},
        {"sub": "+919876543210"},
        {"reference": "another-login"},
        {"reference": None},
        {"exp": 1},
        {"exp": None},
        {"typ": "JWT"},
    ],
    ids=str,
)
def test_receipt_with_wrong_claim_returns_403(
    changes: dict[str, Any], app: App, phone: Phone, resigned: Callable[..., str]
) -> None:
    """Although the service signed it; the unchanged receipt is accepted."""
    receipt = app.obtain_receipt(phone)
    assert app.submit_receipt(resigned(receipt, **changes)) == 403
    assert not app.is_logged_in()
    assert app.submit_receipt(resigned(receipt)) == 204


def test_receipt_without_valid_signature_returns_403(app: App, phone: Phone) -> None:
    """Another key, no signature, a changed one, or no receipt."""
    genuine = app.obtain_receipt(phone)
    claims = jwt.decode(genuine, options={"verify_signature": False})
    header = {"typ": "otpvoice-receipt+jwt", "kid": jwt.get_unverified_header(genuine)["kid"]}
    stranger = generate_private_key(SECP256R1())
    forged = jwt.encode(claims, stranger, algorithm="ES256", headers=header)
    unsigned = jwt.encode(claims, "", algorithm="none", headers=header)
    for receipt in (forged, unsigned, genuine[:-8] + "AAAAAAAA", "receipt", ""):
        assert app.submit_receipt(receipt) == 403
    assert not app.is_logged_in()
    assert app.submit_receipt(genuine) == 204


def test_request_from_other_origin_returns_403(app: App, phone: Phone) -> None:
    """Browsers name the origin of every request that changes something."""
    receipt = app.obtain_receipt(phone)
    for origin in ("https://evil.example", "null", ""):
        for path in ("/login", "/login/receipt", "/logout"):
            assert app.post(path, {"receipt": receipt}, Origin=origin).status_code == 403
    assert app.submit_receipt(receipt) == 204


def test_page_has_strict_security_headers(login_url: str, stack: Stack) -> None:
    """No inline scripts, no embedding, no other hosts, no caching."""
    page = requests.get(login_url, timeout=10)
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert f"connect-src 'self' {stack.url};" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert requests.get(login_url, headers={"Host": "evil.example"}, timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("origin", "cookie"),
    [
        ("https://login.example.com", r"__Host-login=\S+; Secure; HttpOnly; Path=/; SameSite=Lax"),
        ("http://127.0.0.1:8010", r"login=\S+; HttpOnly; Path=/; SameSite=Lax"),
    ],
    ids=["https", "http"],
)
def test_session_cookie_has_security_attributes(
    origin: str, cookie: str, stack: Stack, phone: Phone, tmp_path: Path
) -> None:
    """Over https also Secure and the prefix __Host-."""
    login = create_app(
        Settings(
            origin=origin,
            otpvoice_url=stack.url,
            api_key=stack.api_key,
            client=DEMO_CLIENT,
            event_secret=stack.event_secret,
            session_secret=SECRET,
            database=tmp_path / "login.sqlite",
        )
    )
    response = login.test_client().post(
        "/login",
        json={"number": phone.number},
        headers={"Origin": origin, "Host": origin.partition("//")[2]},
    )
    (header,) = response.headers.getlist("Set-Cookie")
    assert re.fullmatch(cookie, header)


def test_short_session_secret_raises_value_error(tmp_path: Path) -> None:
    """An attacker who guesses it can sign sessions."""
    with pytest.raises(ValueError, match="SESSION_SECRET"):
        Settings(
            origin="https://login.example.com",
            otpvoice_url="https://otp.example.com",
            api_key="ovk_1",
            client="login",
            event_secret="whsec_",
            session_secret="secret",
            database=tmp_path / "login.sqlite",
        )
