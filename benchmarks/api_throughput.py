"""Speed of the API next to an empty Flask route, a naive Flask application and another checkout.

Each round sends the same requests to each of them in turn, so other load on the machine affects
them alike. Ratios compare medians. CPU times are those of the server and of the store.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

import http_load
from report import Budget, Measurement, Section, at_least, at_most
from sizes import Sizes
from stack import API_KEY, ServerProcess, Stack, number, percentile

_ID: Final = re.compile(rb"vrf_[0-9a-f]{32}")
_CREATES: Final = "/v1/verifications"
_CODE, _WRONG_CODE = "471102", "471103"
KINDS: Final = ("create", "get", "wrong check", "right check")
_NAIVE: Final[Mapping[str, Budget]] = {
    "create": at_least(0.8),
    "get": at_least(1.0),
    "wrong check": at_least(1.0),
    "right check": at_least(0.8),
}
"""Rates, as a multiple of those of the naive application."""
_EMPTY: Final[Mapping[str, Budget]] = {
    "create": at_least(0.65),
    "get": at_least(1.4),
    "wrong check": at_least(1.0),
    "right check": at_least(0.7),
}
"""CPU time of the empty route, as a multiple of that of the API."""
_OTHER: Final[Mapping[str, Budget]] = {
    "create": at_least(1.8),
    "get": at_least(2.5),
    "wrong check": at_least(2.5),
    "right check": at_least(1.6),
}
"""Rates, as a multiple of those before the epoll worker."""


@dataclass(frozen=True)
class Cost:
    """Cost of one kind of request in one round."""

    rate: float
    """Responses per second."""
    cpu: float
    """Microseconds of the server's CPU per response."""
    store_cpu: float
    """Microseconds of the store's CPU per response."""
    p99: float
    """Milliseconds."""


Round = Mapping[str, Cost]
"""By kind."""


def measure(sizes: Sizes) -> list[Section]:
    """Measure all kinds of requests, many connections at a time."""
    with ExitStack() as exits:
        stack = exits.enter_context(Stack())
        servers = {
            name: exits.enter_context(stack.server(name, workers=sizes.workers))
            for name in ("empty", "naive", "api")
        }
        if sizes.compare:
            other = stack.server("api", workers=sizes.workers, checkout=sizes.compare)
            servers["other"] = exits.enter_context(other)
        rounds = [
            {name: _round(stack, name, server, sizes) for name, server in servers.items()}
            for _ in range(sizes.rounds + 1)
        ][1:]  # the first one warms up
    costs = {
        name: {kind: _median([each[name][kind] for each in rounds]) for kind in rounds[0][name]}
        for name in servers
    }
    title = f"{sizes.connections} connections, {sizes.workers} workers"
    sections = [
        Section(f"Responses a second · {title}", _figures(costs, "rate", "/s")),
        Section(f"CPU of the server · {title}", _figures(costs, "cpu", "µs")),
        Section(f"CPU of the store · {title}", _figures(costs, "store_cpu", "µs")),
        Section(f"99 of 100 responses within · {title}", _figures(costs, "p99", "ms")),
    ]
    return [*sections, Section("Ratios", _ratios(costs))]


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(median(getattr(each, name) for each in costs) for name in Cost.__annotations__))


def _figures(costs: Mapping[str, Round], name: str, unit: str) -> list[Measurement]:
    return [
        Measurement(f"{kind}, {server}", getattr(cost, name), unit)
        for server, of_server in costs.items()
        for kind, cost in of_server.items()
        if server != "empty" or name in {"rate", "cpu"}
    ]


def _ratios(costs: Mapping[str, Round]) -> list[Measurement]:
    api, naive, empty = costs["api"], costs["naive"], costs["empty"]["empty"]
    ratios = []
    for kind in KINDS:
        ratio = api[kind].rate / naive[kind].rate
        ratios.append(Measurement(f"{kind} / naive", ratio, "×", _NAIVE[kind]))
    for kind in KINDS:
        ratio = empty.cpu / api[kind].cpu
        ratios.append(Measurement(f"{kind} / empty route, by CPU", ratio, "×", _EMPTY[kind]))
    if before := costs.get("other"):
        for kind in KINDS:
            ratio = api[kind].rate / before[kind].rate
            ratios.append(Measurement(f"{kind} / other", ratio, "×", _OTHER[kind]))
            ratio = api[kind].p99 / before[kind].p99
            ratios.append(Measurement(f"{kind} / other, p99", ratio, "×", at_most(0.5)))
        for kind in ("create", "right check"):
            ratio = api[kind].store_cpu / before[kind].store_cpu
            ratios.append(Measurement(f"{kind} / other, store", ratio, "×", at_most(0.75)))
    return ratios


def append_only(sizes: Sizes) -> list[Section]:
    """Measure the cost of writing each change to the disk before the response."""
    with ExitStack() as exits:
        stacks = [exits.enter_context(Stack(append)) for append in ("no", "yes")]
        apis = [exits.enter_context(stack.server("api")) for stack in stacks]
        rounds = [
            [_creates_and_checks(*pair, sizes) for pair in zip(stacks, apis, strict=True)]
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
    return [Section("What AOF always costs", figures)]


def _round(stack: Stack, name: str, server: ServerProcess, sizes: Sizes) -> Round:
    if name == "empty":
        requests = [http_load.request("GET", "/")] * sizes.requests
        return {"empty": _cost(stack, server, requests, sizes.connections)[0]}
    return _creates_and_checks(stack, server, sizes)


def _creates_and_checks(stack: Stack, server: ServerProcess, sizes: Sizes) -> dict[str, Cost]:
    stack.reset()
    costs = {}

    def send(kind: str, requests: Sequence[bytes]) -> Sequence[bytes]:
        costs[kind], bodies = _cost(stack, server, requests, sizes.connections)
        return bodies

    bodies = send("create", [_create(number(n)) for n in range(sizes.requests)])
    ids = [match[0].decode() for body in bodies if (match := _ID.search(body))]
    send("get", [http_load.request("GET", f"{_CREATES}/{each}", key=API_KEY) for each in ids])
    send("wrong check", [_check(each, _WRONG_CODE) for each in ids])
    send("right check", [_check(each, _CODE) for each in ids])
    return costs


def _cost(
    stack: Stack, server: ServerProcess, requests: Sequence[bytes], connections: int
) -> tuple[Cost, Sequence[bytes]]:
    cpu, store_cpu = server.cpu_seconds(), stack.store_cpu_seconds()
    responses = http_load.send_all(server.port, requests, connections)
    number = len(requests)
    cost = Cost(
        rate=number / responses.seconds,
        cpu=(server.cpu_seconds() - cpu) / number * 1e6,
        store_cpu=(stack.store_cpu_seconds() - store_cpu) / number * 1e6,
        p99=percentile(responses.latencies, 99) * 1000,
    )
    return cost, responses.bodies


def _create(to: str) -> bytes:
    # A verification with the client's code can be checked before its call is placed.
    body = json.dumps({"to": to, "reference": f"login {to[-6:]}", "code": _CODE}).encode()
    return http_load.request("POST", _CREATES, body, API_KEY)


def _check(verification_id: str, code: str) -> bytes:
    body = json.dumps({"code": code}).encode()
    return http_load.request("POST", f"{_CREATES}/{verification_id}/checks", body, API_KEY)
