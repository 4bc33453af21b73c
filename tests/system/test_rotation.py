"""Rotates the key ring while codes are requested, spoken and checked.

Each deployment starts an API and a dialer with the next key ring alongside the old ones, and ends
those after both have worked together. ``OTPVOICE_TEST_ROTATION`` is the number of logins for each
pair.
"""

import base64
import itertools
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes import TIMEOUT_S, Process, free_port, otpvoice_process, wait_until
from support.service import BANK_KEY, RING_KEY, WIDE_LIMITS, RunningService
from support.stack import Stack, is_ready, move_callbacks, running_service
from system.concurrency import RecordingClient, concurrently, nth_number

PROOFS = int(os.environ.get("OTPVOICE_TEST_ROTATION", "4"))
KEPT = 8
"""Verifications that outlive the processes that began them."""
NEW_KEY = base64.b64encode(b"another ring key of these tests!").decode()
RINGS = [
    f"k1:{RING_KEY}",
    f"k1:{RING_KEY},k2:{NEW_KEY}",
    f"k2:{NEW_KEY},k1:{RING_KEY}",
    f"k2:{NEW_KEY}",
]
"""The new key is added second, moved first, and the old one dropped."""
RULES = {
    **WIDE_LIMITS,
    "OTPVOICE_SECRETS_KEYS": RINGS[0],
    "OTPVOICE_LIMITS_CALL_GAP": "0,300",
    "OTPVOICE_LIMITS_CALLS_PER_NUMBER": "3/24h",
    "OTPVOICE_VERIFICATION_MAX_REDIALS": "0",
    "OTPVOICE_VERIFICATION_CALLBACK_TIMEOUT": "5",
}
WATCHED = "+919812345678"
OVER = {"answered", "busy", "no_answer", "failed", "canceled", "expired"}
OWN_CODE, WRONG = "4711", "0815"
_ID = re.compile(r"vrf_[0-9a-f]{32}")
_references = (f"login-{n}" for n in itertools.count())


@dataclass(frozen=True, eq=False)
class Deploy:
    """The processes with one ring."""

    ring: str
    line: RecordingClient
    api: Process
    dialer: Process
    folder: Path

    def is_opened_by(self, ring: str) -> bool:
        """Whether a process with ``ring`` opens what these seal."""
        return self.ring.split(",")[0] in ring.split(",")

    def spoke(self) -> set[str]:
        """Verifications whose call its dialer sent."""
        log = (self.folder / "dialer.log").read_text()
        return {name for row in log.splitlines() if "call.sent" in row for name in _ID.findall(row)}

    def ends(self) -> None:
        """As an operator ends it; it never met a seal that it could not open."""
        assert (self.dialer.terminate(), self.api.terminate()) == (0, 0)
        logs = [(self.folder / f"{name}.log").read_text() for name in ("api", "dialer")]
        assert not any("DecryptionError" in log or "call.undialable" in log for log in logs)


@contextmanager
def deployed(stack: Stack, ring: str, folder: Path) -> Iterator[Deploy]:
    """Start a further API and dialer of the same service."""
    folder.mkdir()
    bind = f"127.0.0.1:{free_port()}"
    changes = {"OTPVOICE_SECRETS_KEYS": ring, "OTPVOICE_SERVER_BIND": bind}
    variables = stack.variables | changes
    with (
        otpvoice_process("api", variables, folder) as api,
        otpvoice_process("dialer", variables, folder) as dialer,
    ):
        wait_until(lambda: is_ready(f"http://{bind}"), f"the deploy; see {folder}")
        move_callbacks(stack, f"http://{bind}")
        yield Deploy(ring, RecordingClient(f"http://{bind}"), api, dialer, folder)


class Load:
    """People who prove their numbers, each step at any of the deploys that run."""

    def __init__(self, service: RunningService, first: Deploy) -> None:
        self.made: dict[str, Deploy] = {}
        """Verification → who began it, once it is approved."""
        self.faults: list[BaseException] = []
        self._service = service
        self._deploys: tuple[Deploy, ...] = (first,)
        self._lock = threading.Lock()
        self._under_way: dict[int, tuple[Deploy, ...]] = {}

    def joins(self, deploy: Deploy) -> None:
        """From now on it is used."""
        with self._lock:
            self._deploys = (*self._deploys, deploy)

    def leaves(self, deploy: Deploy) -> None:
        """Stop using a deployment, and wait for its last user."""
        with self._lock:
            self._deploys = tuple(each for each in self._deploys if each is not deploy)
        wait_until(
            lambda: all(deploy not in used for used in [*self._under_way.values()]), "the last"
        )

    def step(self, n: int) -> None:
        """One number is proved."""
        with self._lock:
            deploys = self._under_way[n] = self._deploys
        try:
            self._proves(n, deploys[n % len(deploys)], deploys[n // 2 % len(deploys)])
        except BaseException as fault:
            self.faults.append(fault)
            raise
        finally:
            del self._under_way[n]

    def spoken(self, deploys: tuple[Deploy, Deploy]) -> set[tuple[Deploy, Deploy]]:
        """Who spoke whose codes."""
        made = dict(self.made)
        return {(made[n], each) for each in deploys for n in each.spoke() & made.keys()}

    def _proves(self, n: int, maker: Deploy, taker: Deploy) -> None:
        """Every fourth with a code of the caller's own."""
        number, reference = nth_number(n), next(_references)
        own = {} if n % 4 else {"code": OWN_CODE}
        made, again = (
            each.line.create(number, reference, reference=reference, **own)
            for each in (maker, taker)
        )
        assert (made.status, again.status, again.replayed) == (201, 201, True), again
        alike = taker.line.create(number, reference=reference, **own)
        assert (alike.status, alike.body["id"]) == (200, made.body["id"]), alike
        name, code = made.body["id"], self._service.wait_for_code(number)
        assert code == own.get("code", code)
        wrong = str(int(code) + 1)[-len(code) :].zfill(len(code))
        left = [each.line.check(name, wrong).body["checks_left"] for each in (maker, taker)]
        assert left == [4, 4]
        right = taker.line.check(name, code)
        assert right.body.get("valid"), right
        assert maker.line.check(name, code).status == 409
        self.made[name] = maker


def keeps(line: RecordingClient) -> list[tuple[str, str]]:
    """Verifications with one wrong code so far: references and ids."""
    kept = []
    for n in range(KEPT):
        reference = next(_references)
        made = line.create(nth_number(99_000 + n), reference, reference=reference, code=OWN_CODE)
        assert made.status == 201, made
        assert line.check(made.body["id"], WRONG).body["checks_left"] == 4
        kept.append((reference, made.body["id"]))
    return kept


def knows(line: RecordingClient, kept: list[tuple[str, str]]) -> None:
    """They are recognised by key and by code, the wrong code costs nothing, the right is right."""
    for n, (reference, name) in enumerate(kept):
        members = {"reference": reference, "code": OWN_CODE}
        replayed = line.create(nth_number(99_000 + n), reference, **members)
        alike = line.create(nth_number(99_000 + n), **members)
        assert (replayed.status, replayed.replayed, replayed.body["id"]) == (201, True, name)
        assert (alike.status, alike.body["id"]) == (200, name)
        assert line.check(name, WRONG).body["checks_left"] == 4
        assert line.check(name, OWN_CODE).body["valid"] is True


def is_called_twice(service: RunningService) -> str:
    """Call the watched number twice and return when its call gap ends."""
    for _ in range(2):
        verification = service.create(WATCHED, reference=next(_references))
        service.wait_for_call(verification, "answered")
        assert service.post(f"/v1/verifications/{verification['id']}/cancel").ok
    waiting = service.create(WATCHED, reference=next(_references), ttl=600)
    assert service.post(f"/v1/verifications/{waiting['id']}/cancel").ok
    gap_end: str = waiting["calls"][0]["due_at"]
    return gap_end


def remembers_limits(deploy: Deploy, service: RunningService, gap_end: str) -> None:
    """Assert that a third call waits for the call gap and that a fourth one is refused."""
    third = deploy.line.create(WATCHED, reference=next(_references), ttl=600)
    assert (third.status, third.body["calls"][0]["due_at"]) == (201, gap_end)
    there = RunningService(deploy.line.url, service.phones, service.sandbox, deploy.folder)
    fourth = there.post("/v1/verifications", {"to": WATCHED, "ttl": 600}, BANK_KEY)
    assert (fourth.status_code, fourth.json()["limit"]) == (429, "calls_per_number")
    canceled = deploy.line.request("POST", f"/v1/verifications/{third.body['id']}/cancel")
    assert canceled.status == 200


@pytest.mark.timeout(600 + PROOFS)
def test_rotation_under_load_is_not_noticed(environ: dict[str, str], tmp_path: Path) -> None:
    """In three deployments no correct code fails, no limit is lost, a repeated create returns the
    same verification, and dialers of either ring speak the codes of either.
    """
    with running_service(environ, tmp_path, **RULES) as stack, ExitStack() as processes:
        service = stack.service
        old = Deploy(RINGS[0], RecordingClient(service.url), stack.api, stack.dialer, stack.folder)
        deploys = [old]
        gap_end = is_called_twice(service)
        load = Load(service, old)
        with concurrently(load.step, threads=4, pause=0.2):
            for ring in RINGS[1:]:
                are_over(load, old.line, ring)
                kept = keeps(old.line)
                folder = tmp_path / f"deploy {len(deploys)}"
                new = processes.enter_context(deployed(stack, ring, folder))
                load.joins(new)
                work_together(load, (old, new))
                for deploy in (old, new):
                    remembers_limits(deploy, service, gap_end)
                load.leaves(old)
                old.ends()
                knows(new.line, kept)
                load.made |= {name: old for _, name in kept}
                remembers_limits(new, service, gap_end)
                deploys.append(new)
                old = new
        old.ends()
        report(load, deploys)


def are_over(load: Load, line: RecordingClient, ring: str) -> None:
    """Wait until no process needs what ``ring`` cannot decrypt, because queries may follow."""
    left = {name for name, maker in load.made.items() if not maker.is_opened_by(ring)}

    def look() -> bool:
        for name in [*left]:
            if line.get_verification(name).body["calls"][-1]["status"] in OVER:
                left.discard(name)
        return left == set()

    wait_until(look, "the last calls", TIMEOUT_S + PROOFS)


def work_together(load: Load, deploys: tuple[Deploy, Deploy]) -> None:
    """Until enough is proved, and each dialer has spoken codes of each API."""
    enough, pairs = len(load.made) + PROOFS, set(itertools.product(deploys, repeat=2))
    wait_until(lambda: load.faults != [] or len(load.made) >= enough, "proofs", TIMEOUT_S + PROOFS)
    assert load.faults == []
    wait_until(lambda: load.spoken(deploys) >= pairs, "each to speak codes of each")


def report(load: Load, deploys: list[Deploy]) -> None:
    """Print the outcome and assert that no response is an internal error."""
    book = [answer for deploy in deploys for answer in deploy.line.responses]
    found = Counter(answer.status for answer in book)
    checks = sum("valid" in answer.body for answer in book)
    print(
        f"{len(deploys) - 1} deploys: {len(load.made)} numbers proved, {len(book)} requests, "
        f"{checks} codes compared; answers {dict(found)}"
    )
    assert set(found) <= {200, 201, 409}
