"""Calls per second and CPU per call of one dialer, and its delay when the service is idle."""

import random
import time
from statistics import median
from typing import Final

from report import Measurement, Section, at_least, at_most
from sizes import Sizes
from stack import (
    API_KEY,
    Connection,
    ProviderProcess,
    Stack,
    cpu_seconds,
    number,
    percentile,
    wait_until,
)

from otpvoice.app import create_app
from otpvoice.settings import load

_REPLY_DELAY_S: Final = 0.3
_THREADS: Final = 192


def measure(sizes: Sizes) -> list[Section]:
    """Measure a busy dialer and an idle one."""
    return [_busy(sizes), _idle(sizes)]


def _busy(sizes: Sizes) -> Section:
    with Stack() as stack:
        stack.environ["OTPVOICE_DIALER_THREADS"] = str(_THREADS)
        rounds = [_dials(stack, sizes.calls) for _ in range(min(sizes.rounds, 3))]
    rates, costs = zip(*rounds, strict=True)
    return Section(
        f"One dialer, {_THREADS} threads, a provider that takes {_REPLY_DELAY_S * 1000:.0f} ms",
        [
            Measurement("calls", median(rates), "/s", at_least(450)),
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
        created = client.post("/v1/verifications", json=body, headers=headers)
        assert created.status_code == 201, created.text
    time.sleep(1)


def _dials(stack: Stack, calls: int) -> tuple[float, float]:
    """Return calls per second and CPU milliseconds per call, between 10 and 90 % of the queue."""
    _fill_queue(stack, calls)
    with stack.provider(_REPLY_DELAY_S) as provider, stack.dialer(provider) as dialer:
        wait_until(lambda: provider.count() >= calls // 10, "the first calls", 120)
        first, began, cpu = provider.count(), time.monotonic(), cpu_seconds(dialer.pid)
        wait_until(lambda: provider.count() >= calls * 9 // 10, "the last calls", 120)
        placed, cpu = provider.count() - first, cpu_seconds(dialer.pid) - cpu
        placed = max(placed, 1)  # a short queue may be empty after the first poll
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
    """Return the milliseconds from each 201 to the request for its call.

    A value is negative if the provider got the request before the client got its 201.
    """
    created_at = {}
    for n in range(turn * creates, (turn + 1) * creates):
        status = connection.create(number(n))
        created_at[number(n).removeprefix("+")] = time.monotonic()
        assert status == 201, status
        time.sleep(random.uniform(0.02, 0.08))  # the dialer then sleeps, at any phase
    wait_until(lambda: created_at.keys() <= provider.arrivals().keys(), "the calls")
    arrivals = provider.arrivals()
    return [(arrivals[digits] - at) * 1000 for digits, at in created_at.items()]
