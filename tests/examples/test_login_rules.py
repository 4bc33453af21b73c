"""The login example's backend, as those meet it who would like to be let in without a phone."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from examples.browser_users import Phone
from requests.cookies import RequestsCookieJar

from login_backend import Settings, create_app
from otpvoice.core.keys import derive_receipt_key
from otpvoice.settings import load
from otpvoice_client import Client
from otpvoice_demo.settings import DEMO_CLIENT
from otpvoice_demo.stack import Stack

SECRET = "a-session-secret-of-the-tests, 32 characters and more"


class App:
    """An app of its own making: a session with the backend, and a token for the service."""

    def __init__(self, url: str, stack: Stack) -> None:
        self._url = url
        self._stack = stack
        self._browser = requests.Session()
        self._browser.headers["Origin"] = url

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        """To the backend."""
        return self._browser.post(f"{self._url}{path}", json=body, headers=headers, timeout=10)

    def start_login(self, phone: Phone) -> dict[str, Any]:
        """A login; the answer for the page."""
        answer = self.post("/login", {"number": phone.number, "name": "Asha"})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def obtain_receipt(self, phone: Phone) -> str:
        """Begins, listens, checks: a genuine receipt."""
        begun = self.start_login(phone)
        with Client(self._stack.url, begun["client_token"]) as service:
            checked = service.check(begun["url"].rpartition("/")[2], phone.wait_for_code())
        assert checked.receipt
        return checked.receipt

    def submit_receipt(self, receipt: str) -> int:
        """The status of the answer."""
        return self.post("/login/receipt", {"receipt": receipt}).status_code

    def is_logged_in(self) -> bool:
        """Whether the page says so."""
        return 'id="verified"' in self._browser.get(self._url, timeout=10).text

    @property
    def session(self) -> RequestsCookieJar:
        """Its cookies, which it may keep and put back."""
        return self._browser.cookies.copy()

    @session.setter
    def session(self, cookies: RequestsCookieJar) -> None:
        self._browser.cookies = cookies


@pytest.fixture
def app(login_url: str, stack: Stack) -> App:
    """A fresh one."""
    return App(login_url, stack)


def test_a_receipt_lets_in_once(app: App, phone: Phone) -> None:
    """Not twice, and not with the cookie of before it was used."""
    receipt = app.obtain_receipt(phone)
    before = app.session
    assert app.submit_receipt(receipt) == 204
    assert app.is_logged_in()
    assert app.submit_receipt(receipt) == 403
    app.session = before
    assert app.submit_receipt(receipt) == 403
    assert not app.is_logged_in()


def test_a_receipt_is_for_the_login_that_it_names(
    app: App, login_url: str, stack: Stack, phone: Phone
) -> None:
    """A genuine one of another login lets nobody in, though it names the same number."""
    receipt = app.obtain_receipt(phone)
    thief = App(login_url, stack)
    thief.start_login(phone)
    assert thief.submit_receipt(receipt) == 403
    assert App(login_url, stack).submit_receipt(receipt) == 403
    assert app.submit_receipt(receipt) == 204


@pytest.fixture
def resigned(stack: Stack) -> Callable[..., str]:
    """A receipt with changes, signed by the service's own key."""
    (ring_key,) = load({"OTPVOICE_CONFIG": str(stack.config_path)}).settings.secrets.keys
    signer = Ed25519PrivateKey.from_private_bytes(derive_receipt_key(ring_key.key))

    def resign(receipt: str, typ: str = "otpvoice-receipt+jwt", **changes: Any) -> str:
        claims = jwt.decode(receipt, options={"verify_signature": False})
        headers = {"typ": typ, "kid": ring_key.id}
        return jwt.encode({**claims, **changes}, signer, algorithm="EdDSA", headers=headers)

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
def test_a_receipt_has_to_say_the_right_things(
    changes: dict[str, Any], app: App, phone: Phone, resigned: Callable[..., str]
) -> None:
    """All of them, though the service itself has signed it; and with them it is good."""
    receipt = app.obtain_receipt(phone)
    assert app.submit_receipt(resigned(receipt, **changes)) == 403
    assert not app.is_logged_in()
    assert app.submit_receipt(resigned(receipt)) == 204


def test_a_receipt_has_to_be_genuine(app: App, phone: Phone) -> None:
    """Signed by another key, without a signature, changed, or no receipt at all: nobody is in."""
    genuine = app.obtain_receipt(phone)
    claims = jwt.decode(genuine, options={"verify_signature": False})
    header = {"typ": "otpvoice-receipt+jwt", "kid": jwt.get_unverified_header(genuine)["kid"]}
    forged = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=header)
    unsigned = jwt.encode(claims, "", algorithm="none", headers=header)
    for receipt in (forged, unsigned, genuine[:-8] + "AAAAAAAA", "receipt", ""):
        assert app.submit_receipt(receipt) == 403
    assert not app.is_logged_in()
    assert app.submit_receipt(genuine) == 204


def test_other_sites_can_do_nothing_with_the_session(app: App, phone: Phone) -> None:
    """Whoever asks for a change has to name our own origin, as browsers do."""
    receipt = app.obtain_receipt(phone)
    for origin in ("https://evil.example", "null", ""):
        for path in ("/login", "/login/receipt", "/logout"):
            assert app.post(path, {"receipt": receipt}, Origin=origin).status_code == 403
    assert app.submit_receipt(receipt) == 204


def test_the_page_is_held_to_its_own_files(login_url: str, stack: Stack) -> None:
    """No inline script, no frame around it, no other machine but the service; nothing is kept."""
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
def test_the_session_cookie_is_guarded(
    origin: str, cookie: str, stack: Stack, phone: Phone, tmp_path: Path
) -> None:
    """From scripts and other sites; over https also from eavesdroppers and other hosts."""
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
    answer = login.test_client().post(
        "/login",
        json={"number": phone.number},
        headers={"Origin": origin, "Host": origin.partition("//")[2]},
    )
    (told,) = answer.headers.getlist("Set-Cookie")
    assert re.fullmatch(cookie, told)


def test_a_weak_session_secret_stops_the_start(tmp_path: Path) -> None:
    """Whoever guesses it signs sessions of their own."""
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
