"""Many at once: threads that do the same again and again while something is harmed."""

import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from support.processes import TIMEOUT_S
from support.service import LOGIN_KEY

NO_RESPONSE = 0
"""Stands for a status when the connection was refused or broke off."""


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """The outcome of one request. Times in seconds of the monotonic clock."""

    began: float
    took: float
    status: int
    body: Any
    fault: str
    """Why there is no answer."""
    replayed: bool
    """It repeats the answer to an earlier request with the same key."""


class RecordingClient:
    """Requests to one address, and a book of their answers. ``certificate``: of an HTTPS server."""

    def __init__(self, url: str, certificate: Path | None = None) -> None:
        self.url = url
        scheme, _, self._host = url.partition("://")
        assert (scheme == "https") == bool(certificate)
        self._tls = ssl.create_default_context(cafile=certificate) if certificate else None
        self.responses: list[TimedResponse] = []

    def request(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> TimedResponse:
        """One request on a connection of its own; ``key`` makes it the same when repeated."""
        headers = {"Authorization": f"Bearer {LOGIN_KEY}"}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"Content-Type": "application/json"} if body else {}
        began = time.monotonic()
        status, said, fault, replayed = NO_RESPONSE, None, "", False
        # Much cheaper than a request of requests, and there are many.
        with closing(self._connection()) as connection:
            try:
                connection.request(method, path, json.dumps(body) if body else None, headers)
                answer = connection.getresponse()
                said = json.loads(answer.read())
                status, replayed = answer.status, "Idempotent-Replayed" in answer.headers
            except (OSError, HTTPException) as error:
                fault = repr(error)
        response = TimedResponse(began, time.monotonic() - began, status, said, fault, replayed)
        self.responses.append(response)
        return response

    def _connection(self) -> HTTPConnection:
        if self._tls:
            return HTTPSConnection(self._host, timeout=TIMEOUT_S, context=self._tls)
        return HTTPConnection(self._host, timeout=TIMEOUT_S)

    def create(self, number: str, key: str | None = None, **members: Any) -> TimedResponse:
        """Send a create."""
        return self.request("POST", "/v1/verifications", {"to": number, **members}, key)

    def check(self, verification_id: str, code: str) -> TimedResponse:
        """Hands a code in."""
        return self.request("POST", f"/v1/verifications/{verification_id}/checks", {"code": code})

    def get_verification(self, verification_id: str) -> TimedResponse:
        """Get the current verification."""
        return self.request("GET", f"/v1/verifications/{verification_id}")


def nth_number(n: int) -> str:
    """Return the nth of many numbers."""
    return f"+9198765{n:05}"


@contextmanager
def concurrently(
    step: Callable[[int], None], threads: int = 8, pause: float = 0.0
) -> Iterator[None]:
    """Meanwhile ``step`` is done with 0, 1, 2, ...; its first fault is raised at the end.

    ``pause``: seconds that a thread rests between two steps.
    """
    over = threading.Event()
    numbers = itertools.count()

    def work() -> None:
        while not over.wait(pause):
            step(next(numbers))

    with ThreadPoolExecutor(threads) as pool:
        workers = [pool.submit(work) for _ in range(threads)]
        try:
            yield
        finally:
            over.set()
    for worker in workers:
        worker.result()
