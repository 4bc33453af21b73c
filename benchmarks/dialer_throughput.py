"""How many calls a second one dialer places, and for how much CPU.

BENCHMARK_CALLS (6000) wait in the queue when a dialer with BENCHMARK_THREADS (128) starts; the
provider takes 300 ms for each. Measured from the first tenth of the calls to the ninth, in
BENCHMARK_ROUNDS (5) rounds.
"""

import time
from statistics import median

from stack import API_KEY, Stack, cpu_seconds, number, size, wait_until

from otpvoice import logs
from otpvoice.app import create_app
from otpvoice.settings import load

CALLS, THREADS, ROUNDS = size("CALLS", 6000), size("THREADS", 128), size("ROUNDS", 5)
ANSWERS_AFTER = 0.3


def fill_queue(stack: Stack) -> None:
    """Calls that are due when the dialer starts; a delayed one is taken without any dialer."""
    stack.flush()
    client = create_app(load(stack.environ).settings).test_client()
    headers = {"Authorization": f"Bearer {API_KEY}"}
    for n in range(CALLS):
        body = {"to": number(n), "call_after": 1}
        answer = client.post("/v1/verifications", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
    time.sleep(1)


def measured(stack: Stack) -> tuple[float, float]:
    """Calls a second, and milliseconds of CPU for a call."""
    fill_queue(stack)
    with stack.provider(ANSWERS_AFTER) as provider, stack.dialer(provider) as dialer:
        wait_until(lambda: provider.count() >= CALLS // 10, "the first calls", 120)
        calls, began, cpu = provider.count(), time.monotonic(), cpu_seconds(dialer)
        wait_until(lambda: provider.count() >= CALLS * 9 // 10, "the last calls", 120)
        calls, cpu = provider.count() - calls, cpu_seconds(dialer) - cpu
        return calls / (time.monotonic() - began), cpu / calls * 1000


def main() -> None:
    """Measures and prints."""
    logs.configure("error")  # of our own API, which only fills the queue
    with Stack() as stack:
        stack.environ["OTPVOICE_DIALER_THREADS"] = str(THREADS)
        rounds = [measured(stack) for _ in range(ROUNDS)]
    rates, costs = zip(*rounds, strict=True)
    print(f"one dialer, {THREADS} threads, a provider that takes {ANSWERS_AFTER * 1000:.0f} ms")
    print(f"{'round':8}{'calls/s':>9}{'CPU ms/call':>13}")
    for name, rate, cost in [
        *((str(n), *row) for n, row in enumerate(rounds, 1)),
        ("median", median(rates), median(costs)),
    ]:
        print(f"{name:8}{rate:9.0f}{cost:13.2f}")
    print("budget: at least 200 calls/s, at most 3 ms of CPU")


if __name__ == "__main__":
    main()
