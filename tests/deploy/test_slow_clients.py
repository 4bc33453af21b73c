"""Slow clients before the shipped nginx: whoever is not slow does not notice them.

``OTPVOICE_TEST_SLOW_CLIENTS``: how many there are of each kind.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from deploy.nginx_proxy import NginxProxy
from support.raw_http import head, post

SLOW_CLIENTS = int(os.environ.get("OTPVOICE_TEST_SLOW_CLIENTS", "150"))
REQUESTS = 100
"""Of somebody who is in a hurry, in one round, while all the slow ones are there."""
ROUNDS = 3
"""At most: who is held up by slow clients is in each; who shares a busy machine is not."""
MAX_LATENCY_S = 0.2
"""Seconds that 99 of 100 answers may take, with the connection for each."""
DRIP_INTERVAL_S = 0.5
"""Seconds between two bytes of a slow client."""

BEGINNINGS = {
    "head": head("GET /readyz HTTP/1.1", "X-Slow: a")[:-4],
    "body": post("Content-Length: 16000"),
    # Far more answers than fit into what lies between, and none of them is read.
    "reading": head("GET /readyz HTTP/1.1") * 2 + head("GET /metrics HTTP/1.1") * 30,
}


class SlowClient:
    """Says its beginning, then a byte now and then; comes again when it is hung up on."""

    def __init__(self, proxy: NginxProxy, n: int, beginning: bytes) -> None:
        self._proxy = proxy
        # Fifty share an address: each has its bounds, which are not what is tested.
        self._address = f"127.0.3.{1 + n // 50}"
        self._beginning = beginning
        self._comes()

    def _comes(self) -> None:
        self.line = self._proxy.connect(self._address)
        self.line.send(self._beginning)

    def leaves(self) -> None:
        """Without a word."""
        self.line.close()

    def goes_on(self) -> None:
        """One byte more."""
        try:
            self.line.send(b"a")
        except OSError:
            self.leaves()
            self._comes()


@contextmanager
def slow_clients(proxy: NginxProxy) -> Iterator[None]:
    """Meanwhile all of them are there."""
    over = threading.Event()
    clients = {
        kind: [SlowClient(proxy, n, beginning) for n in range(SLOW_CLIENTS)]
        for kind, beginning in BEGINNINGS.items()
    }

    def drip() -> None:
        while not over.wait(DRIP_INTERVAL_S):
            for client in (*clients["head"], *clients["body"]):
                client.goes_on()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for client in (client for each in clients.values() for client in each):
            client.leaves()


@pytest.mark.usefixtures("redis")
@pytest.mark.timeout(120 + SLOW_CLIENTS)
def test_slow_clients_slow_nobody_else(proxy: NginxProxy) -> None:
    """Many times as many as the API has threads say their heads, say their bodies or read their
    answers slowly; ``/readyz`` is answered as fast as ever.
    """
    with slow_clients(proxy):
        for _ in range(ROUNDS):
            took = request_latencies(proxy)
            p50, p99 = took[REQUESTS // 2], took[REQUESTS * 99 // 100]
            print(f"{SLOW_CLIENTS} slow clients of each kind: p50 {p50:.3f} s, p99 {p99:.3f} s")
            if p99 < MAX_LATENCY_S:
                break
    assert p99 < MAX_LATENCY_S


def request_latencies(proxy: NginxProxy) -> list[float]:
    """How many seconds each look took, in order of size."""
    took = []
    for _ in range(REQUESTS):
        began = time.monotonic()
        assert proxy.send(head("GET /readyz HTTP/1.1")).status == 200
        took.append(time.monotonic() - began)
    return sorted(took)
