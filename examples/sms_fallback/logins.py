"""The logins of an existing SMS system, which generates and checks its own codes."""

import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from sms_fallback.fallback_calls import TTL_S, FallbackCalls
from sms_fallback.gateway import SmsGateway

_MAX_ATTEMPTS: Final = 5


class LoginNotFound(Exception):
    """The login is unknown, or has ended."""


class NoFallbackCall(Exception):
    """The service was not available when the SMS was sent, so the login has no call."""


@dataclass(slots=True)
class Login:
    """One login attempt."""

    id: str
    number: str = field(repr=False)
    name: str = field(repr=False)
    code: str = field(default="", repr=False)
    """Code of the newest SMS."""
    expires_at: float = 0.0
    """Monotonic seconds."""
    attempts_left: int = _MAX_ATTEMPTS
    verification_id: str | None = None
    """Id of the verification that holds the fallback call."""


class Logins:
    """Current logins, in memory. A product keeps them in its database.

    Methods with an id raise ``LoginNotFound``.
    """

    def __init__(self, gateway: SmsGateway, calls: FallbackCalls) -> None:
        self._gateway = gateway
        self._calls = calls
        self._logins: dict[str, Login] = {}
        self._lock = threading.Lock()

    def start(self, number: str, name: str) -> str:
        """Send an SMS and return the id of the login."""
        login = Login(id=secrets.token_urlsafe(12), number=number, name=name)
        self._logins[login.id] = login
        self._send(login)
        return login.id

    def resend(self, login_id: str) -> None:
        """Send a new code, which replaces the old one."""
        self._send(self._find(login_id))

    def check_code(self, login_id: str, typed: str) -> bool:
        """Return whether the code is right. It is accepted once, within a few attempts."""
        with self._lock:  # of two simultaneous requests with the right code, one succeeds
            login = self._find(login_id)
            login.attempts_left -= 1
            is_right = hmac.compare_digest(typed.encode(), login.code.encode())
            if is_right or login.attempts_left == 0:
                del self._logins[login_id]
        if login.verification_id and is_right:
            self._calls.approve(login.verification_id)
        elif login.verification_id and login.attempts_left == 0:
            self._calls.cancel(login.verification_id)
        return is_right

    def call_now(self, login_id: str) -> None:
        """Place the call now.

        Raises:
            NoFallbackCall: the login has no call.
            OtpvoiceError: the service cannot place it.
        """
        login = self._find(login_id)
        if login.verification_id is None:
            raise NoFallbackCall
        self._calls.call_now(login.verification_id)

    def cancel(self, login_id: str) -> None:
        """End a login at the user's request."""
        with self._lock:
            login = self._find(login_id)
            del self._logins[login_id]
        if login.verification_id:
            self._calls.cancel(login.verification_id)

    def _send(self, login: Login) -> None:
        login.code = f"{secrets.randbelow(10**6):06}"
        login.expires_at = time.monotonic() + TTL_S
        self._gateway.send(login.number, f"Your code is {login.code}")
        # After the SMS, so that the SMS does not wait for the service.
        login.verification_id = self._calls.schedule(login.number, login.name, login.code, login.id)

    def _find(self, login_id: str) -> Login:
        login = self._logins.get(login_id)
        if login is None or time.monotonic() > login.expires_at:
            raise LoginNotFound
        return login
