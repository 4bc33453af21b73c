"""Guessing over real sockets: in parallel, against several workers, and as another client."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests
from redis import Redis
from support.processes import TIMEOUT_S, wait_until
from support.service import BANK_KEY, WIDE_LIMITS
from support.stack import CALL_DELAY_S, ApiProcess, running_api
from system.concurrency import RecordingClient, TimedResponse, nth_number

WORKERS = 2
AT_ONCE = 16
RIGHT = "471199"
ROUNDS = 25
WAYS = ["id", "number", "id number"]
"""How a verification is meant: by its id, by its number, or by both in turns."""


@pytest.fixture(scope="module")
def api(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """Several workers share the port, and all of them are there."""
    folder = tmp_path_factory.mktemp("guessing")
    with running_api(
        {**environ, **WIDE_LIMITS}, folder, OTPVOICE_SERVER_WORKERS=str(WORKERS)
    ) as running:
        wait_until(lambda: len(cpu_ticks(running)) == WORKERS, "all workers")
        yield running


@pytest.fixture
def line(api: ApiProcess, redis: Redis) -> RecordingClient:
    """Return a client of the API on an emptied store; each request may reach another worker."""
    # A worker of the test before may have written after the store was emptied.
    wait_until(lambda: redis.flushdb() and redis.dbsize() == 0, "an empty store")
    return RecordingClient(api.url)


def begins(line: RecordingClient, n: int = 0) -> str:
    """Create a verification with the correct code and return its id."""
    created = line.create(nth_number(n), code=RIGHT, call_after=CALL_DELAY_S)
    assert created.status == 201, created
    verification_id: str = created.body["id"]
    return verification_id


def at_once(
    line: RecordingClient, verification_id: str, codes: list[str], ways: str = "id"
) -> list[TimedResponse]:
    """Hands them in from many threads, the first ones at the same moment.

    ``ways``: ``id``, ``number`` or both, which take turns.
    """
    start = Barrier(min(AT_ONCE, len(codes)))
    by = ways.split()

    def check(n: int) -> TimedResponse:
        if n < start.parties:
            start.wait(10)
        if by[n % len(by)] == "id":
            return line.check(verification_id, codes[n])
        return line.request("POST", "/v1/checks", {"to": nth_number(0), "code": codes[n]})

    with ThreadPoolExecutor(start.parties) as pool:
        return list(pool.map(check, range(len(codes))))


def kinds(answers: list[TimedResponse]) -> Counter[tuple[int, Any]]:
    """Count the responses by status and validity or problem code."""
    return Counter((a.status, a.body.get("valid", a.body.get("code"))) for a in answers)


def cpu_ticks(api: ApiProcess) -> list[int]:
    """Return the CPU time of each worker (Linux, proc(5): utime)."""
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in api.process.child_pids()]
    return [int(stat.rpartition(")")[2].split()[11]) for stat in stats]


WRONG, VALID, CLOSED = (200, False), (200, True), (409, "verification_closed")


def test_parallel_wrong_codes_are_compared_up_to_max_checks(
    api: ApiProcess, line: RecordingClient
) -> None:
    """Of 500 different codes the workers compare exactly ``max_checks`` together.

    Then the correct one is refused.
    """
    before = cpu_ticks(api)
    assert len(before) == WORKERS
    for _ in range(20):  # a loaded machine may leave all of a storm to one worker
        _compare_up_to_max_checks(line)
        busy = [now - then for now, then in zip(cpu_ticks(api), before, strict=True)]
        if min(busy) > 0:
            return
    raise AssertionError(busy)


def _compare_up_to_max_checks(line: RecordingClient) -> None:
    verification_id = begins(line)
    answers = at_once(line, verification_id, [f"{n:06}" for n in range(500_000, 500_500)])
    assert kinds(answers) == {WRONG: 5, CLOSED: 495}
    left = sorted(a.body["checks_left"] for a in answers if a.status == 200)
    assert left == [0, 1, 2, 3, 4]
    assert kinds([line.check(verification_id, RIGHT)]) == {CLOSED: 1}
    ended = line.get_verification(verification_id).body
    assert (ended["status"], ended["checks_left"]) == ("max_attempts_reached", 0)


@pytest.mark.parametrize("ways", WAYS)
def test_parallel_correct_codes_succeed_once(line: RecordingClient, ways: str) -> None:
    """Exactly one of 200 responses is valid. All others find the verification closed."""
    answers = at_once(line, begins(line), [RIGHT] * 200, ways)
    assert kinds(answers) == {VALID: 1, CLOSED: 199}


@pytest.mark.parametrize("ways", WAYS[1:])
def test_parallel_guesses_by_number_share_max_checks(line: RecordingClient, ways: str) -> None:
    """With those by id, too."""
    answers = at_once(line, begins(line), [f"{n:06}" for n in range(500_000, 500_100)], ways)
    assert kinds(answers) == {WRONG: 5, CLOSED: 95}


def test_parallel_correct_and_wrong_codes_have_one_outcome(line: RecordingClient) -> None:
    """The correct code succeeds after at most four wrong ones, or is refused after five."""
    ends: Counter[str] = Counter()
    for n in range(ROUNDS):
        codes = [RIGHT] * 4 + [f"{guess:06}" for guess in range(12)]
        random.shuffle(codes)
        verification_id = begins(line, n)
        found = kinds(at_once(line, verification_id, codes))
        ended = line.get_verification(verification_id).body
        ends[ended["status"]] += 1
        if ended["status"] == "approved":
            assert found[VALID] == 1
            assert found[WRONG] == 5 - ended["checks_left"] <= 4
        else:
            assert ended["status"] == "max_attempts_reached"
            assert (found[VALID], found[WRONG]) == (0, 5)
        assert found[CLOSED] == len(codes) - found[VALID] - found[WRONG]
    print(f"{ROUNDS} races of 4 right and 12 wrong codes: {ends}")


STEPS: list[tuple[str, dict[str, str] | None]] = [
    ("", None),
    ("checks", {"code": RIGHT}),
    ("calls", {}),
    ("cancel", {}),
    ("approve", {}),
]


Reported = tuple[int, list[tuple[str, str]], bytes]


def reported(answer: requests.Response) -> Reported:
    """Return all that a response shows, except for the date."""
    headers = [(k, v) for k, v in answer.headers.items() if k != "Date"]
    return answer.status_code, headers, answer.content


@pytest.mark.parametrize("path", ["/v1/checks", "/v1/approvals", "/v1/lookups"])
def test_number_of_another_client_looks_unknown(line: RecordingClient, path: str) -> None:
    """The same 404 as for a number without any verification."""
    theirs = begins(line)
    head = {"Authorization": f"Bearer {BANK_KEY}", "Request-Id": "the-same-one"}

    def asks(to: str) -> Reported:
        body = {"to": to} | ({"code": RIGHT} if path == "/v1/checks" else {})
        return reported(
            requests.post(f"{line.url}{path}", json=body, headers=head, timeout=TIMEOUT_S)
        )

    known, unknown = asks(nth_number(0)), asks(nth_number(1))
    assert known[0] == 404
    assert known == unknown
    left = line.get_verification(theirs).body
    assert (left["status"], left["checks_left"], left["version"]) == ("pending", 5, 1)


@pytest.mark.parametrize(("step", "body"), STEPS)
def test_verification_of_another_client_looks_unknown(
    line: RecordingClient, step: str, body: dict[str, str] | None
) -> None:
    """The same 404 except for the request's id: the same headers in the same order."""
    theirs = begins(line)
    head = {"Authorization": f"Bearer {BANK_KEY}", "Request-Id": "the-same-one"}

    def asks(name: str) -> Reported:
        path = f"{line.url}/v1/verifications/{name}" + (f"/{step}" if step else "")
        return reported(
            requests.request(
                "POST" if step else "GET", path, json=body, headers=head, timeout=TIMEOUT_S
            )
        )

    known, unknown = asks(theirs), asks("vrf_" + "0" * 32)
    assert known[0] == 404
    assert known == unknown
    left = line.get_verification(theirs).body
    assert (left["status"], left["checks_left"], left["version"]) == ("pending", 5, 1)
