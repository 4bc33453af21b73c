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
    UnexpectedResponse,
    error_for,
)
from otpvoice.client.models import JsonObject, parse_problem

T = TypeVar("T")

_MAX_CONNECTIONS: Final = 64
"""Kept alive at most; a thread more than that connects anew."""
_CONNECT_SHARE: Final = 0.4
"""The share of a try's time for connecting; the rest is for the answer."""
_PROXY_STATUSES: Final = frozenset({502, 503, 504})
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
        self._adapter = DeadlineAdapter(pool_maxsize=_MAX_CONNECTIONS)
        self._thread_local = threading.local()

    def send(self, request: Request, parse: Callable[[JsonObject], T], timeout: float) -> T:
        """What ``read`` makes of a 2xx answer's JSON.

        Raises:
            ConnectionFailed: no whole answer ``timeout`` seconds later; name look-ups apart.
            UnexpectedResponse: none of otpvoice's.
            ApiError: a problem document.
        """
        key = request.idempotency_key
        try:
            response = self._session().request(
                request.method,
                f"{self._verifications}{request.path}",
                json=request.body,
                headers={} if key is None else {"Idempotency-Key": key},
                timeout=(timeout * _CONNECT_SHARE, timeout * (1 - _CONNECT_SHARE)),
                allow_redirects=False,  # a code goes where it was sent, or nowhere
            )
        except requests.RequestException as error:
            # Not chained: it holds the request, with credential and code.
            raise ConnectionFailed(f"no answer ({type(error).__name__})") from None
        return _parse_response(response, parse)

    def close(self) -> None:
        """Closes the connections that are kept alive."""
        self._adapter.close()

    def _session(self) -> requests.Session:
        """This thread's: sessions are not made to be shared, the adapter below them is."""
        session: requests.Session | None = getattr(self._thread_local, "session", None)
        if session is None:
            session = self._thread_local.session = requests.Session()
            session.mount("https://", self._adapter)
            session.mount("http://", self._adapter)
            session.auth = self._authorize  # a mere header would lose against ~/.netrc
        return session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._credential}"
        return request


def _parse_response(response: requests.Response, parse: Callable[[JsonObject], T]) -> T:
    try:
        understood = _parse_document(response, parse)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unexpected(response) from None
    if isinstance(understood, ApiError):
        raise understood
    return understood


def _parse_document(response: requests.Response, parse: Callable[[JsonObject], T]) -> T | ApiError:
    document = response.json()
    status = response.status_code
    if _is_problem(response):
        return error_for(parse_problem(document, status, response.headers.get("Request-Id")))
    if 200 <= status < 300:
        return parse(document)
    raise ValueError("neither an object nor a problem")


def _unexpected(response: requests.Response) -> OtpvoiceError:
    status = response.status_code
    if status in _PROXY_STATUSES:
        return ConnectionFailed(f"no answer (HTTP {status} of a proxy)", _retry_after(response))
    return UnexpectedResponse(f"HTTP {status} that can not be read: is this an otpvoice service?")


def _is_problem(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").startswith("application/problem+json")


def _retry_after(response: requests.Response) -> int | None:
    """Seconds; a proxy may also name a date, which none is known to do."""
    header = response.headers.get("Retry-After", "")
    return int(header) if re.fullmatch("[0-9]{1,9}", header) else None
