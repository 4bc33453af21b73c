"""Speed of the API, compared with an empty route and with a route of one round trip.

Each round sends the same number of requests to each of them in turn, so other load on the machine
affects them alike. Ratios compare rates within one round. CPU times are those of the server.
"""

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

import http_load
from report import Budget, Measurement, Section, at_least
from stack import API_KEY, ServerProcess, Sizes, Stack, number

_ID: Final = re.compile(rb"vrf_[0-9a-f]{32}")
_CREATES: Final = "/v1/verifications"
_BUDGETS: Final[dict[str, tuple[Budget, Budget]]] = {
    "create": (at_least(0.30), at_least(0.50)),
    "wrong check": (at_least(0.40), at_least(0.65)),
    "right check": (at_least(0.40), at_least(0.65)),
}
"""Kind of request → budgets of its ratio to the empty route and to the PING route."""


@dataclass(frozen=True)
class Cost:
    """Cost of one kind of request in one round."""

    rate: float
    """Responses per second."""
    cpu: float
    """Microseconds of the server's CPU per response."""


Round = dict[str, Cost]


def measure(sizes: Sizes) -> list[Section]:
    """Measure create, GET and checks in turns with the routes that they are compared with."""
    with Stack() as stack, stack.server("empty") as empty, stack.server("api") as api:
        reported = [_round(stack, empty, api, sizes.requests) for _ in range(sizes.rounds + 1)]
    rounds = reported[1:]  # the first one warms up
    figures = []
    for kind in rounds[0]:
        figures += [
            Measurement(kind, median(each[kind].rate for each in rounds), "/s"),
            Measurement(f"{kind}, CPU", median(each[kind].cpu for each in rounds), "µs"),
        ]
    ratios = []
    for kind, (of_empty, of_ping) in _BUDGETS.items():
        for base, budget in (("empty", of_empty), ("ping", of_ping)):
            rates = [each[kind].rate / each[base].rate for each in rounds]
            cpus = [each[base].cpu / each[kind].cpu for each in rounds]
            ratios += [
                Measurement(f"{kind} / {base}", median(rates), "×", budget),
                Measurement(f"{kind} / {base}, by CPU", median(cpus), "×", budget),
            ]
    return [Section("API", figures), Section("Ratios", ratios)]


def append_only(sizes: Sizes) -> list[Section]:
    """Measure the cost of writing each change to the disk before the response."""
    with ExitStack() as exits:
        stacks = [exits.enter_context(Stack(append)) for append in ("no", "yes")]
        apis = [exits.enter_context(stack.server("api")) for stack in stacks]
        rounds = [
            [_creates_and_checks(*pair, sizes.requests) for pair in zip(stacks, apis, strict=True)]
            for _ in range(sizes.rounds + 1)
        ][1:]
    figures = []
    for kind in ("create", "right check"):
        without, with_ = ([each[n][kind].rate for each in rounds] for n in (0, 1))
        ratios = [slow / fast for fast, slow in zip(without, with_, strict=True)]
        figures += [
            Measurement(f"{kind}, AOF off", median(without), "/s"),
            Measurement(f"{kind}, AOF always", median(with_), "/s"),
            Measurement(f"{kind}, always / off", median(ratios), "×"),
        ]
    return [Section("What AOF always costs, eight clients at a time", figures)]


def _round(stack: Stack, empty: ServerProcess, api: ServerProcess, requests: int) -> Round:
    bases = {
        "empty": _cost(empty, [http_load.request("GET", "/")] * requests)[0],
        "ping": _cost(api, [http_load.request("GET", "/ping")] * requests)[0],
    }
    return bases | _creates_and_checks(stack, api, requests)


def _creates_and_checks(stack: Stack, api: ServerProcess, requests: int) -> Round:
    stack.reset()
    costs = {}
    costs["create"], bodies = _cost(api, [_create(number(n)) for n in range(requests)])
    ids = [match[0].decode() for body in bodies if (match := _ID.search(body))]
    gets = [http_load.request("GET", f"{_CREATES}/{each}", key=API_KEY) for each in ids]
    costs["get"] = _cost(api, gets)[0]
    codes = stack.codes(ids)
    wrong = [_check(each, _other(code)) for each, code in zip(ids, codes, strict=True)]
    costs["wrong check"] = _cost(api, wrong)[0]
    right = [_check(each, code) for each, code in zip(ids, codes, strict=True)]
    costs["right check"] = _cost(api, right)[0]
    return costs


def _cost(server: ServerProcess, requests: Sequence[bytes]) -> tuple[Cost, Sequence[bytes]]:
    cpu = server.cpu_seconds()
    responses = http_load.send_all(server.port, requests)
    cpu_us = (server.cpu_seconds() - cpu) / len(requests) * 1e6
    return Cost(len(requests) / responses.seconds, cpu_us), responses.bodies


def _create(to: str) -> bytes:
    # A verification with the client's code can be checked before its call is placed.
    body = json.dumps({"to": to, "reference": f"login {to[-6:]}", "code": "471102"}).encode()
    return http_load.request("POST", _CREATES, body, API_KEY)


def _check(verification_id: str, code: str) -> bytes:
    body = json.dumps({"code": code}).encode()
    return http_load.request("POST", f"{_CREATES}/{verification_id}/checks", body, API_KEY)


def _other(code: str) -> str:
    return code[:-1] + ("1" if code[-1] == "0" else "0")
