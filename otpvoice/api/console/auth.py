"""Who may see the console: holders of an admin key, by HTTP Basic (RFC 7617).

The browser asks for it and keeps it until it is closed, so that there is no session to steal or to
forget and no cookie. The password is the key; the user name is whatever the operator wants to be
called in the log. What a browser adds unasked another site could make use of: whatever is not a
GET has to come from a page of ours.
"""

import hashlib
import hmac
import ipaddress
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from flask import g, request
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests, Unauthorized

_LOG = structlog.get_logger(__name__)
_OPERATOR_NAME: Final = re.compile(r"[A-Za-z][A-Za-z ._@-]{0,39}", re.ASCII)
"""What the log takes for a name; digits could be somebody's number."""
_MAX_FAILURES: Final = 10
_WINDOW_S: Final = 60.0
"""Seconds."""
_MAX_ADDRESSES: Final = 1000


class WrongHost(HTTPException):
    """``Host`` is not a name of the console (RFC 9110, section 15.5.20)."""

    code = 421


class LoginThrottle:
    """Wrong keys of late, by the address that they came from.

    An address that had ten of them within a minute is compared no more until the minute is over.
    A key is 256 random bits and can not be guessed: this keeps the noise down.
    """

    def __init__(self) -> None:
        self._failures: dict[str, deque[float]] = {}

    def retry_after(self, address: str, now: float) -> int:
        """Whole seconds until a key from there is compared; 0: at once."""
        failures = self._failures.get(address, deque[float]())
        while failures and failures[0] <= now - _WINDOW_S:
            failures.popleft()
        return int(failures[0] + _WINDOW_S - now) + 1 if len(failures) >= _MAX_FAILURES else 0

    def record_failure(self, address: str, now: float) -> None:
        """A wrong key came from there."""
        if address not in self._failures and len(self._failures) >= _MAX_ADDRESSES:
            self._failures.pop(next(iter(self._failures)))
        self._failures.setdefault(address, deque(maxlen=_MAX_FAILURES)).append(now)


@dataclass(frozen=True, slots=True)
class AdminAuth:
    """Lets operators in.

    Args:
        hashes: SHA-256 of the admin keys, in hex. A plain hash will do: keys are 256 random bits.
        public_url: how the outside reaches us.
    """

    key_hashes: Sequence[str]
    public_url: str
    throttle: LoginThrottle

    def authenticate(self) -> None:
        """Lets whoever asks in, or not; :func:`operator` tells who it is.

        Raises:
            WrongHost: the browser was led here by another name.
            Unauthorized: no key that we know.
            TooManyRequests: too many wrong ones came from there.
            Forbidden: another site's page sent it.
        """
        if not self._is_own_host():
            _LOG.warning("console.wrong_host")
            raise WrongHost
        address, now = request.remote_addr or "", time.monotonic()
        credentials = request.authorization
        key = credentials.password if credentials and credentials.type == "basic" else None
        if key is None:
            raise Unauthorized
        if wait := self.throttle.retry_after(address, now):
            raise TooManyRequests(retry_after=wait)
        if not self._is_valid_key(key):
            self.throttle.record_failure(address, now)
            _LOG.warning("console.login_failed")
            raise Unauthorized
        if request.method not in {"GET", "HEAD"} and not self._is_same_origin():
            _LOG.warning("console.cross_site")
            raise Forbidden
        name = credentials.username if credentials else None
        g.operator = name if name and _OPERATOR_NAME.fullmatch(name) else "somebody"

    def _is_own_host(self) -> bool:
        """Return whether ``Host`` names the public URL's host or this machine, on any port.

        A name of an attacker that resolves to this machine (DNS rebinding) would otherwise make
        the attacker's page one of the console's own origin.
        """
        host = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
        return host in {urlsplit(self.public_url).hostname, "localhost"} or _is_loopback(host)

    def _is_valid_key(self, key: str) -> bool:
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        # All are compared, so that time does not tell which one was near.
        matches = [hmac.compare_digest(digest, bytes.fromhex(known)) for known in self.key_hashes]
        return any(matches)

    def _is_same_origin(self) -> bool:
        """Whether a page of this very origin sent the form: browsers always say which one did."""
        origin = request.headers.get("Origin", "")
        home = urlsplit(self.public_url)
        return origin in {f"{home.scheme}://{home.netloc}", f"{request.scheme}://{request.host}"}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def operator_name() -> str:
    """Who is told to have done it."""
    return f"console: {g.operator}"
