"""The servers of the store: one, or the primary behind Sentinels or in a cluster.

All keys carry one tag, so in a cluster, too, there is one primary: the node that holds the tag's
slot. The primary is looked up for each new connection, so a failover needs nothing else. No lookup
repeats a command that may have run.
"""

import statistics
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from otpvoice.addresses import Address, HaUrl, parse_ha_url
from otpvoice.core.errors import StoreUnavailable
from otpvoice.store import TAG
from otpvoice.store.replies import UNKNOWN_EFFECT, malformed_reply, translate_errors

TIMEOUT_S: Final = 0.5
"""Time to wait for Redis. With a longer one, requests would pile up while the store is away."""


_PINGS: Final = 21
_MAX_CONNECTIONS: Final = 2**31
"""Each thread uses one at most, and the number of threads is set elsewhere."""
# The library gives it no types.
_Pool: Final[Callable[..., ConnectionPool]] = SentinelConnectionPool


class PrimaryDiscovery:
    """Finds the primary; what redis-py calls a ``sentinel_manager``."""

    def __init__(self, ha_url: HaUrl) -> None:
        self._ha_url = ha_url
        self._nodes = _node_clients(ha_url)
        self._last_responder = 0

    def __str__(self) -> str:
        """Return host and port of each node."""
        return ",".join(map(_server_address, self._nodes))

    def discover_master(self, _: str) -> Address:
        """Return the primary as the first node that knows one reports it.

        The node that knew it last time is asked first.

        Raises:
            StoreUnavailable: no node knows a primary; ``reason`` is the last node's.
        """
        first = self._last_responder
        reason = "none of the servers knows a primary"
        for index in [*range(first, len(self._nodes)), *range(first)]:
            server = self._nodes[index]
            try:
                with translate_errors():
                    found = _query_primary(self._ha_url, server)
            except StoreUnavailable as error:
                reason = f"no primary: {_server_address(server)} {error.reason}"
                continue
            if found:
                self._last_responder = index
                return found
        raise StoreUnavailable(UNKNOWN_EFFECT, reason=reason, is_lost=True)


def _query_primary(ha_url: HaUrl, node: Redis) -> Address | None:
    """Return the primary that a node reports; None if it knows none."""
    return _query_sentinel(node, ha_url.service) if ha_url.service else _query_cluster(node)


def _query_sentinel(sentinel: Redis, service: str) -> Address | None:
    """Return the primary of ``service``, if the Sentinel considers it alive."""
    states: Any = sentinel.sentinel_masters()
    state = states.get(service)
    if state is None or not state["is_master"] or state["is_sdown"] or state["is_odown"]:
        return None
    return state["ip"], state["port"]


def _query_cluster(node: Redis) -> Address | None:
    """Return the node that holds the slot of all keys, if this node is with the majority."""
    if node.cluster("INFO")["cluster_state"] != "ok":
        return None
    slot = key_slot(TAG.encode())
    for first, last, (host, port, *_), *_ in node.cluster("SLOTS"):
        if first <= slot <= last:
            # A node without an announced address gives none: use the one that we know.
            known: str = node.get_connection_kwargs()["host"]
            return (host.decode() if host else known), port
    return None


def connect(url: str, *, timeout_s: float = TIMEOUT_S) -> Redis:
    """Return a client that gives up after ``timeout_s`` and never repeats a command.

    A command sent twice could count one check twice, or queue two calls. The first command
    connects, and every new connection leads to the primary of that moment.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://``,
            ``redis+sentinel://[user:password@]host:port,host:port/service[/db]`` or
            ``redis+cluster://[user:password@]host:port,host:port``; the last two with
            ``?tls=true`` if all servers use TLS. Sentinels with a password of their own take it
            from ``?sentinel_username=…&sentinel_password=…``, percent-encoded. With TLS,
            ``ssl_ca_certs``, ``ssl_certfile`` and ``ssl_keyfile`` name files.
        timeout_s: a client that waits in ``BLPOP`` needs more than it waits.

    Raises:
        ValueError: the URL cannot be parsed; the text does not repeat it.
    """
    options = _client_options(timeout_s)
    if not url.startswith("redis+"):
        return Redis.from_url(url, **options)
    ha_url = parse_ha_url(url)
    options |= {"username": ha_url.user, "password": ha_url.password}
    options |= {"ssl": ha_url.tls, "db": ha_url.db, **ha_url.tls_files}
    return Redis.from_pool(_Pool(ha_url.service or TAG, PrimaryDiscovery(ha_url), **options))


def address_of(redis: Redis) -> str:
    """Return where a client connects to, without credentials, for log lines and messages."""
    primary = getattr(redis.connection_pool, "sentinel_manager", None)
    return str(primary) if primary else _server_address(redis)


def _server_address(server: Redis) -> str:
    """Return host and port of one server, without credentials."""
    options = server.get_connection_kwargs()
    return options.get("path") or f"{options['host']}:{options['port']}"


def _node_clients(ha_url: HaUrl) -> list[Redis]:
    """Return a client for each Sentinel or cluster node, in the order of the URL."""
    login = {"username": ha_url.sentinel_user, "password": ha_url.sentinel_password}
    if not ha_url.service:
        login = {"username": ha_url.user, "password": ha_url.password}
    # To ask all of them takes no longer than one timeout, even if none replies.
    options = _client_options(TIMEOUT_S / len(ha_url.nodes)) | login
    options |= {"ssl": ha_url.tls, **ha_url.tls_files}
    return [Redis(host, port, **options) for host, port in ha_url.nodes]


def _client_options(timeout_s: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(timeout_s, TIMEOUT_S),
        "retry": Retry(NoBackoff(), 0),
        "max_connections": _MAX_CONNECTIONS,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The server as it describes itself; None for what it does not disclose."""

    name: str
    """``redis`` or ``valkey``."""
    version: str
    redis_version: tuple[int, ...]
    """The version of Redis whose commands it knows."""
    appendonly: str | None
    """``yes`` or ``no``."""
    appendfsync: str | None
    """``always``, ``everysec`` or ``no``."""
    maxmemory_policy: str | None
    is_primary: bool
    is_cluster_node: bool
    replicas: int
    min_replicas: int | None
    """With fewer replicas it accepts no writes."""
    memory_used_bytes: int
    memory_limit_bytes: int
    """0: none but the machine's."""
    clock_offset_s: float
    """How far its clock is ahead of ours, to half a round trip."""
    round_trip_s: float


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
        began = time.time()
        seconds, microseconds = redis.time()
        clock_offset = float(seconds + microseconds / 1e6) - (began + time.time()) / 2
        round_trips = timeit.repeat(redis.ping, number=1, repeat=_PINGS)
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
        round_trip_s=statistics.median(round_trips),
    )


def discovery_nodes(url: str) -> Iterator[DiscoveryNode]:
    """Yield what each node of a ``redis+sentinel://`` or ``redis+cluster://`` URL reports.

    Raises:
        ValueError: it is neither.
    """
    ha_url = parse_ha_url(url)
    for address, client in zip(ha_url.nodes, _node_clients(ha_url), strict=True):
        try:
            with closing(client), translate_errors():
                primary = _query_primary(ha_url, client)
        except StoreUnavailable as error:
            yield DiscoveryNode(address, None, error.reason)
        else:
            yield DiscoveryNode(address, primary)


def _config_value(redis: Redis, name: str) -> str | None:
    """Return one setting of the server; None where a managed server forbids the question."""
    try:
        with translate_errors():
            return redis.config_get(name).get(name)
    except StoreUnavailable as error:
        if error.is_lost:
            raise
        return None
