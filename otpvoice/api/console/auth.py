"""Authentication of operators by an admin key, through HTTP Basic (RFC 7617).

The browser asks for the key and remembers it until it is closed, so there is neither a session nor
a cookie that could be stolen. The password is the key. The user name appears in the log.

A browser attaches the key to every request, even to those that another site's page sends. So a
request other than a GET must come from a page of the console (``Origin``).
"""

import ipaddress
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import structlog
from flask import g, request
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests, Unauthorized

from otpvoice.core.keys import KeyHashes

_LOG = structlog.get_logger(__name__)
_OPERATOR_NAME: Final = re.compile(r"[A-Za-z][A-Za-z ._@-]{0,39}", re.ASCII)
"""A user name that may be logged. Digits could be a phone number."""
_MAX_FAILURES: Final = 10
_WINDOW_S: Final = 60.0
_MAX_ADDRESSES: Final = 1000


class WrongHost(HTTPException):
    """``Host`` does not name the console (RFC 9110, section 15.5.20)."""

    code = 421


class LoginThrottle:
    """Recent wrong keys by client address.

    After ten wrong keys within a minute, no further key from the address is compared until the
    minute is over. A key has 256 random bits and cannot be guessed, so this only reduces noise.
    """

    def __init__(self) -> None:
        self._failures: dict[str, deque[float]] = {}

    def retry_after(self, address: str, now: float) -> int:
        """Return the seconds until a key from the address is compared; 0 if it is at once."""
        failures = self._failures.get(address, deque[float]())
        while failures and failures[0] <= now - _WINDOW_S:
            failures.popleft()
        if len(failures) < _MAX_FAILURES:
            return 0
        return int(failures[0] + _WINDOW_S - now) + 1

    def record_failure(self, address: str, now: float) -> None:
        """Count a wrong key. The oldest address makes room when there are too many."""
        if address not in self._failures and len(self._failures) >= _MAX_ADDRESSES:
            self._failures.pop(next(iter(self._failures)))
        self._failures.setdefault(address, deque(maxlen=_MAX_FAILURES)).append(now)


@dataclass(frozen=True, slots=True)
class AdminAuth:
    """Authenticates operators."""

    admin_keys: KeyHashes
    public_url: str
    _throttle: LoginThrottle = field(default_factory=LoginThrottle, init=False)

    def authenticate(self) -> None:
        """Check the current request. Then :func:`operator_name` names the operator.

        Raises:
            WrongHost: ``Host`` is not a name of the console.
            Unauthorized: there is no valid key.
            TooManyRequests: the address sent too many wrong keys.
            Forbidden: the request comes from another site's page.
        """
        if not self._is_own_host():
            _LOG.warning("console.wrong_host")
            raise WrongHost
        address, now = request.remote_addr or "", time.monotonic()
        credentials = request.authorization
        key = credentials.password if credentials and credentials.type == "basic" else None
        if key is None:
            raise Unauthorized
        if retry_after := self._throttle.retry_after(address, now):
            raise TooManyRequests(retry_after=retry_after)
        if self.admin_keys.holder_of(key) is None:
            self._throttle.record_failure(address, now)
            _LOG.warning("console.login_failed")
            raise Unauthorized
        if request.method not in {"GET", "HEAD"} and not self._is_same_origin():
            _LOG.warning("console.cross_site")
            raise Forbidden
        name = credentials.username if credentials else None
        g.operator = name if name and _OPERATOR_NAME.fullmatch(name) else "unnamed"

    def _is_own_host(self) -> bool:
        """Return whether ``Host`` is the public URL's host or this machine, on any port.

        Otherwise an attacker's host name that resolves to this machine (DNS rebinding) would give
        the attacker's page the console's origin.
        """
        host = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
        return host in {urlsplit(self.public_url).hostname, "localhost"} or _is_loopback(host)

    def _is_same_origin(self) -> bool:
        origin = request.headers.get("Origin", "")
        home = urlsplit(self.public_url)
        return origin in {f"{home.scheme}://{home.netloc}", f"{request.scheme}://{request.host}"}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def operator_name() -> str:
    """Return the operator of the current request, as the log names them."""
    return f"console: {g.operator}"
