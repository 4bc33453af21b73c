"""The service under load: with an unreachable provider, a full store, and over many verifications.

Sizes are for every day. ``OTPVOICE_TEST_OUTAGE`` (seconds) and ``OTPVOICE_TEST_LIVES``
(verifications) make a long run of it.
"""

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from msgspec.structs import replace
from redis import Redis
from store.driver import StoreDriver
from store.new_verifications import CODE
from support.processes import TIMEOUT_S, free_port, is_listening, otpvoice_process, wait_until
from support.service import INDEXES, LOGIN_KEY, WIDE_LIMITS, SandboxPhones
from support.stack import end_route_pauses, is_ready, running_api
from support.valkey import Valkey

from otpvoice.core.limits import NO_LIMITS, parse_quota
from otpvoice.core.store_port import NewVerification, StoreResult
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallResult
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

OUTAGE = float(os.environ.get("OTPVOICE_TEST_OUTAGE", "0.5"))
LIVES = int(os.environ.get("OTPVOICE_TEST_LIVES", "2000"))


class Api:
    """The API as a client with kept connections uses it, one for each thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._threads = threading.local()

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """One request and its answer."""
        if not hasattr(self._threads, "session"):
            self._threads.session = requests.Session()
            self._threads.session.headers["Authorization"] = f"Bearer {LOGIN_KEY}"
        session: requests.Session = self._threads.session
        return session.request(method, self.url + path, json=body, timeout=TIMEOUT_S)

    def creates(self, to: str, **members: Any) -> requests.Response:
        """Send a create."""
        return self.ask("POST", "/v1/verifications", {"to": to, **members})

    def of(self, verification: Mapping[str, Any], step: str = "", body: Any = None) -> Any:
        """Request an action of a verification, or get it."""
        path = f"/v1/verifications/{verification['id']}"
        return self.ask("POST", f"{path}/{step}", body) if step else self.ask("GET", path)


# The provider is away ----------------------------------------------------------------------------

RATE = 100
"""Creates a second."""
_CLIENTS = 8
_OVER = {"expired", "unknown"}
_numbers = (f"+9198{n:08}" for n in itertools.count(70_000_000))


@dataclass
class Load:
    """The outcomes of creates at a steady rate."""

    begun: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was answered 201, by the digits of its number."""
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    """By status and, if it is a refusal, code."""
    latencies: list[float] = field(default_factory=list)
    """Milliseconds from the moment when each was due, so that a jam shows."""

    def __str__(self) -> str:
        p50, p99 = (sorted(self.latencies)[len(self.latencies) * p // 100] for p in (50, 99))
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {dict(self.answers)}"


def load(api: Api, seconds: float) -> Load:
    """Send creates for different numbers, :data:`RATE` a second."""
    came = Load()
    begin = time.monotonic()

    def create(n: int) -> None:
        due, to = begin + n / RATE, next(_numbers)
        time.sleep(max(0.0, due - time.monotonic()))
        answer = api.creates(to)
        came.latencies.append((time.monotonic() - due) * 1000)
        came.answers[answer.status_code, answer.json().get("code", "")] += 1
        if answer.status_code == 201:
            came.begun[to.removeprefix("+")] = answer.json()

    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(create, range(round(seconds * RATE))))
    return came


@contextmanager
def company(environ: Mapping[str, str], port: int, folder: Path) -> Iterator[SandboxPhones]:
    """Run the sandbox until it is killed; before and after, its port refuses connections."""
    options = ["--port", str(port), "--ring", "0.05", "--talk", "0.05"]
    token = {"SANDBOX_TOKEN": environ["OTPVOICE_PROVIDER_TOKEN"]}
    with otpvoice_process("sandbox", token, folder, *options) as process:
        process.wait_until_ready(lambda: is_listening(port), "the sandbox")
        yield SandboxPhones(f"http://127.0.0.1:{port}")
        process.kill()


@pytest.mark.timeout(600 + 3 * OUTAGE)
def test_no_call_is_lost_while_the_provider_is_unreachable(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    """The API responds as fast as before, or that no call can be placed.

    Every call that got 201 is placed once when the provider is back, or ends expired (or unknown,
    if it was cut off).
    """
    port = free_port()
    variables = environ | {"OTPVOICE_PROVIDER_BASE_URL": f"http://127.0.0.1:{port}/api/v2/"}
    variables |= WIDE_LIMITS | {"OTPVOICE_LIMITS_LIVE_CALLS": "1000000"}
    with (
        running_api(variables, tmp_path) as process,
        otpvoice_process("dialer", variables, tmp_path),
    ):
        api = Api(process.url)
        wait_until(lambda: is_ready(api.url), "the dialer")
        with company(environ, port, tmp_path) as phones:
            there = load(api, OUTAGE)
            wait_until(lambda: waiting(api, there, phones) == [], "all calls")
        away = load(api, OUTAGE)
        print(f"there: {there}\naway:  {away}")
        assert set(there.answers) == {(201, "")}
        assert set(away.answers) <= {(201, ""), (503, "calls_unavailable")}
        assert away.begun
        with company(environ, port, tmp_path) as phones:
            end_route_pauses(redis)
            wait_until(
                lambda: waiting(api, away, phones) == [], "all at last", TIMEOUT_S + 3 * OUTAGE
            )
            assert set(rung(phones).values()) <= {1}


def rung(phones: SandboxPhones) -> Counter[str]:
    """Count the provider requests for each number."""
    return Counter(entry["person"] for entry in phones.ledger())


def waiting(api: Api, came: Load, phones: SandboxPhones) -> list[dict[str, Any]]:
    """Return the acknowledged verifications that were not called and whose call did not expire.

    A request that was in flight when the sandbox died may have been received: its call is unknown.
    """
    called = rung(phones)
    not_called = [made for person, made in came.begun.items() if person not in called]
    now = [api.of(made).json() for made in not_called]
    return [each for each in now if each["calls"][-1]["status"] not in _OVER]


# The store is full -------------------------------------------------------------------------------


@contextmanager
def full(redis: Redis) -> Iterator[None]:
    """Fill the store during the block, without eviction."""
    redis.set("ballast", bytes(8 << 20))
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", 4 << 20)
    yield
    redis.delete("ballast")  # the server frees it in the background
    wait_until(lambda: used(redis) < 4 << 20, "room")


def test_full_store_refuses_what_needs_memory(environ: dict[str, str], tmp_path: Path) -> None:
    """Refused requests have no effect, others are served, and no response is 500."""
    with Valkey(tmp_path) as server, server.client() as redis:
        variables = environ | {"OTPVOICE_REDIS_URL": f"{server.url}?socket_timeout=10"}
        with running_api(variables, tmp_path) as process:
            api = Api(process.url)
            made = api.creates("+919876541000", code="123456", call_after=120).json()
            with full(redis):
                creates = [api.creates(f"+91987654{n}", call_after=120) for n in range(1001, 1021)]
                wrong = [api.of(made, "checks", {"code": f"00000{n}"}) for n in range(3)]
                right = api.of(made, "checks", {"code": "123456"})
                steps = [api.of(made, step) for step in ("calls", "cancel", "approve")]
                look = api.of(made)
                report = api.ask("POST", f"/webhooks/mobtexting/{environ[_PATH]}", _report(made))
            refused = {(a.status_code, a.json()["code"]) for a in [*creates, *wrong, right, *steps]}
            assert refused == {(503, "store_unavailable")}
            assert (look.status_code, look.json()["checks_left"]) == (200, 5)
            assert report.status_code == 503
            assert api.of(made).json()["checks_left"] == 5
            assert api.of(made, "checks", {"code": "000000"}).json()["checks_left"] == 4
            assert api.of(made, "checks", {"code": "123456"}).json()["valid"] is True
            assert api.creates("+919876541001", call_after=120).status_code == 201


_PATH = "OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN"


def _report(verification: Mapping[str, Any]) -> dict[str, Any]:
    call = verification["calls"][0]
    return {"source": "C2C", "mid": call["id"], "status": "ANSWER", "duration": "23"}


# Many lives --------------------------------------------------------------------------------------

_LONGEST = 7 * 86_400_000
"""Milliseconds: the health of a caller line, and the list of the newest verifications."""
_TTL = 5.0
"""Longer than a life takes on a loaded machine."""
_KEEP = 2.0
_LIVE_FOR = 0.5
_LASTING = {
    *("number", "counter", "callback_seen", "dialers", "wake", "stats", "area_stats", "clock"),
    *("newest", "line"),
}
"""What ends later than a verification's record."""


class BriefStore(RedisStore):
    """Takes calls for codes that are over before a real call could be."""

    def create(self, new: NewVerification) -> StoreResult:
        """See :class:`RedisStore`."""
        return super().create(replace(new, queue_margin_ms=0))


def live(desk: StoreDriver, n: int) -> None:
    """One verification, from its begin to one of its ends."""
    to = f"+9198{n:08}"
    begun = desk.try_create(to, ttl=_TTL, keep=_KEEP, call_after=0 if n % 5 else _TTL).verification
    assert begun
    if n % 5 == 0:  # its life is over when its call is due
        return
    if n % 5 == 1:
        desk.cancel(begun)
        return
    claim = desk.claim()
    assert claim.verification_id == begun.id
    assert desk.mark_sent(claim, live_for_s=_LIVE_FOR)
    desk.store.record_result(claim, CallResult(CallStatus.PLACED, provider_id=f"theirs {n}"))
    if n % 5 == 2:  # busy: another call waits for the end of the gap, and then is not wanted
        desk.apply_callback(CallStatus.BUSY, provider_ids=(f"theirs {n}",), to=to)
        desk.approve(begun)
    elif n % 5 == 3:
        desk.apply_callback(provider_ids=(f"theirs {n}",), to=to)
        assert desk.check(begun, CODE).outcome == "right"
    else:  # no news of the call, and only wrong codes
        for guess in range(5):
            desk.check(begun, f"99999{guess}")


def kinds(redis: Redis) -> Counter[str]:
    """How many keys there are of each kind; none of them without an end but those that are empty
    sooner.
    """
    keys = list(redis.scan_iter(count=1000))
    with redis.pipeline(transaction=False) as batch:
        for key in keys:
            batch.pttl(key)
        ends = batch.execute()
    for key, end in zip(keys, ends, strict=True):
        assert end == -2 or 0 <= end <= _LONGEST, key  # -2: it was gone before we could ask
    return Counter(key.decode().split(":")[1] for key in keys)


def used(redis: Redis) -> int:
    """Bytes, without what a server keeps for its replicas, whatever is in it."""
    memory = redis.info("memory")
    return int(memory["used_memory"] - memory["mem_total_replication_buffers"])


@pytest.mark.timeout(600 + LIVES // 100)
def test_memory_returns_to_its_level_after_many_verifications(redis: Redis) -> None:
    """Every key expires."""
    limits = replace(NO_LIMITS, calls_per_number=(parse_quota("3/10m"),))
    rules = StorePolicy(max_redials=1, limits=limits, retention_ms=round(_KEEP * 1000))
    desk = StoreDriver(BriefStore(redis, policy=rules))
    for n in range(10):  # loads the scripts
        live(desk, n)
    redis.flushdb()
    before = used(redis)
    for n in range(LIVES):
        live(desk, n)
        if n % 10 == 0:  # before the record of a call that is over has ended
            desk.sweep()
    peak, keys = used(redis), redis.dbsize()

    wait_until(lambda: not desk.sweep() and not redis.exists(*INDEXES[:4]), "the last ends")
    wait_until(lambda: set(kinds(redis)) <= _LASTING, "the records' ends")
    print(f"{LIVES} lives: {keys} keys and {peak - before} bytes; of them lasting {kinds(redis)}")
    for key in redis.scan_iter(count=1000):
        redis.pexpire(key, 1)  # a day later
    wait_until(lambda: redis.dbsize() == 0, "all ends")
    print(f"left at once: {used(redis) - before} bytes")
    # Less than the smallest key of each life would be.
    wait_until(lambda: used(redis) - before < 50 * LIVES, "the server's tables to shrink")
    print(f"left: {used(redis) - before} bytes")
