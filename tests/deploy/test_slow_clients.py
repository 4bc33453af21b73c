"""Slow clients of the shipped nginx do not delay other clients.

``OTPVOICE_TEST_SLOW_CLIENTS`` is how many of each kind connect.
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
"""Requests of a fast client in one round, while all slow clients are connected."""
ROUNDS = 3
"""At most: slow clients would delay every round, a busy machine only some."""
MAX_LATENCY_S = 0.2
"""For 99 of 100 responses, including the connection."""
DRIP_INTERVAL_S = 0.5
"""Between two bytes of a slow client."""

BEGINNINGS = {
    "head": head("GET /readyz HTTP/1.1", "X-Slow: a")[:-4],
    "body": post("Content-Length: 16000"),
    # Many more responses than fit into the buffers, none of which is read.
    "reading": head("GET /readyz HTTP/1.1") * 2 + head("GET /metrics HTTP/1.1") * 30,
}


class SlowClient:
    """Sends the beginning of a request, then single bytes; reconnects when disconnected."""

    def __init__(self, proxy: NginxProxy, n: int, beginning: bytes) -> None:
        self._proxy = proxy
        # Fifty share an address, so that the limits per address do not apply.
        self._address = f"127.0.3.{1 + n // 50}"
        self._beginning = beginning
        self._connect()

    def _connect(self) -> None:
        self.line = self._proxy.connect(self._address)
        self.line.send(self._beginning)

    def close(self) -> None:
        """Close the connection in the middle of the request."""
        self.line.close()

    def send_byte(self) -> None:
        """Send one more byte."""
        try:
            self.line.send(b"a")
        except OSError:
            self.close()
            self._connect()


@contextmanager
def slow_clients(proxy: NginxProxy) -> Iterator[None]:
    """Keep all slow clients connected inside the block."""
    over = threading.Event()
    clients = {
        kind: [SlowClient(proxy, n, beginning) for n in range(SLOW_CLIENTS)]
        for kind, beginning in BEGINNINGS.items()
    }

    def drip() -> None:
        while not over.wait(DRIP_INTERVAL_S):
            for client in (*clients["head"], *clients["body"]):
                client.send_byte()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for client in (client for each in clients.values() for client in each):
            client.close()


@pytest.mark.usefixtures("redis")
@pytest.mark.timeout(600 + SLOW_CLIENTS)
def test_slow_clients_do_not_delay_other_clients(proxy: NginxProxy) -> None:
    """Many more than the API has threads send heads or bodies, or read responses, slowly.
    ``/readyz`` stays fast.
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
    """Return the sorted seconds that each request took."""
    took = []
    for _ in range(REQUESTS):
        began = time.monotonic()
        assert proxy.send(head("GET /readyz HTTP/1.1")).status == 200
        took.append(time.monotonic() - began)
    return sorted(took)
