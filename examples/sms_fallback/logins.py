"""The SMS system as it was before: its own codes, its own checks."""

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
    """Unknown, or over."""


class NoFallbackCall(Exception):
    """The service could not be asked for one."""


@dataclass(slots=True)
class Login:
    """One attempt."""

    id: str
    number: str = field(repr=False)
    name: str = field(repr=False)
    code: str = field(default="", repr=False)
    """Of the newest SMS."""
    expires_at: float = 0.0
    """Monotonic seconds."""
    attempts_left: int = _MAX_ATTEMPTS
    verification_id: str | None = None
    """The verification whose call is in reserve."""


class Logins:
    """Those under way, in memory: a product has them in its database.

    All methods that take an id raise ``NoLogin``.
    """

    def __init__(self, sms: SmsGateway, reserve: FallbackCalls) -> None:
        self._sms = sms
        self._reserve = reserve
        self._logins: dict[str, Login] = {}
        self._lock = threading.Lock()

    def start(self, number: str, name: str) -> str:
        """The id of a new one, whose SMS is on its way."""
        login = Login(id=secrets.token_urlsafe(12), number=number, name=name)
        self._logins[login.id] = login
        self._send(login)
        return login.id

    def resend(self, login_id: str) -> None:
        """Sends a newer code, which makes the older one worthless."""
        self._send(self._find(login_id))

    def check_code(self, login_id: str, typed: str) -> bool:
        """Whether this is the code: once, and after a few tries never."""
        with self._lock:  # of two who hand in the right code at once, one is let in
            login = self._find(login_id)
            login.attempts_left -= 1
            is_right = hmac.compare_digest(typed.encode(), login.code.encode())
            if is_right or login.attempts_left == 0:
                del self._logins[login_id]
        if login.verification_id and is_right:
            self._reserve.approve(login.verification_id)
        elif login.verification_id and login.attempts_left == 0:
            self._reserve.cancel(login.verification_id)
        return is_right

    def call_now(self, login_id: str) -> None:
        """Brings the call forward.

        Raises:
            NoCall, OtpvoiceError: there is none, and why.
        """
        login = self._find(login_id)
        if login.verification_id is None:
            raise NoFallbackCall
        self._reserve.call_now(login.verification_id)

    def cancel(self, login_id: str) -> None:
        """The person does."""
        with self._lock:
            login = self._find(login_id)
            del self._logins[login_id]
        if login.verification_id:
            self._reserve.cancel(login.verification_id)

    def _send(self, login: Login) -> None:
        login.code = f"{secrets.randbelow(10**6):06}"
        login.expires_at = time.monotonic() + TTL_S
        self._sms.send(login.number, f"Your code is {login.code}")
        # After the SMS, so that it waits for nothing.
        login.verification_id = self._reserve.schedule(
            login.number, login.name, login.code, login.id
        )

    def _find(self, login_id: str) -> Login:
        login = self._logins.get(login_id)
        if login is None or time.monotonic() > login.expires_at:
            raise LoginNotFound
        return login
