"""How soon after the 201 the provider is asked to call, when nothing else goes on.

BENCHMARK_CREATES (200) one after another, in BENCHMARK_ROUNDS (5) rounds. The clock starts when the
client has the 201; a request that was faster than that answer counts as negative.
"""

import random
import time
from statistics import median

from stack import Connection, Provider, Stack, number, percentile, size, wait_until

CREATES, ROUNDS = size("CREATES", 200), size("ROUNDS", 5)


def measured(connection: Connection, provider: Provider, first: int) -> list[float]:
    """Milliseconds from each 201 to the request for its call."""
    answered = {}
    for n in range(first, first + CREATES):
        status = connection.creates(number(n))
        answered[number(n).removeprefix("+")] = time.monotonic()
        assert status == 201, status
        time.sleep(random.uniform(0.02, 0.08))  # so that the dialer sleeps, for any time
    wait_until(lambda: answered.keys() <= provider.arrivals().keys(), "the calls")
    arrivals = provider.arrivals()
    return [(arrivals[person] - moment) * 1000 for person, moment in answered.items()]


def main() -> None:
    """Measures and prints."""
    with Stack() as stack, stack.api(), stack.provider(0) as provider, stack.dialer(provider):
        wait_until(stack.is_ready, "the dialer")
        connection = Connection(stack.api_port)
        measured(connection, provider, 0)  # warms all up
        rounds = [measured(connection, provider, n * CREATES) for n in range(1, ROUNDS + 1)]
    rows = [(percentile(each, 50), percentile(each, 99), max(each)) for each in rounds]
    medians = tuple(median(column) for column in zip(*rows, strict=True))
    print(f"{CREATES} creates one after another, milliseconds from the 201 to the request")
    print(f"{'round':8}{'p50':>8}{'p99':>8}{'max':>8}")
    for name, row in [*enumerate(rows, 1), ("median", medians)]:
        print(f"{name!s:8}" + "".join(f"{value:8.1f}" for value in row))
    print("budget: p50 at most 20, p99 at most 100")


if __name__ == "__main__":
    main()
