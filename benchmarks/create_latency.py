"""Does a provider that hangs slow the API down? Creates at a steady rate, against a fast one.

Alternating rounds of BENCHMARK_SECONDS (10) at BENCHMARK_RATE (50) a second, BENCHMARK_ROUNDS (5)
of each; every round begins with an empty store and a new dialer, the API is the same throughout.
A latency counts from the moment when the request was due: a queue in the client would show. Rounds
end before 13 s, when the dialer gives the first calls up and closes the routes.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from stack import Connection, Provider, Stack, number, percentile, size, wait_until

THREADS = 8
SECONDS, RATE, ROUNDS = size("SECONDS", 10), size("RATE", 50), size("ROUNDS", 5)
HANGS = 3600.0


def creates(port: int, numbers: Iterator[int]) -> list[tuple[float, int]]:
    """Latency in milliseconds and status of each."""
    begin = time.monotonic() + 0.1

    def one_thread(first: int) -> list[tuple[float, int]]:
        connection = Connection(port)
        return [
            create(connection, begin + n / RATE, number(next(numbers)))
            for n in range(first, SECONDS * RATE, THREADS)
        ]

    with ThreadPoolExecutor(THREADS) as pool:
        return list(itertools.chain(*pool.map(one_thread, range(THREADS))))


def create(connection: Connection, due: float, to: str) -> tuple[float, int]:
    """One, when it is due."""
    time.sleep(max(0.0, due - time.monotonic()))
    status = connection.creates(to)
    return (time.monotonic() - due) * 1000, status


def measured(stack: Stack, provider: Provider, numbers: Iterator[int]) -> tuple[float, float]:
    """p50 and p99 of one round, in milliseconds."""
    stack.flush()
    with stack.dialer(provider):
        wait_until(stack.is_ready, "the dialer")
        results = creates(stack.api_port, numbers)
    statuses = Counter(status for _, status in results)
    assert set(statuses) == {201}, statuses
    latencies = [latency for latency, _ in results]
    return percentile(latencies, 50), percentile(latencies, 99)


def main() -> None:
    """Measures and prints."""
    numbers = itertools.count()
    with Stack() as stack:
        stack.environ["OTPVOICE_DIALER_THREADS"] = str(SECONDS * RATE)  # all of them hang at once
        with stack.api(), stack.provider(0) as fast, stack.provider(HANGS) as hanging:
            measured(stack, fast, numbers)  # warms the API up
            rounds = [
                [measured(stack, provider, numbers) for provider in (fast, hanging)]
                for _ in range(ROUNDS)
            ]
    print(f"{RATE} creates a second for {SECONDS} s, milliseconds")
    print(f"{'round':8}{'fast p50':>10}{'p99':>8}{'hanging p50':>13}{'p99':>8}{'p99 ratio':>11}")
    rows = [(*fast, *hangs, hangs[1] / fast[1]) for fast, hangs in rounds]
    medians = tuple(median(column) for column in zip(*rows, strict=True))
    f50, f99, h50, h99, _ = (min(column) for column in zip(*rows, strict=True))
    best = (f50, f99, h50, h99, h99 / f99)  # other work on the machine only adds
    for name, row in [*enumerate(rows, 1), ("median", medians), ("best", best)]:
        f50, f99, h50, h99, ratio = row
        print(f"{name!s:8}{f50:10.1f}{f99:8.1f}{h50:13.1f}{h99:8.1f}{ratio:11.2f}")
    print("budget: ratio at most 1.5")


if __name__ == "__main__":
    main()
