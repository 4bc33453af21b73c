"""What the server behind the store is, and whether it is set up for us. Changes nothing."""

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import Address, query_cluster, query_sentinel
from otpvoice.store.keys import TAG
from otpvoice.store.replies import malformed_reply, translate_errors
from otpvoice.store.url import HaUrl, node_clients, parse_ha_url

_PINGS: Final = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The server as it describes itself; None for what it keeps to itself."""

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
    """A replica takes no writes."""
    is_cluster_node: bool
    replicas: int
    """That are connected."""
    min_replicas: int | None
    """Without so many of them it takes no writes."""
    memory_used_bytes: int
    """Bytes."""
    memory_limit_bytes: int
    """Bytes; 0: none but the machine's."""
    clock_offset_s: float
    """Seconds that its clock is ahead of ours; as exact as half a round trip."""
    round_trip_s: float
    """Seconds, the median of some."""


@dataclass(frozen=True, slots=True)
class DiscoveryNode:
    """Somebody who can be asked for the primary: a Sentinel, or a node of a cluster."""

    address: Address
    primary: Address | None
    """The primary that it reports; None if it knows none, or did not reply."""
    error: str = ""
    """Why it did not reply, such as ``wrong password``."""


def read_server_info(redis: Redis) -> ServerInfo:
    """Return what the server that ``redis`` is connected to tells about itself.

    Raises:
        StoreUnavailable: no reply, or no permission to ask.
    """
    with translate_errors():
        info: dict[str, Any] = redis.info()
        clock_ahead, round_trip = _measure_clock_offset(redis), _measure_round_trip(redis)
    if "redis_version" not in info:
        raise malformed_reply()
    name = "valkey" if "valkey_version" in info else "redis"
    speaks = str(info["redis_version"])
    min_replicas = _config_value(redis, "min-replicas-to-write")
    return ServerInfo(
        name=name,
        version=str(info.get("valkey_version", speaks)),
        redis_version=tuple(int(part) for part in speaks.split(".") if part.isdigit()),
        appendonly=_config_value(redis, "appendonly"),
        appendfsync=_config_value(redis, "appendfsync"),
        maxmemory_policy=_config_value(redis, "maxmemory-policy"),
        is_primary=info.get("role", "master") == "master",
        is_cluster_node=info.get("cluster_enabled") == 1,
        replicas=int(info.get("connected_slaves", 0)),
        min_replicas=None if min_replicas is None else int(min_replicas),
        memory_used_bytes=int(info.get("used_memory", 0)),
        memory_limit_bytes=int(info.get("maxmemory", 0)),
        clock_offset_s=clock_ahead,
        round_trip_s=round_trip,
    )


def discovery_nodes(url: str) -> Iterator[DiscoveryNode]:
    """Yield what each server of a ``redis+sentinel://`` or ``redis+cluster://`` address reports.

    Raises:
        ValueError: it is neither.
    """
    servers = parse_ha_url(url)
    for place, client in zip(servers.nodes, node_clients(servers), strict=True):
        with closing(client):
            yield _probe_node(servers, place, client)


def _probe_node(servers: HaUrl, place: Address, client: Redis) -> DiscoveryNode:
    try:
        with translate_errors():
            if servers.service is None:
                return DiscoveryNode(place, query_cluster(client, TAG))
            return DiscoveryNode(place, query_sentinel(client, servers.service))
    except StoreUnavailable as error:
        return DiscoveryNode(place, None, error.reason)


def _config_value(redis: Redis, name: str) -> str | None:
    """Return one setting of the server; None where a managed server forbids to ask for it."""
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
    took = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        redis.ping()
        took.append(time.perf_counter() - began)
    return statistics.median(took)
