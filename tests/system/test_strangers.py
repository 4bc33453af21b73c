"""Strangers start logins for a number during its owner's call, and repeat calls that are refused.

The limits are the shipped ones but where a test says so. ``OTPVOICE_TEST_STRANGERS`` is how many
creates a storm has, ``OTPVOICE_TEST_LOOP`` how many requests tokens make in a loop.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from support.processes import TIMEOUT_S, wait_until
from support.service import ASHA, RunningService
from support.stack import Stack, is_ready, running_service
from system.concurrency import concurrently
from system.shipped_limits import SHIPPED

from otpvoice.store.discovery import connect

STORM = int(os.environ.get("OTPVOICE_TEST_STRANGERS", "50"))
LOOP = int(os.environ.get("OTPVOICE_TEST_LOOP", "200"))
TOKENS, ATTEMPTS = 20, 6
ONE_ADDRESS = "49.36.0.1"
NUMBERS = (f"+91987654321{n}" for n in count())
"""A phone of its own for each owner."""


def address(n: int) -> str:
    """Return the nth of many public addresses."""
    return f"49.37.{n // 250}.{n % 250 + 1}"


def asks_as(service: RunningService, token: str, method: str, path: str, body: Any = None) -> Any:
    """One request of an app, with its client token."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(
        method, f"{service.url}{path}", json=body, headers=headers, timeout=TIMEOUT_S
    )


class Stranger:
    """Starts logins for a number, and does with each all that its client token allows.

    Args:
        service: the service, with the login backend's key.
        owner: the verification that is not the stranger's.
        cancels: whether each login is canceled at once.
    """

    def __init__(self, service: RunningService, owner: dict[str, Any], cancels: bool) -> None:
        self._service = service
        self._owner = owner
        self._cancels = cancels
        self.refused: Counter[str] = Counter()
        self.begun: list[dict[str, Any]] = []

    def storms(self, address_of: Callable[[int], str]) -> None:
        """So many creates, a few at a time, each of a login session of its own."""
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda n: self._creates(n, address_of(n)), range(STORM)):
                pass

    def _creates(self, n: int, ip: str) -> None:
        members = {"to": self._owner["to"], "reference": f"stranger {n}", "ip": ip}
        answer = self._service.post("/v1/verifications", members)
        body = answer.json()
        assert self._owner["id"] not in answer.text
        assert self._owner["reference"] not in answer.text
        if answer.status_code == 429:
            self.refused[body["limit"]] += 1
            return
        assert answer.status_code == 201, answer.text
        self.begun.append(body)
        own, other = f"/v1/verifications/{body['id']}", f"/v1/verifications/{self._owner['id']}"
        token = body["client_token"]
        for method, path in (
            ("GET", other),
            ("POST", f"{other}/cancel"),
            ("POST", f"{other}/calls"),
        ):
            assert asks_as(self._service, token, method, path).status_code == 404
        guess = asks_as(self._service, token, "POST", f"{own}/checks", {"code": "000000"}).json()
        assert guess.get("code") in {"no_call_yet", "verification_closed"}
        if self._cancels:
            assert asks_as(self._service, token, "POST", f"{own}/cancel").status_code in {200, 409}


def test_spoken_code_stays_valid_during_a_storm_of_creates(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    """Strangers cannot void it, use up its checks or learn of it. One address meets its limit.

    They come from one address or many, and leave their logins pending or cancel them at once.
    """
    with running_service(environ, tmp_path, **SHIPPED) as stack:
        for addresses in ("one address", "many addresses"):
            for cancels in (False, True):
                redis.flushdb()  # no limit has counted anything
                wait_until(lambda: is_ready(stack.service.url), "a heartbeat")
                storm_meets_its_limits(stack.service, addresses, cancels)


def storm_meets_its_limits(shipped: RunningService, addresses: str, cancels: bool) -> None:
    """Have strangers storm while an owner's call is answered."""
    number = next(NUMBERS)
    owner = shipped.create(number, reference="the owner", ip="103.21.124.1")
    code = shipped.wait_for_code(number)
    shipped.wait_for_call(owner, "answered")
    stranger = Stranger(shipped, owner, cancels)
    of_one = addresses == "one address"
    stranger.storms(lambda n: ONE_ADDRESS if of_one else address(n))
    while of_one and cancels and not stranger.refused["calls_per_ip 30/1h"]:
        stranger.storms(lambda _: ONE_ADDRESS)  # many were refused for the number's sake

    seen = shipped.get_verification(owner)
    assert (seen["status"], seen["checks_left"], len(seen["calls"])) == ("pending", 5, 1)
    for begun in stranger.begun[-3:]:
        answer = shipped.check(begun, code)
        assert answer.status_code == 409, answer.text
    assert shipped.check(owner, code).json()["valid"] is True

    calls = Counter(entry["person"] for entry in shipped.phones.ledger())
    assert calls[number.removeprefix("+")] <= 3
    print(f"{addresses}, cancels={cancels}: {len(stranger.begun)} begun, {stranger.refused}")
    assert set(stranger.refused) <= {"calls_per_number 3/10m", "calls_per_ip 30/1h"}
    if not cancels:
        assert len(stranger.begun) <= 3
    elif of_one:
        assert len(stranger.begun) <= 30
    else:
        assert not stranger.refused["calls_per_ip 30/1h"]


# A provider that refuses --------------------------------------------------------------------------


@pytest.fixture
def refused(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Wide limits but for the gap and the attempts. The provider refuses each call with 422."""
    changes = {
        "OTPVOICE_LIMITS_CALL_GAP": SHIPPED["OTPVOICE_LIMITS_CALL_GAP"],
        "OTPVOICE_LIMITS_ATTEMPTS_PER_VERIFICATION": str(ATTEMPTS),
        "OTPVOICE_SERVER_WORKERS": "2",
    }
    with running_service(environ, tmp_path_factory.mktemp("refused"), **changes) as stack:
        body = json.dumps({"message": "The bridge field is invalid."})
        stack.service.phones.set_behaviour(ASHA, "reply", status=422, body=body)
        yield stack


def test_loop_of_call_requests_makes_few_provider_requests(refused: Stack) -> None:
    """With twenty tokens. The call gap allows one attempt on both routes."""
    service = refused.service
    begun = [
        service.create(ASHA, reference=f"session {n}", ttl=600, ip=address(n))
        for n in range(TOKENS)
    ]
    wait_until(lambda: len(service.phones.ledger()) >= 2, "both routes to refuse")
    answers: Counter[tuple[int, str]] = Counter()

    def asks(n: int) -> None:
        mine = begun[n % TOKENS]
        path = f"/v1/verifications/{mine['id']}/calls"
        answer = asks_as(service, mine["client_token"], "POST", path)
        answers[answer.status_code, answer.json().get("code", "")] += 1

    with connect(refused.variables["OTPVOICE_REDIS_URL"]) as redis:
        redis.config_resetstat()
        with concurrently(asks, threads=8):
            wait_until(lambda: answers.total() >= LOOP, "the loop")
        stats = redis.info("commandstats")["cmdstat_fcall"]
    requests_made = Counter(entry["person"] for entry in service.phones.ledger())
    print(f"{answers.total()} asked: {answers}; {requests_made}; {stats}")
    assert requests_made == {ASHA.removeprefix("+"): 2}
    assert stats["usec_per_call"] < 2_000
    for each in begun:
        shown = service.get(f"/v1/verifications/{each['id']}")
        assert len(shown.json()["calls"]) <= ATTEMPTS
        assert len(shown.content) < 4_096
