"""How many calls one dialer places, for how much CPU; and how soon it dials when all is idle."""

import random
import time
from statistics import median
from typing import Final

from report import Measurement, Section, at_least, at_most
from stack import (
    API_KEY,
    Connection,
    ProviderProcess,
    Sizes,
    Stack,
    cpu_seconds,
    number,
    percentile,
    wait_until,
)

from otpvoice.app import create_app
from otpvoice.settings import load

_ANSWERS_AFTER: Final = 0.3
_THREADS: Final = 128


def measure(sizes: Sizes) -> list[Section]:
    """Measure a busy dialer and an idle one."""
    return [_busy(sizes), _idle(sizes)]


def _busy(sizes: Sizes) -> Section:
    with Stack() as stack:
        stack.environ["OTPVOICE_DIALER_THREADS"] = str(_THREADS)
        rounds = [_dials(stack, sizes.calls) for _ in range(min(sizes.rounds, 3))]
    rates, costs = zip(*rounds, strict=True)
    return Section(
        f"One dialer, {_THREADS} threads, a provider that takes {_ANSWERS_AFTER * 1000:.0f} ms",
        [
            Measurement("calls", median(rates), "/s", at_least(200)),
            Measurement("CPU of a call", median(costs), "ms", at_most(3)),
        ],
    )


def _fill_queue(stack: Stack, calls: int) -> None:
    """Queue calls that are due when the dialer starts, because delayed ones need no dialer."""
    stack.reset()
    client = create_app(load(stack.environ).settings).test_client()
    headers = {"Authorization": f"Bearer {API_KEY}"}
    for n in range(calls):
        body = {"to": number(n), "call_after": 1}
        answer = client.post("/v1/verifications", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
    time.sleep(1)


def _dials(stack: Stack, calls: int) -> tuple[float, float]:
    """Return calls a second and milliseconds of CPU a call, from the first tenth to the ninth."""
    _fill_queue(stack, calls)
    with stack.provider(_ANSWERS_AFTER) as provider, stack.dialer(provider) as dialer:
        wait_until(lambda: provider.count() >= calls // 10, "the first calls", 120)
        first, began, cpu = provider.count(), time.monotonic(), cpu_seconds(dialer.pid)
        wait_until(lambda: provider.count() >= calls * 9 // 10, "the last calls", 120)
        placed, cpu = provider.count() - first, cpu_seconds(dialer.pid) - cpu
        placed = max(placed, 1)  # of a few, all may have been among the first
        return placed / (time.monotonic() - began), cpu / placed * 1000


def _idle(sizes: Sizes) -> Section:
    with (
        Stack() as stack,
        stack.server("api"),
        stack.provider(0) as provider,
        stack.dialer(provider),
    ):
        wait_until(stack.is_ready, "the dialer")
        connection = Connection(stack.api_port)
        turns = range(sizes.rounds + 1)
        rounds = [_delays(connection, provider, n, sizes.creates) for n in turns]
    delays = [delay for each in rounds[1:] for delay in each]  # the first one warms up
    return Section(
        "From the 201 to the provider's request, idle",
        [
            Measurement("p50", percentile(delays, 50), "ms", at_most(20)),
            Measurement("p99", percentile(delays, 99), "ms", at_most(100)),
        ],
    )


def _delays(
    connection: Connection, provider: ProviderProcess, turn: int, creates: int
) -> list[float]:
    """Milliseconds from each 201 to the request for its call; one before the answer is negative."""
    answered = {}
    for n in range(turn * creates, (turn + 1) * creates):
        status = connection.create(number(n))
        answered[number(n).removeprefix("+")] = time.monotonic()
        assert status == 201, status
        time.sleep(random.uniform(0.02, 0.08))  # so that the dialer sleeps, for any time
    wait_until(lambda: answered.keys() <= provider.arrivals().keys(), "the calls")
    arrivals = provider.arrivals()
    return [(arrivals[person] - moment) * 1000 for person, moment in answered.items()]
