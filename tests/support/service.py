"""The words that tests speak in: phones, a desk that asks and dials, dialers that run."""

import base64
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from redis import Redis
from support.processes import TIMEOUT_S, wait_until

from otpvoice.core.requests import CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import Call, Verification
from otpvoice.dialer.dialer import Dialer
from otpvoice.http_client import Deadlines
from otpvoice.store import Keys
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox

ASHA = "+919876543210"
LOGIN_KEY = "ovk_login-backend-of-the-tests"
BANK_KEY = "ovk_another-client-of-the-tests"
RING_KEY = base64.b64encode(b"ring key of the tests, 32 bytes!").decode()
NUMBER_KEY = base64.b64encode(b"number key of the tests 32 bytes").decode()
PROVIDER_TOKEN = "token-of-the-tests-38e896f5567031"
BRIDGE = "918068280000"
WEBHOOK_SECRET = "webhook-secret-of-the-tests"
PATH_TOKEN = "path-token-of-the-tests-0123456789"
VALIDATION_KEY = "validation-key-of-the-tests"

INDEXES = tuple(
    Keys().of(kind)
    for kind in ("queue", "dialing", "live", "expiring", "wake", "dialers", "status_queries")
)
"""The keys of the store's indexes of the whole service."""
ENDLESS_KEYS = {*INDEXES[:4], INDEXES[6]}
"""Those that end with their last member; every other key expires."""

WIDE_LIMITS = {
    "OTPVOICE_LIMITS_CALL_GAP": "0",
    "OTPVOICE_LIMITS_CALLS_PER_NUMBER": "",
    "OTPVOICE_LIMITS_ALL_CALLS_PER_NUMBER": "1000000/24h",
    "OTPVOICE_LIMITS_WRONG_CODES_PER_NUMBER": "1000000/24h",
    "OTPVOICE_LIMITS_UNVERIFIED_PER_PREFIX": "",
    "OTPVOICE_LIMITS_CALLS_PER_CLIENT": "1000000/1m",
    "OTPVOICE_LIMITS_CREATES_PER_IP": "",
    "OTPVOICE_LIMITS_CREATES_PER_CLIENT": "",
    "OTPVOICE_LIMITS_PENDING_PER_NUMBER": "50",
    "OTPVOICE_LIMITS_ATTEMPTS_PER_VERIFICATION": "50",
    "OTPVOICE_LIMITS_CALLS_PER_DAY": "1000000",
    "OTPVOICE_LIMITS_CONVERSION_BREAKER": "off",
    "OTPVOICE_LIMITS_WRONG_CODE_BREAKER": "off",
}
"""Limits that never apply: tests call few numbers again and again, without approvals."""


def stored_speech(redis: Redis, verification_id: str) -> bytes:
    """Return the encrypted speech of a verification; empty when it has none."""
    fields: dict[Any, Any] = redis.hgetall(Keys().of("verification", verification_id))
    pieces = sorted(name for name in fields if name.startswith(b"speech"))
    return b"".join(fields[name] for name in pieces)


class SandboxPhones:
    """The sandbox's phones, over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url

    def set_behaviour(self, number: str, behaviour: str, **options: Any) -> None:
        """Set the behaviour of a phone, or of the provider for calls to it."""
        response = requests.put(
            f"{self._url}/phones/{number.removeprefix('+')}",
            json={"behaviour": behaviour, **options},
            timeout=TIMEOUT_S,
        )
        assert response.ok, response.text

    def calls(self, number: str) -> list[dict[str, Any]]:
        """Return the phone's calls, oldest first."""
        response = requests.get(
            f"{self._url}/phones/{number.removeprefix('+')}/calls", timeout=TIMEOUT_S
        )
        calls: list[dict[str, Any]] = response.json()
        return calls

    def ledger(self) -> list[dict[str, Any]]:
        """Return every request that the provider received."""
        entries: list[dict[str, Any]] = requests.get(
            f"{self._url}/ledger", timeout=TIMEOUT_S
        ).json()
        return entries


class ClientAndDialer:
    """A client and a dialer that places one call at a time."""

    def __init__(self, service: Verifications, store: RedisStore, dialer: Dialer) -> None:
        self._service = service
        self.store = store
        self._dialer = dialer

    def create(self, to: str = ASHA, client: str = "login", **members: Any) -> Verification:
        """A verification with its call in the queue."""
        return self._service.create(client, CreateRequest(to=to, **members)).verification

    def dial_next(self, send_within: float = 5.0, end_within: float = 13.0) -> bool:
        """Dials the next due call; False if none is due."""
        claim = self.store.claim(200)
        if isinstance(claim, int):
            return False
        now = time.monotonic()
        self._dialer.dial(claim, Deadlines(now + send_within, now + end_within))
        return True

    def calls_of(self, verification: Verification) -> tuple[Call, ...]:
        """Return the current calls of a verification."""
        return self._service.get(verification.client, verification.id).verification.calls

    def cancel(self, verification: Verification) -> None:
        """Cancel a verification."""
        self._service.cancel(verification.client, verification.id)


@contextmanager
def running_dialers(*dialers: Dialer) -> Iterator[None]:
    """Run dialers in threads during the block."""
    threads = [threading.Thread(target=dialer.run) for dialer in dialers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for dialer in dialers:
            dialer.stop()
        for thread in threads:
            thread.join()


@dataclass(frozen=True)
class RunningService:
    """A whole service, spoken to over HTTP as a client would."""

    url: str
    phones: SandboxPhones
    sandbox: RunningSandbox
    folder: Path
    """Where the processes log."""

    def post(
        self, path: str, body: Any = None, key: str | None = LOGIN_KEY, **options: Any
    ) -> requests.Response:
        """One POST with an API key."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.post(
            f"{self.url}{path}", json=body, headers=headers, timeout=TIMEOUT_S, **options
        )

    def get(self, path: str, key: str = LOGIN_KEY) -> requests.Response:
        """One GET with an API key."""
        headers = {"Authorization": f"Bearer {key}"}
        return requests.get(f"{self.url}{path}", headers=headers, timeout=TIMEOUT_S)

    def create(self, to: str = ASHA, **members: Any) -> dict[str, Any]:
        """A new verification."""
        answer = self.post("/v1/verifications", {"to": to, **members})
        assert answer.status_code == 201, answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    def check(self, verification: dict[str, Any], code: str, **members: Any) -> requests.Response:
        """One code handed in."""
        path = f"/v1/verifications/{verification['id']}/checks"
        return self.post(path, {"code": code, **members})

    def get_verification(self, verification: dict[str, Any]) -> dict[str, Any]:
        """Get the current verification."""
        found: dict[str, Any] = self.get(f"/v1/verifications/{verification['id']}").json()
        return found

    def wait_for_code(self, number: str = ASHA) -> str:
        """Wait for the newest call of a phone and return the spoken code."""
        calls = wait_until(
            lambda: [c for c in self.phones.calls(number) if c["spoken"]], "a spoken code"
        )
        return "".join(re.findall(r"\d", calls[-1]["spoken"]))

    def wait_for_call(self, verification: dict[str, Any], status: str) -> dict[str, Any]:
        """Return the verification's newest call as soon as it has this status."""
        call: dict[str, Any] = wait_until(
            lambda: [
                c
                for c in self.get_verification(verification)["calls"][-1:]
                if c["status"] == status
            ],
            f"the call to be {status}",
        )[0]
        return call
