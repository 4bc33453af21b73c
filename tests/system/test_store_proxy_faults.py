"""A store that replies with errors and garbage at random moments under load, as clients see it.

``OTPVOICE_TEST_STORE_FAULTS_SECONDS`` is how long it does so.
"""

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from support.processes import TIMEOUT_S, wait_until
from support.stack import Stack, running_service
from support.store_proxy import CLOSE, HALF, StoreProxy
from support.timing import finishes_within
from support.valkey import DURABLE, Valkey
from system.concurrency import RecordingClient, TimedResponse, concurrently, nth_number

SECONDS = float(os.environ.get("OTPVOICE_TEST_STORE_FAULTS_SECONDS", "5"))
FAULTS = [
    b"-NOPERM User otpvoice has no permissions to run the 'fcall' command\r\n",
    b"-ERR unknown command 'FCALL', with args beginning with: 'otpvoice'\r\n",
    b"-ERR ACL failure in script: No permissions to access a key script: on @user_function:9.\r\n",
    b"-upstream failure\r\n",
    b"-LOADING Valkey is loading the dataset in memory\r\n",
    b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    b"-READONLY You can't write against a read only replica.\r\n",
    b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    b"-NOAUTH Authentication required.\r\n",
    b"-MOVED elsewhere\r\n",
    b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    b">3\r\n+message\r\n+channel\r\n+text\r\n+OK\r\n",
    b"+OK\r\n",
    b"$-1\r\n",
    b"\x00\xff\x00\xff",
    HALF,
    CLOSE,
]
RECOVERED_WITHIN = 0.5
"""Seconds from the end of a fault to the first answer that is not 503; four times as long, and what
a busy machine adds, are allowed."""
ACTS = 6
"""What an administrator may do."""
STEADY = 100
"""So many answers without a 503 show that the service has recovered."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Valkey]:
    """Start a store for this test."""
    folder = tmp_path / "store"
    folder.mkdir()
    with Valkey(folder, *DURABLE) as store:
        yield store


@pytest.fixture
def proxy(store: Valkey) -> Iterator[StoreProxy]:
    """Run the proxy between store and service."""
    with StoreProxy(store.port) as proxy:
        yield proxy


@pytest.fixture
def stack(environ: dict[str, str], proxy: StoreProxy, tmp_path: Path) -> Iterator[Stack]:
    """Run a service behind the proxy with two workers."""
    changes = {
        "OTPVOICE_REDIS_URL": proxy.url,
        "OTPVOICE_SERVER_WORKERS": "2",
        "OTPVOICE_LIMITS_LIVE_CALLS": "100000",  # no call waits for those of the load
    }
    with running_service(environ | changes, tmp_path) as running:
        yield running
        assert (running.dialer.terminate(), running.api.terminate()) == (0, 0)


class Faults:
    """Interferes with a part of the commands, and for short times with all of them.

    Args:
        proxy: through which the commands go.
        store: behind it, whose administrator acts up as well.
    """

    def __init__(self, proxy: StoreProxy, store: Valkey) -> None:
        self.injected: Counter[bytes] = Counter()
        self._proxy = proxy
        self._random = random.Random(42)
        self._lock = threading.Lock()
        self._admin = Redis(port=store.port, protocol=2, socket_timeout=TIMEOUT_S)

    def at_random(self, part: float) -> None:
        """Interfere with this part of the commands, in any way."""

        def decide(_: list[bytes]) -> bytes | None:
            with self._lock:
                if self._random.random() >= part:
                    return None
                fault = self._random.choice(FAULTS)
                self.injected[fault] += 1
                return fault

        self._proxy.decide = decide

    def act_up(self, round_: int) -> None:
        """Do what administrators do to a store in use."""
        acts = (
            self._admin.function_flush,
            lambda: self._admin.client_kill_filter(_type="normal", skipme=True),
            lambda: self._admin.config_set("maxmemory", 1),
            lambda: self._admin.execute_command("REPLICAOF", "127.0.0.1", "1"),  # type: ignore[no-untyped-call]
            lambda: self._admin.execute_command("ACL", "SETUSER", "default", "-fcall"),  # type: ignore[no-untyped-call]
            lambda: self._admin.config_set("min-replicas-to-write", 1),
        )
        acts[round_ % ACTS]()

    def restore(self) -> None:
        """Let the store serve again."""
        self._proxy.pass_on()
        self._admin.config_set("maxmemory", 0)
        self._admin.config_set("min-replicas-to-write", 0)
        self._admin.config_set("appendfsync", "no")  # a busy disk is no fault of a reply
        self._admin.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
        self._admin.execute_command("ACL", "SETUSER", "default", "+fcall")  # type: ignore[no-untyped-call]


@pytest.mark.timeout(600 + 3 * SECONDS)
def test_faulty_store_replies_end_no_process(
    stack: Stack, proxy: StoreProxy, store: Valkey
) -> None:
    """Responses are those expected or 503, and service resumes within 2 s."""
    line, faults, back = RecordingClient(stack.service.url), Faults(proxy, store), []
    wait_until(lambda: len(stack.api.child_pids()) == 2, "both workers")
    children = stack.api.child_pids()

    def use(n: int) -> None:
        created = line.create(nth_number(n % 99_999), code="4711", call_after=(n % 3) * 60)
        if created.status == 201:
            line.get_verification(created.body["id"])
            line.check(created.body["id"], "4711" if n % 2 else "9999")
        if n % 10 == 0:
            line.request("GET", "/readyz")

    until_ = time.monotonic() + SECONDS
    with concurrently(use, pause=0.1):
        for round_ in itertools.count():
            faults.at_random(0.05 if round_ % 2 else 0.6)
            seen = len(line.responses)
            wait_until(lambda seen=seen: len(line.responses) > seen + 50, "faults of replies")  # type: ignore[misc]
            faults.act_up(round_)
            time.sleep(0.4)  # so long does it last
            faults.restore()
            restored = time.monotonic()
            with finishes_within(RECOVERED_WITHIN):
                wait_until(lambda restored=restored: served_since(line, restored), "service")  # type: ignore[misc]
            back.append(time.monotonic() - restored)
            if restored > until_ and round_ >= ACTS - 1 and {*faults.injected} == {*FAULTS}:
                break
        # On a busy machine a reply can take longer than the store's timeout of 0.5 s.
        wait_until(lambda: is_steady(line, restored), "a steady service")

    statuses = Counter(answer.status for answer in line.responses)
    print(
        f"{SECONDS:g} s: {faults.injected.total()} faults injected, answers {dict(statuses)}, "
        f"back after {max(back):.2f} s at most"
    )
    assert {*statuses} <= {200, 201, 409, 503}
    assert {a.body["code"] for a in line.responses if a.status == 503} <= EXPECTED
    assert statuses[503] > 10
    assert statuses[201] > 10
    assert stack.api.is_running
    assert stack.dialer.is_running
    assert stack.api.child_pids() == children
    assert requests.get(f"{stack.service.url}/healthz", timeout=TIMEOUT_S).status_code == 200
    wait_until(lambda: line.request("GET", "/readyz").body["degraded"] == [], "a heartbeat")
    due = [a.body for a in line.responses if a.status == 201 and _is_due_at_once(a.body)]
    for begun in due[:: max(1, len(due) // 20)]:
        wait_until(lambda begun=begun: _has_left_the_queue(stack, begun), "what was answered 201")  # type: ignore[misc]


def _is_due_at_once(verification: dict[str, Any]) -> bool:
    return bool(verification["calls"][0]["due_at"] == verification["created_at"])


def _has_left_the_queue(stack: Stack, verification: dict[str, Any]) -> bool:
    (call, *_) = stack.service.get_verification(verification)["calls"]
    return call["status"] not in {"queued", "dialing"}


EXPECTED = {"store_unavailable", "calls_unavailable", "over_capacity"}


def served_since(line: RecordingClient, moment: float) -> bool:
    """Return whether a request that began after this moment was served by the store."""
    return any(is_served(a) for a in line.responses[-50:] if a.began > moment)


def is_steady(line: RecordingClient, moment: float) -> bool:
    """Return whether the store served all of the newest requests, which began after this moment."""
    newest = line.responses[-STEADY:]
    return len(newest) == STEADY and all(is_served(a) and a.began > moment for a in newest)


def is_served(answer: TimedResponse) -> bool:
    """Return whether the store served it: only the store knows of a full queue, for example."""
    return answer.status != 503 or bool(answer.body["code"] != "store_unavailable")
