"""The client: one method for each request of the API."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

from otpvoice_client.errors import ConnectionFailed, Unavailable, WaitTimeout
from otpvoice_client.models import (
    CheckResult,
    JsonObject,
    Transaction,
    Verification,
    parse_check_result,
    parse_verification,
)
from otpvoice_client.transport import Transport

T = TypeVar("T")

_VERIFICATIONS: Final = "/verifications"
_MAX_WAIT: Final = 660.0
"""Seconds; a verification lives for ten minutes at most."""
_DEFAULT_POLL_INTERVAL: Final = 2
"""Seconds between two polls if the service sends no interval."""
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class Client:
    """Client for one otpvoice service and one credential.

    Every method retries a request without a response, in at most three attempts. A retry never
    makes a second call or counts a second check. Threads may share a client; create it after a
    fork. As a context manager it closes its connections.

    Args:
        url: address of the service, as in ``https://otp.example.com``.
        credential: an API key, or the ``client_token`` of one verification.
        timeout: seconds for a method with all its attempts and the delays between them.
        attempt_timeout: seconds for one attempt.

    All methods raise ``ConnectionFailed``, ``UnexpectedResponse`` and the matching ``ApiError``
    (:mod:`otpvoice_client.errors`).

    Raises:
        ValueError: an invalid address, or a credential that no header can carry.
    """

    def __init__(
        self, url: str, credential: str, *, timeout: float = 10.0, attempt_timeout: float = 5.0
    ) -> None:
        self._transport = Transport(url, credential, attempt_timeout)
        self._url = url
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
        """Close the idle connections. The client can still be used."""
        self._transport.close()

    def create(  # noqa: PLR0913 - the members of the contract, by name
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
        transaction: Transaction | None = None,
        ip: str | None = None,
        idempotency_key: str | None = None,
    ) -> Verification:
        """Create a verification and queue its call, or return the one that is pending.

        Args:
            to: the number, E.164.
            name: the name that the voice speaks.
            locale: the language of the call (BCP 47).
            code: your own code of 4 to 10 digits, such as the one in your SMS.
            call_after: seconds to wait before the call; no call is placed if the verification
                ends earlier.
            ttl: seconds that the code is valid.
            route: the route to try first.
            reference: your id of the login attempt; the same one returns the same verification.
            transaction: the payment that the code authorises; another one is another
                verification.
            ip: the user's address, for limits.
            idempotency_key: your key for this request, if you repeat it after a restart; by
                default the client generates one.

        Raises:
            NumberRefused: the number is invalid or not allowed.
            RateLimited: a limit refused the request.
            InvalidRequest: a member is invalid.
            ValueError: an invalid ``idempotency_key``.
        """
        body: dict[str, Any] = {"to": to, "name": name, "locale": locale, "code": code, "ip": ip}
        body |= {"call_after": call_after, "ttl": ttl, "route": route, "reference": reference}
        body["transaction"] = _members_of(transaction)
        return self._post_once(_VERIFICATIONS, body, idempotency_key, parse_verification)

    def get(self, verification_id: str) -> Verification:
        """Return the current state of a verification."""
        return self._poll(verification_id, self._timeout)

    def check(
        self,
        verification_id: str,
        code: str,
        *,
        transaction: Transaction | None = None,
        idempotency_key: str | None = None,
    ) -> CheckResult:
        """Check a code. Only ``valid`` proves the number, never a status.

        Args:
            verification_id: of the verification.
            code: what the user typed.
            transaction: the payment that you are about to make. With another one than that of the
                create, the code is wrong.
            idempotency_key: your key for this request, as for :meth:`create`.

        Raises:
            VerificationClosed: the verification has ended. This does not prove anything.
            NoCallYet: no call was sent yet; the code was neither compared nor counted.
            TooManyWrongCodes: the code was neither compared nor counted.
            InvalidRequest: not a code of this verification's length; not counted.
            ValueError: an invalid ``idempotency_key``.
        """
        path = f"{_verification_path(verification_id)}/checks"
        body = {"code": code, "transaction": _members_of(transaction)}
        return self._post_once(path, body, idempotency_key, parse_check_result)

    def call(
        self,
        verification_id: str,
        *,
        route: str | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> Verification:
        """Request a call with the same code: a further one, or a delayed one now.

        Raises:
            VerificationClosed: the verification has ended.
            TooLate: too little of the code's life is left.
            RateLimited: a limit refused the request.
            ValueError: an invalid ``idempotency_key``.
        """
        path = f"{_verification_path(verification_id)}/calls"
        body = {"route": route, "locale": locale}
        return self._post_once(path, body, idempotency_key, parse_verification)

    def cancel(self, verification_id: str) -> Verification:
        """End a verification without proof. A placed call cannot be stopped.

        Raises:
            VerificationClosed: the verification has ended in another way.
        """
        return self._post(f"{_verification_path(verification_id)}/cancel", None, parse_verification)

    def approve(self, verification_id: str) -> Verification:
        """End a verification whose number you proved by other means, such as the SMS.

        A queued call is not placed.

        Raises:
            VerificationClosed: the verification has ended in another way.
        """
        path = f"{_verification_path(verification_id)}/approve"
        return self._post(path, None, parse_verification)

    def look_up(self, to: str, *, reference: str | None = None) -> Verification:
        """Return the newest verification that you created for a number, pending or ended.

        For a caller that keeps no id, as are :meth:`check_by_number` and
        :meth:`approve_by_number`.

        Args:
            to: the number, E.164.
            reference: the ``reference`` of the create, to mean the newest one with it.

        Raises:
            NotFound: you created none that is still retained.
            NumberRefused: the number is invalid.
        """
        return self._post("/lookups", {"to": to, "reference": reference}, parse_verification)

    def check_by_number(
        self,
        to: str,
        code: str,
        *,
        reference: str | None = None,
        transaction: Transaction | None = None,
        idempotency_key: str | None = None,
    ) -> CheckResult:
        """Check a code of the verification that :meth:`look_up` returns.

        Raises:
            NotFound: you created none that is still retained.
            NumberRefused: the number is invalid.

        It also raises what :meth:`check` raises.
        """
        body: dict[str, Any] = {"to": to, "code": code, "reference": reference}
        body["transaction"] = _members_of(transaction)
        return self._post_once("/checks", body, idempotency_key, parse_check_result)

    def approve_by_number(self, to: str, *, reference: str | None = None) -> Verification:
        """Approve the verification that :meth:`look_up` returns; see :meth:`approve`.

        Without a ``reference``, a retry may find a verification that began after the first attempt.

        Raises:
            NotFound: you created none that is still retained.
            NumberRefused: the number is invalid.
            VerificationClosed: the verification has ended in another way.
        """
        return self._post("/approvals", {"to": to, "reference": reference}, parse_verification)

    def watch(self, verification_id: str, *, timeout: float = _MAX_WAIT) -> Iterator[Verification]:
        """Poll a verification at the service's interval until it ends, and yield each state.

        A poll that fails after the first one is skipped.

        Raises:
            WaitTimeout: the ``timeout`` in seconds is over.
        """
        deadline = time.monotonic() + timeout
        latest = self._poll(verification_id, min(timeout, self._timeout))
        while True:
            yield latest
            if latest.has_ended:
                return
            delay = latest.poll_after or _DEFAULT_POLL_INTERVAL
            if time.monotonic() + delay >= deadline:
                raise WaitTimeout(latest)
            time.sleep(delay)
            with suppress(ConnectionFailed, Unavailable):  # the next poll may succeed
                left = deadline - time.monotonic()
                latest = self._poll(verification_id, min(left, self._timeout))

    def wait(
        self,
        verification_id: str,
        *,
        until: Callable[[Verification], bool] = lambda _: False,
        timeout: float = _MAX_WAIT,
    ) -> Verification:
        """Return the verification as soon as ``until`` is true for it, or it has ended.

        Raises:
            WaitTimeout: the ``timeout`` in seconds is over.
        """
        states = self.watch(verification_id, timeout=timeout)
        return next(state for state in states if state.has_ended or until(state))

    def _poll(self, verification_id: str, timeout: float) -> Verification:
        path = _verification_path(verification_id)
        return self._transport.send("GET", path, parse_verification, timeout=timeout)

    def _post_once(
        self,
        path: str,
        members: dict[str, Any],
        idempotency_key: str | None,
        parse: Callable[[JsonObject], T],
    ) -> T:
        """Send a request that takes effect once, however often it is sent."""
        key = uuid.uuid4().hex if idempotency_key is None else idempotency_key
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ValueError("an idempotency_key must be 1 to 255 visible ASCII characters")
        return self._post(path, members, parse, key)

    def _post(
        self,
        path: str,
        members: dict[str, Any] | None,
        parse: Callable[[JsonObject], T],
        idempotency_key: str | None = None,
    ) -> T:
        body = members and {name: value for name, value in members.items() if value is not None}
        return self._transport.send(
            *("POST", path, parse),
            timeout=self._timeout,
            body=body,
            idempotency_key=idempotency_key,
        )


def _members_of(transaction: Transaction | None) -> dict[str, str] | None:
    return None if transaction is None else asdict(transaction)


def _verification_path(verification_id: str) -> str:
    return (
        f"{_VERIFICATIONS}/{quote(verification_id, safe='')}"  # it may come from a browser's form
    )
