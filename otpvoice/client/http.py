"""One try of one request, over ``requests``."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import requests

from otpvoice.client.deadline import DeadlineAdapter
from otpvoice.client.errors import (
    ApiError,
    ConnectionFailed,
    OtpvoiceError,
    UnexpectedAnswer,
    refusal,
)
from otpvoice.client.objects import Members, read_problem

T = TypeVar("T")

_CONNECTIONS: Final = 64
"""Kept alive at most; a thread more than that connects anew."""
_TO_CONNECT: Final = 0.4
"""The share of a try's time for connecting; the rest is for the answer."""
_GATEWAY: Final = frozenset({502, 503, 504})
"""What a proxy answers when it has got no answer itself."""
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Request:
    """Method, path under ``/v1/verifications``, JSON body, Idempotency-Key."""

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    idempotency_key: str | None = field(default=None, repr=False)


class Connection:
    """A service and a credential for it. Threads may share it, and its connections.

    Proxies and authorities come from the environment, as ``requests`` has it; the credential never
    does (a ``.netrc`` is ignored), and is never sent after a redirect.

    Raises:
        ValueError: a wrong address, or a credential that no header can carry.
    """

    def __init__(self, url: str, credential: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the url must begin with http:// or https://")
        if not _VISIBLE.fullmatch(credential):
            raise ValueError("the credential must be visible ASCII characters without spaces")
        self._verifications = f"{url.rstrip('/')}/v1/verifications"
        self._credential = credential
        self._adapter = DeadlineAdapter(pool_maxsize=_CONNECTIONS)
        self._of_thread = threading.local()

    def send(self, request: Request, read: Callable[[Members], T], timeout: float) -> T:
        """What ``read`` makes of a 2xx answer's JSON.

        Raises:
            ConnectionFailed: no whole answer ``timeout`` seconds later; name look-ups apart.
            UnexpectedAnswer: none of otpvoice's.
            ApiError: a problem document.
        """
        key = request.idempotency_key
        try:
            answer = self._session().request(
                request.method,
                f"{self._verifications}{request.path}",
                json=request.body,
                headers={} if key is None else {"Idempotency-Key": key},
                timeout=(timeout * _TO_CONNECT, timeout * (1 - _TO_CONNECT)),
                allow_redirects=False,  # a code goes where it was sent, or nowhere
            )
        except requests.RequestException as error:
            # Not chained: it holds the request, with credential and code.
            raise ConnectionFailed(f"no answer ({type(error).__name__})") from None
        return _read(answer, read)

    def close(self) -> None:
        """Closes the connections that are kept alive."""
        self._adapter.close()

    def _session(self) -> requests.Session:
        """This thread's: sessions are not made to be shared, the adapter below them is."""
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = requests.Session()
            session.mount("https://", self._adapter)
            session.mount("http://", self._adapter)
            session.auth = self._sign  # a mere header would lose against ~/.netrc
        return session

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._credential}"
        return request


def _read(answer: requests.Response, read: Callable[[Members], T]) -> T:
    try:
        understood = _understood(answer, read)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None
    if isinstance(understood, ApiError):
        raise understood
    return understood


def _understood(answer: requests.Response, read: Callable[[Members], T]) -> T | ApiError:
    told = answer.json()
    status = answer.status_code
    if _is_problem(answer):
        return refusal(read_problem(told, status, answer.headers.get("Request-Id")))
    if 200 <= status < 300:
        return read(told)
    raise ValueError("neither an object nor a problem")


def _not_ours(answer: requests.Response) -> OtpvoiceError:
    status = answer.status_code
    if status in _GATEWAY:
        return ConnectionFailed(f"no answer (HTTP {status} of a proxy)", _retry_after(answer))
    return UnexpectedAnswer(f"HTTP {status} that can not be read: is this an otpvoice service?")


def _is_problem(answer: requests.Response) -> bool:
    return answer.headers.get("Content-Type", "").startswith("application/problem+json")


def _retry_after(answer: requests.Response) -> int | None:
    """Seconds; a proxy may also name a date, which none is known to do."""
    header = answer.headers.get("Retry-After", "")
    return int(header) if re.fullmatch("[0-9]{1,9}", header) else None
