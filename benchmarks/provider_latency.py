"""Latency of the API while the provider is slow: creates at a steady rate, each with a check.

Providers take turns. Each round has a new dialer and an empty store; the API process stays. A
latency counts from the time when the request was due, so it includes a queue in the client. Rounds
must end before 13 s, because the dialer then abandons the first calls and closes the routes.
"""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from report import Measurement, Section, at_most
from sizes import Sizes
from stack import Connection, ProviderProcess, Stack, number, percentile, wait_until

_THREADS: Final = 8
_HANGS: Final = "hangs"
_PROVIDERS: Final = {"0 ms": 0.0, "300 ms": 0.3, "2000 ms": 2.0, _HANGS: 3600.0}
Latencies = dict[str, list[float]]
"""Kind of request → milliseconds."""


def measure(sizes: Sizes) -> list[Section]:
    """Measure latencies of creates and checks for each delay of the provider."""
    measured: dict[str, Latencies] = {name: {"create": [], "check": []} for name in _PROVIDERS}
    with Stack() as stack:
        stack.environ["OTPVOICE_DIALER_THREADS"] = str(sizes.seconds * sizes.rate)
        with stack.server("api"):
            for turn in range(sizes.rounds + 1):
                for name, seconds in _PROVIDERS.items():
                    with stack.provider(seconds) as provider:
                        latencies = _round(stack, provider, sizes)
                    for kind in latencies if turn else ():  # the first turn warms up
                        measured[name][kind] += latencies[kind]
    figures = [
        Measurement(
            f"{kind}, provider {name}, p{percent}", percentile(measured[name][kind], percent), "ms"
        )
        for kind in ("create", "check")
        for percent in (50, 99)
        for name in _PROVIDERS
    ]
    fast, hanging = (percentile(measured[name]["create"], 99) for name in ("0 ms", _HANGS))
    figures.append(Measurement("create p99, hangs / 0 ms", hanging / fast, "×", at_most(1.5)))
    return [Section(f"With slow providers, {sizes.rate} creates a second", figures)]


def _round(stack: Stack, provider: ProviderProcess, sizes: Sizes) -> Latencies:
    stack.reset()
    stack.redis().flushdb()  # also the heartbeat, because the next one is of a real dialer
    with stack.dialer(provider):
        wait_until(stack.is_ready, "the dialer")
        begin = time.monotonic() + 0.1

        def one_thread(first: int) -> list[tuple[float, float]]:
            connection = Connection(stack.api_port)
            turns = range(first, sizes.seconds * sizes.rate, _THREADS)
            return [_create_and_check(connection, begin + n / sizes.rate, number(n)) for n in turns]

        with ThreadPoolExecutor(_THREADS) as pool:
            both = list(itertools.chain(*pool.map(one_thread, range(_THREADS))))
    creates, checks = zip(*both, strict=True)
    return {"create": [*creates], "check": [*checks]}


def _create_and_check(connection: Connection, due: float, to: str) -> tuple[float, float]:
    time.sleep(max(0.0, due - time.monotonic()))
    body = {"to": to, "code": "123456"}
    status, verification = connection.request("POST", "/v1/verifications", body)
    created_at = time.monotonic()
    assert status == 201, verification
    path = f"/v1/verifications/{verification['id']}/checks"
    status, check = connection.request("POST", path, {"code": "654321"})
    assert status == 200, check
    return (created_at - due) * 1000, (time.monotonic() - created_at) * 1000
