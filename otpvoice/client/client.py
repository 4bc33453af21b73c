"""The methods of the API, one for one."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

from otpvoice.client.errors import ConnectionFailed, Unavailable, WaitTimeout
from otpvoice.client.http import Connection, Request
from otpvoice.client.models import (
    CheckResult,
    JsonObject,
    Verification,
    parse_check_result,
    parse_verification,
)
from otpvoice.client.retries import retry

T = TypeVar("T")

_MAX_WAIT: Final = 660.0
"""Seconds: a verification lives for ten minutes at most."""
_DEFAULT_POLL_INTERVAL: Final = 2
"""Seconds between two looks, when the service does not say."""
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class Client:
    """An otpvoice service, as the holder of one credential meets it.

    Every method repeats what was lost on the way: at most three tries, and always in a way that
    can not make a second call or count a second check. Threads may share a client; make it after
    a fork, not before. As a context manager it closes its connections at the end.

    Args:
        url: where the service is, as in ``https://otp.example.com``.
        credential: an API key, or the ``client_token`` of one verification.
        timeout: seconds for a method with all its attempts and the pauses between them.
        attempt_timeout: seconds for one attempt.

    All methods raise ``ConnectionFailed``, ``UnexpectedResponse`` and the ``ApiError`` that fits
    (:mod:`otpvoice.client.errors`).

    Raises:
        ValueError: a wrong address, or a credential that no header can carry.
    """

    def __init__(
        self, url: str, credential: str, *, attempt_timeout: float = 5.0, timeout: float = 10.0
    ) -> None:
        self._connection = Connection(url, credential)
        self._url = url
        self._attempt_timeout = attempt_timeout
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"Client({self._url!r}, …)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections that are kept alive; the client can be used on."""
        self._connection.close()

    def create(  # noqa: PLR0913 - the members of the contract, each by its name
        self,
        to: str,
        *,
        name: str | None = None,
        locale: str | None = None,
        code: str | None = None,
        call_after: int | None = None,
        ttl: int | None = None,
        route: str | None = None,
        reference: str | None = None,
        ip: str | None = None,
        idempotency_key: str | None = None,
    ) -> Verification:
        """Begins a verification and has its call queued, or finds the one under way.

        Args:
            to: the number, E.164.
            name: whom the voice greets.
            locale: the language to speak (BCP 47).
            code: your own, 4 to 10 digits: the one your SMS carried.
            call_after: dial only if it has not ended after so many seconds.
            ttl: seconds that the code lives.
            route: ``obd`` or ``c2c`` first.
            reference: the id of the login attempt; the same one again is the same verification.
            ip: the person's address, for limits.
            idempotency_key: your own name for this request, if you repeat it yourself after a
                restart; else one is made.

        Raises:
            NumberRefused, RateLimited, InvalidRequest: as they say.
            ValueError: an ``idempotency_key`` that is none.
        """
        body = {
            "to": to,
            "name": name,
            "locale": locale,
            "code": code,
            "call_after": call_after,
            "ttl": ttl,
            "route": route,
            "reference": reference,
            "ip": ip,
        }
        return self._send(_idempotent_post("", body, idempotency_key), parse_verification)

    def get(self, verification_id: str) -> Verification:
        """The verification as it stands."""
        return self._poll(verification_id, self._timeout)

    def check(
        self, verification_id: str, code: str, *, idempotency_key: str | None = None
    ) -> CheckResult:
        """Hands in a code. Only ``valid`` is proof, never a status.

        Raises:
            VerificationClosed: it has ended. Proves nothing.
            NoCallYet: no call was sent yet; neither compared nor counted.
            TooManyWrongCodes: neither compared nor counted.
            InvalidRequest: no code of this verification's length; cost no check.
            ValueError: an ``idempotency_key`` that is none.
        """
        path = f"{_verification_path(verification_id)}/checks"
        return self._send(
            _idempotent_post(path, {"code": code}, idempotency_key), parse_check_result
        )

    def call(
        self,
        verification_id: str,
        *,
        route: str | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> Verification:
        """Makes sure that a call comes, with the same code: another one, or a delayed one now.

        Raises:
            VerificationClosed, TooLate, RateLimited: as they say.
            ValueError: an ``idempotency_key`` that is none.
        """
        path = f"{_verification_path(verification_id)}/calls"
        body = {"route": route, "locale": locale}
        return self._send(_idempotent_post(path, body, idempotency_key), parse_verification)

    def cancel(self, verification_id: str) -> Verification:
        """Ends it without proof. A placed call can not be called back.

        Raises:
            VerificationClosed: it has ended otherwise.
        """
        return self._send(
            Request("POST", f"{_verification_path(verification_id)}/cancel"), parse_verification
        )

    def approve(self, verification_id: str) -> Verification:
        """Ends it as proven by other means, such as the SMS; a queued call is not dialed.

        Raises:
            VerificationClosed: it has ended otherwise.
        """
        return self._send(
            Request("POST", f"{_verification_path(verification_id)}/approve"), parse_verification
        )

    def watch(self, verification_id: str, *, timeout: float = _MAX_WAIT) -> Iterator[Verification]:
        """Looks at it as often as the service likes, until it has ended: one for every look.

        A look that fails later on is passed over, and shows what was last seen.

        Raises:
            WaitTimeout: ``timeout`` seconds are over.
        """
        deadline = time.monotonic() + timeout
        latest = self._poll(verification_id, min(timeout, self._timeout))
        while True:
            yield latest
            if latest.has_ended:
                return
            pause = latest.poll_after or _DEFAULT_POLL_INTERVAL
            if time.monotonic() + pause >= deadline:
                raise WaitTimeout(latest)
            time.sleep(pause)
            with suppress(ConnectionFailed, Unavailable):  # the next look may succeed
                latest = self._poll(
                    verification_id, min(deadline - time.monotonic(), self._timeout)
                )

    def wait(
        self,
        verification_id: str,
        *,
        until: Callable[[Verification], bool] = lambda _: False,
        timeout: float = _MAX_WAIT,
    ) -> Verification:
        """The verification as soon as ``until`` says so, or it has ended.

        Raises:
            WaitTimeout: ``timeout`` seconds are over.
        """
        updates = self.watch(verification_id, timeout=timeout)
        return next(seen for seen in updates if seen.has_ended or until(seen))

    def _poll(self, verification_id: str, timeout: float) -> Verification:
        request = Request("GET", _verification_path(verification_id))
        return self._send(request, parse_verification, timeout)

    def _send(
        self, request: Request, parse: Callable[[JsonObject], T], timeout: float | None = None
    ) -> T:
        return retry(
            lambda timeout: self._connection.send(request, parse, timeout),
            self._attempt_timeout,
            self._timeout if timeout is None else timeout,
        )


def _verification_path(verification_id: str) -> str:
    return f"/{quote(verification_id, safe='')}"  # it may come from a browser's form


def _idempotent_post(path: str, members: dict[str, Any], idempotency_key: str | None) -> Request:
    """A request that takes effect once, however often it arrives."""
    key = uuid.uuid4().hex if idempotency_key is None else idempotency_key
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise ValueError("an idempotency_key must be 1 to 255 visible ASCII characters")
    given = {name: said for name, said in members.items() if said is not None}
    return Request("POST", path, given, key)
