"""What ``otpvoice doctor`` learns about the server behind the store."""

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from otpvoice.addresses import Address, HaUrl, parse_ha_url
from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Connections
from otpvoice.store.decoding import pairs
from otpvoice.store.discovery import node_clients, query_cluster, query_sentinel
from otpvoice.store.functions import BaseStore
from otpvoice.store.keys import TAG
from otpvoice.store.replies import malformed_reply, translate_errors

_PINGS: Final = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The server as it describes itself; None for what it does not disclose."""

    name: str
    """``redis`` or ``valkey``."""
    version: str
    """As in ``9.1.2``."""
    redis_version: tuple[int, ...]
    """The version of Redis whose commands it knows."""
    appendonly: str | None
    """``yes`` or ``no``."""
    appendfsync: str | None
    """``always``, ``everysec`` or ``no``."""
    maxmemory_policy: str | None
    is_primary: bool
    """A replica accepts no writes."""
    is_cluster_node: bool
    replicas: int
    """Connected replicas."""
    min_replicas: int | None
    """With fewer replicas it accepts no writes."""
    memory_used_bytes: int
    memory_limit_bytes: int
    """0: none but the machine's."""
    clock_offset_s: float
    """How far its clock is ahead of ours, to half a round trip."""
    round_trip_s: float
    """The median of some."""


@dataclass(frozen=True, slots=True)
class DiscoveryNode:
    """A Sentinel or cluster node, and the primary that it reports."""

    address: Address
    primary: Address | None
    """None if the node knows none, or did not reply."""
    error: str = ""
    """Why it did not reply, such as ``wrong password``."""


def read_server_info(redis: Redis) -> ServerInfo:
    """Return what the server that ``redis`` is connected to reports about itself.

    Raises:
        StoreUnavailable: no reply, or no permission to ask.
    """
    with translate_errors():
        info: dict[str, Any] = redis.info()
        clock_offset, round_trip = _measure_clock_offset(redis), _measure_round_trip(redis)
    if "redis_version" not in info:
        raise malformed_reply()
    redis_version = str(info["redis_version"])
    min_replicas = _config_value(redis, "min-replicas-to-write")
    return ServerInfo(
        name="valkey" if "valkey_version" in info else "redis",
        version=str(info.get("valkey_version", redis_version)),
        redis_version=tuple(int(part) for part in redis_version.split(".") if part.isdigit()),
        appendonly=_config_value(redis, "appendonly"),
        appendfsync=_config_value(redis, "appendfsync"),
        maxmemory_policy=_config_value(redis, "maxmemory-policy"),
        is_primary=info.get("role", "master") == "master",
        is_cluster_node=info.get("cluster_enabled") == 1,
        replicas=int(info.get("connected_slaves", 0)),
        min_replicas=None if min_replicas is None else int(min_replicas),
        memory_used_bytes=int(info.get("used_memory", 0)),
        memory_limit_bytes=int(info.get("maxmemory", 0)),
        clock_offset_s=clock_offset,
        round_trip_s=round_trip,
    )


def discovery_nodes(url: str) -> Iterator[DiscoveryNode]:
    """Yield what each node of a ``redis+sentinel://`` or ``redis+cluster://`` URL reports.

    Raises:
        ValueError: it is neither.
    """
    ha_url = parse_ha_url(url)
    for address, client in zip(ha_url.nodes, node_clients(ha_url), strict=True):
        with closing(client):
            yield _probe_node(ha_url, address, client)


def _probe_node(ha_url: HaUrl, address: Address, client: Redis) -> DiscoveryNode:
    try:
        with translate_errors():
            if ha_url.service is None:
                return DiscoveryNode(address, query_cluster(client, TAG))
            return DiscoveryNode(address, query_sentinel(client, ha_url.service))
    except StoreUnavailable as error:
        return DiscoveryNode(address, None, error.reason)


def _config_value(redis: Redis, name: str) -> str | None:
    """Return one setting of the server; None where a managed server forbids the question."""
    try:
        with translate_errors():
            return redis.config_get(name).get(name)
    except StoreUnavailable as error:
        if error.is_lost:
            raise
        return None


def _measure_clock_offset(redis: Redis) -> float:
    began = time.time()
    seconds, microseconds = redis.time()
    return float(seconds + microseconds / 1e6) - (began + time.time()) / 2


def _measure_round_trip(redis: Redis) -> float:
    durations = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        redis.ping()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)


class SelfTest(BaseStore):
    """Runs everything that the service needs of the store. Only the library remains."""

    def load_library(self) -> None:
        """Load the library of functions, even if the server has it already.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """
        self._execute("load", self._library.load)

    def refused_commands(self) -> dict[str, str]:
        """Run every command that the functions use; return the refused ones and their errors.

        Raises:
            StoreUnavailable: functions cannot run at all.
        """
        refused = self._call("selftest")[b"refused"]
        return {command.decode(): code.decode() for command, code in pairs(refused)}

    def wait_for_token(self) -> None:
        """Wait for a token for a moment, as a dialer does.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """

        def wait(connections: Connections) -> None:
            connections.execute("BLPOP", self._keys.of("selftest", "list"), "0.01")

        self._execute("wait", wait)
