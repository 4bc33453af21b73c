"""A store that dies, hangs, restarts or loses its functions under load, as clients see it.

``OTPVOICE_TEST_STORE_KILLS`` is how often it is killed.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from support.processes import Process, wait_until
from support.stack import Stack, running_service
from support.timing import DelayMonitor
from support.valkey import DURABLE, Valkey
from system.concurrency import NO_RESPONSE, RecordingClient, TimedResponse, concurrently, nth_number

KILLS = int(os.environ.get("OTPVOICE_TEST_STORE_KILLS", "2"))
KEEP_THE_DISK_BUSY = """
import os, sys
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        file.write(os.urandom(1 << 20) * 4)
        os.fsync(file.fileno())
        if os.fstat(file.fileno()).st_size > 64 << 20:
            file.seek(0)
            file.truncate()
"""
ASKED = 0.5
"""Seconds that the first requests wait for a store that hangs."""
STEADY = 50
"""So many answers without a 503 show that the service has recovered."""
SLACK = 0.3
"""Seconds until both workers have noticed it, and for a busy machine."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Valkey]:
    """Start a store for this test."""
    folder = tmp_path / "store"
    folder.mkdir()
    with Valkey(folder, *DURABLE) as store:
        yield store


@pytest.fixture
def stack(environ: dict[str, str], store: Valkey, tmp_path: Path) -> Iterator[Stack]:
    """Run a service on that store with two workers; its processes end with status 0."""
    changes = {"OTPVOICE_REDIS_URL": store.url, "OTPVOICE_SERVER_WORKERS": "2"}
    with running_service(environ | changes, tmp_path) as running:
        yield running
        assert (running.dialer.terminate(), running.api.terminate()) == (0, 0)


@pytest.mark.timeout(600 + 5 * KILLS)
def test_killed_store_loses_no_acknowledged_change(
    stack: Stack, store: Valkey, tmp_path: Path
) -> None:
    """No acknowledged verification is lost and no used code is accepted, with a busy disk."""
    line = RecordingClient(stack.service.url)
    acknowledged: dict[str, str] = {}
    used: set[str] = set()

    def create_and_check(n: int) -> None:
        created = line.create(nth_number(n), code="4711")
        if created.status != 201:
            return
        acknowledged[nth_number(n)] = name = created.body["id"]
        if n % 2:
            checked = line.check(name, "4711")
            if checked.status == 200:
                assert checked.body["valid"]
                used.add(name)

    busy = [sys.executable, "-c", KEEP_THE_DISK_BUSY, str(tmp_path / "busy")]
    with Process(busy, tmp_path / "busy.log"), concurrently(create_and_check, pause=0.01):
        for _ in range(KILLS):
            before = len(used)
            wait_until(lambda before=before: len(used) >= before + 10, "ten codes used")  # type: ignore[misc]
            store.process.kill()
            store.start()
        before = len(used)
        wait_until(lambda: len(used) > before, "the service to come back")

    assert {answer.status for answer in line.responses} <= {200, 201, 503}
    refused = sum(answer.status == 503 for answer in line.responses)
    found = {
        name: answered(lambda name=name: line.get_verification(name))  # type: ignore[misc]
        for name in acknowledged.values()
    }
    again = {name: answered(lambda name=name: line.check(name, "4711")) for name in used}  # type: ignore[misc]
    lost = [name for name, answer in found.items() if answer.status != 200]
    revived = [name for name, answer in again.items() if answer.status != 409]
    print(
        f"{KILLS} kills: {len(acknowledged)} acknowledged, {len(used)} codes used, {refused} "
        f"answers 503; lost {len(lost)}, revived {len(revived)}"
    )
    assert lost == []
    assert revived == []


def answered(ask: Callable[[], TimedResponse]) -> TimedResponse:
    """Return the first answer that is not 503: a busy machine may delay the store's reply."""
    return wait_until(lambda: [a for a in [ask()] if a.status != 503], "an answer of the store")[0]


class Guesser:
    """A client that creates verifications and submits one wrong code more than there are checks."""

    def __init__(self, line: RecordingClient) -> None:
        self.compared: dict[str, int] = {}
        """Verification → wrong codes that were answered."""
        self.sent: dict[str, int] = {}
        self._line = line

    def guesses(self, n: int) -> None:
        """About fifty requests a second, in eight threads."""
        created = self._line.create(nth_number(n), code="4711")
        time.sleep(0.15)
        if created.status != 201:
            return
        name = created.body["id"]
        self.compared[name] = self.sent[name] = 0
        for guess in range(6):
            self.sent[name] += 1
            checked = self._line.check(name, f"100{guess}")
            self.compared[name] += checked.status == 200
            time.sleep(0.15)

    def counted_rightly(self) -> bool:
        """No guess was compared without being counted, and none was counted twice."""
        for name, compared in self.compared.items():
            counted = 5 - self._line.get_verification(name).body["checks_left"]
            if not compared <= counted <= self.sent[name]:
                return False
        return True


def harm(line: RecordingClient, act: Callable[[], None]) -> tuple[float, float]:
    """When the harm began and when it was over."""
    time.sleep(0.5)
    began = time.monotonic()
    act()
    over = time.monotonic()
    wait_until(
        lambda: any(a.began > over and a.status in {200, 201} for a in line.responses), "an answer"
    )
    # On a busy machine a reply can take longer than the store's timeout of 0.5 s.
    wait_until(lambda: is_steady(line, over), "a steady service")
    return began, over


def is_steady(line: RecordingClient, moment: float) -> bool:
    """Return whether the store served all of the newest requests, which began after this moment."""
    newest = line.responses[-STEADY:]
    served = (a.status in {200, 201, 409} and a.began > moment for a in newest)
    return len(newest) == STEADY and all(served)


def p95(answers: list[TimedResponse]) -> float:
    """Seconds within which nearly all were answered."""
    return statistics.quantiles([answer.took for answer in answers], n=20)[-1]


def test_hung_or_killed_store_gets_503_at_once(stack: Stack, store: Valkey) -> None:
    """Also without its functions. Service resumes soon afterwards."""
    line, health = RecordingClient(stack.service.url), RecordingClient(stack.service.url)
    guesser = Guesser(line)

    def hang() -> None:
        with store.process.paused():
            time.sleep(2.5)

    def restart() -> None:
        store.process.kill()
        time.sleep(1.5)
        store.start()

    def forget() -> None:
        with Redis(port=store.port, protocol=2) as client:
            client.function_flush()

    with (
        concurrently(guesser.guesses),
        concurrently(lambda _: ignore(health.request("GET", "/healthz")), threads=1, pause=0.02),
    ):
        for act in (hang, restart, forget):
            witness = DelayMonitor()
            witness.start()
            began, over = harm(line, act)
            witness.stop()
            steady = ASKED + SLACK if act is hang else SLACK
            end = over - 0.1 - witness.late  # the store goes on a little before
            away = [a for a in line.responses if began + steady < a.began < end - a.took]
            back = min(a.began for a in line.responses if a.began > over and a.status in {200, 201})
            first = [a.took for a in line.responses if began < a.began + a.took and a.began < over]
            if len(away) > 1:
                print(
                    f"{act.__name__}: {len(away)} answers {sorted({a.status for a in away})}, "
                    f"p95 {p95(away) * 1000:.0f} ms, slowest of all {max(first):.2f} s; "
                    f"back after {back - over:.2f} s"
                )
                assert {a.status for a in away} == {503}
                # The health page asks no store: what it takes is the machine's own share.
                alongside = [a for a in health.responses if began < a.began < over]
                assert p95(away) < 0.1 + 4 * p95(alongside) + witness.late
                healthy = statistics.median(answer.took for answer in alongside)
                assert healthy < ASKED / 2 + witness.late
                assert max(first) < ASKED + 3 + witness.late
            assert back - over < 3 + witness.late
            if act is forget and witness.late < ASKED:  # else a reply may have been late
                assert {a.status for a in line.responses if a.began > began} <= {200, 201, 409}
    slowest = max(answer.took for answer in health.responses)
    usual = statistics.median(answer.took for answer in health.responses)
    print(f"healthz: median {usual * 1000:.0f} ms, slowest {slowest * 1000:.0f} ms")
    assert {answer.status for answer in health.responses} == {200}
    assert NO_RESPONSE not in {answer.status for answer in line.responses}
    assert len(guesser.compared) > 20
    assert guesser.counted_rightly()


def ignore(_: TimedResponse) -> None:
    """Ignore the response, which is recorded."""
