"""Many at once: threads that do the same again and again while something is harmed."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
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
    """Requests to one address, and a book of their answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.responses: list[TimedResponse] = []

    def request(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> TimedResponse:
        """One request on a connection of its own; ``key`` makes it the same when repeated."""
        headers = {"Authorization": f"Bearer {LOGIN_KEY}"}
        headers |= {"Idempotency-Key": key} if key else {}
        began = time.monotonic()
        status, said, fault, replayed = NO_RESPONSE, None, "", False
        try:
            answer = requests.request(
                method, f"{self.url}{path}", json=body, headers=headers, timeout=TIMEOUT_S
            )
            status, said = answer.status_code, answer.json()
            replayed = "Idempotent-Replayed" in answer.headers
        except requests.RequestException as error:
            fault = str(error)
        response = TimedResponse(began, time.monotonic() - began, status, said, fault, replayed)
        self.responses.append(response)
        return response

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
