"""Responses that must look the same also take the same time.

Both of two requests are sent again and again over one kept connection to a real API, each time in
an order drawn by lot. The interval of the median difference within such a pair is that of the sign
test: the order statistics around the middle (Thompson 1936), :data:`DEVIATIONS` standard
deviations to each side. All of it must lie within :data:`BOUND`. On a machine that is too busy for
that, after :data:`PATIENCE` times as many pairs, zero must lie within it.

``OTPVOICE_TEST_TIMINGS`` is how many pairs are asked. The bound narrows with their number.
"""

import hashlib
import itertools
import json
import math
import os
import random
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

import pytest
from redis import Redis
from support.processes import TIMEOUT_S
from support.service import BANK_KEY, LOGIN_KEY, WIDE_LIMITS
from support.stack import CALL_DELAY_S, ApiProcess, running_api
from system.concurrency import nth_number

TIMINGS = int(os.environ.get("OTPVOICE_TEST_TIMINGS", "250"))
BOUND = 2000 / math.sqrt(TIMINGS)
"""Microseconds: 126 for 250 pairs, 14 for 20 000."""
DEVIATIONS = 5.0
"""The median lies outside of its interval once in a million comparisons."""
PATIENCE = 10
PAIRS_OF_A_CODE = 4
"""So that the last of ten checks is never used up."""
WARM_UP = 20
MANY_KEYS = 5000
UNKNOWN = "vrf_" + "0" * 32
LIMIT = pytest.mark.timeout(600 + TIMINGS // 50)

Pair = tuple[bytes, bytes]
"""Two requests that must look the same."""


class Line:
    """One kept connection, with as little between us and the bytes as can be."""

    def __init__(self, api: ApiProcess) -> None:
        self._socket = socket.create_connection(("127.0.0.1", api.port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def asks(self, request: bytes) -> tuple[float, int, bytes]:
        """Microseconds until the whole answer was here, its status and its body."""
        began = time.perf_counter_ns()
        self._socket.sendall(request)
        head, _, body = self._socket.recv(65536).partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(65536)
        took = time.perf_counter_ns() - began
        return took / 1000, int(head[9:12]), body


def request(method: str, path: str, key: str = LOGIN_KEY, **members: Any) -> bytes:
    """Return the bytes of a request."""
    body = json.dumps(members).encode() if members else b""
    head = [
        f"{method} /v1/verifications{path} HTTP/1.1",
        "Host: otp.example.com",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass(frozen=True)
class Timings:
    """What the requests of each pair took. Microseconds."""

    took: list[tuple[float, float]] = field(repr=False)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the median of the differences is."""
        differences = sorted(one - other for one, other in self.took)
        middle, reach = len(differences) / 2, DEVIATIONS * math.sqrt(len(differences)) / 2
        return differences[int(middle - reach)], differences[int(middle + reach)]

    @property
    def is_rough(self) -> bool:
        """Return whether the confidence interval is still too wide."""
        low, high = self.interval
        return high - low > BOUND

    @property
    def look_the_same(self) -> bool:
        """Return whether the difference is within the bound, or not significant."""
        low, high = self.interval
        return low <= 0 <= high if self.is_rough else -BOUND < low <= high < BOUND

    def __str__(self) -> str:
        one, other = (median(sample) for sample in zip(*self.took, strict=True))
        low, high = self.interval
        difference = median(a - b for a, b in self.took)
        return (
            f"{len(self.took)} pairs, medians {one:.1f} and {other:.1f} µs; "
            f"difference {difference:+.1f} µs, in {low:+.1f} to {high:+.1f}; bound {BOUND:.0f}"
        )


def measure(line: Line, pairs: Iterator[Pair], status: int) -> Timings:
    """Send pairs of requests in random order until the difference is known well enough."""
    timings = Timings([])
    while not timings.took or (timings.is_rough and len(timings.took) < PATIENCE * TIMINGS):
        for pair in itertools.islice(pairs, TIMINGS):
            took = [0.0, 0.0]
            for which in random.sample((0, 1), 2):
                took[which], answered, body = line.asks(pair[which])
                assert answered == status, body
            timings.took.append((took[0], took[1]))
    return timings


def look_the_same(line: Line, pairs: Iterator[Pair], status: int) -> None:
    """Assert that both requests of a pair take the same time, and print the values."""
    for sent in itertools.chain(*itertools.islice(pairs, WARM_UP)):
        line.asks(sent)
    timings = measure(line, pairs, status)
    print(timings)
    assert timings.look_the_same, str(timings)


@pytest.fixture(scope="module")
def api(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """One worker, so that a request meets the same process whichever kind it is."""
    folder = tmp_path_factory.mktemp("timing")
    with running_api(
        {**environ, **WIDE_LIMITS}, folder, OTPVOICE_VERIFICATION_MAX_CHECKS="10"
    ) as running:
        yield running


@pytest.fixture
def line(api: ApiProcess, redis: Redis) -> Iterator[Line]:
    """Connect to the API, with an emptied store."""
    assert redis.dbsize() == 0
    with Line(api) as connected:
        yield connected


def begins(line: Line, n: int, key: str = LOGIN_KEY) -> str:
    """Create a verification with the code 123456 and return its id."""
    members = {"to": nth_number(n), "code": "123456", "call_after": CALL_DELAY_S}
    _, status, body = line.asks(request("POST", "", key, **members))
    assert status == 201, body
    created: str = json.loads(body)["id"]
    return created


def checks(line: Line) -> Iterator[Pair]:
    """Codes of which all digits but the last are right, and codes without a right one."""
    for n in itertools.count():
        path = f"/{begins(line, n)}/checks"
        for last in range(PAIRS_OF_A_CODE):
            near, far = f"12345{last}", f"65432{last}"
            yield request("POST", path, code=near), request("POST", path, code=far)


@LIMIT
def test_check_time_is_independent_of_correct_digits(line: Line) -> None:
    """With five of six digits correct, or none."""
    look_the_same(line, checks(line), 200)


@LIMIT
@pytest.mark.parametrize(
    ("method", "step", "members"), [("GET", "", {}), ("POST", "/checks", {"code": "123456"})]
)
def test_refusal_time_is_independent_of_another_clients_id(
    line: Line, method: str, step: str, members: dict[str, Any]
) -> None:
    """An id of another client and an unknown one."""
    theirs = begins(line, 0, BANK_KEY)
    known, unknown = (request(method, f"/{name}{step}", **members) for name in (theirs, UNKNOWN))
    look_the_same(line, itertools.repeat((known, unknown)), 404)


@LIMIT
def test_refusal_time_is_independent_of_correct_key_characters(line: Line) -> None:
    """Half of a key and none of it."""
    half = len(LOGIN_KEY) // 2
    near, far = LOGIN_KEY[:half] + "x" * (len(LOGIN_KEY) - half), "x" * len(LOGIN_KEY)
    pair = request("GET", f"/{UNKNOWN}", near), request("GET", f"/{UNKNOWN}", far)
    look_the_same(line, itertools.repeat(pair), 401)


@LIMIT
def test_authentication_time_is_independent_of_the_key_position(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The first of many keys is found no sooner than the last."""
    keys = [f"ovk_key-{n:04}" for n in range(MANY_KEYS)]
    hashes = tmp_path / "hashes"
    hashes.write_text("\n".join(hashlib.sha256(key.encode()).hexdigest() for key in keys))
    variable = "OTPVOICE_CLIENTS_LOGIN_KEY_SHA256"
    others = {name: value for name, value in environ.items() if name != variable}
    changes = {f"{variable}_FILE": str(hashes)}
    with running_api({**others, **WIDE_LIMITS}, tmp_path, **changes) as api, Line(api) as line:
        pair = request("GET", f"/{UNKNOWN}", keys[0]), request("GET", f"/{UNKNOWN}", keys[-1])
        look_the_same(line, itertools.repeat(pair), 404)
