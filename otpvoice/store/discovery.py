"""From the store's URL to a client: one server, or the primary behind Sentinels or in a cluster.

All keys carry one tag, so in a cluster, too, there is one primary: the node that holds the tag's
slot. The primary is looked up for each new connection, so a failover needs nothing else. No lookup
repeats a command that may have run.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from otpvoice.addresses import Address, HaUrl, parse_ha_url
from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.keys import TAG
from otpvoice.store.replies import UNKNOWN_EFFECT, translate_errors

TIMEOUT_S: Final = 0.5
"""Time to wait for Redis. With a longer one, requests would pile up while the store is away."""

Probe = Callable[[Redis, str], Address | None]
"""Asks one node for the primary of a service or tag; returns None if it knows none."""

_MAX_CONNECTIONS: Final = 2**31
"""Each thread uses one at most, and the number of threads is set elsewhere."""
# The library gives it no types.
_Pool: Final[Callable[..., ConnectionPool]] = SentinelConnectionPool


class PrimaryDiscovery:
    """Finds the primary; what redis-py calls a ``sentinel_manager``.

    Args:
        nodes: Sentinels or cluster nodes.
        probe: asks one of them.
    """

    def __init__(self, nodes: Sequence[Redis], probe: Probe) -> None:
        self._nodes = nodes
        self._last_responder = 0
        self._probe = probe

    @property
    def addresses(self) -> list[str]:
        """Host and port of each node."""
        return [server_address(server) for server in self._nodes]

    def discover_master(self, name: str) -> Address:
        """Return the primary as the first node that knows one reports it.

        The node that knew it last time is asked first.

        Raises:
            StoreUnavailable: no node knows a primary; ``reason`` is the last node's.
        """
        first = self._last_responder
        reason = "none of the servers knows a primary"
        for index in [*range(first, len(self._nodes)), *range(first)]:
            server = self._nodes[index]
            found: Address | None = None
            try:
                with translate_errors():
                    found = self._probe(server, name)
            except StoreUnavailable as error:
                reason = f"no primary: {server_address(server)} {error.reason}"
            if found:
                self._last_responder = index
                return found
        raise StoreUnavailable(UNKNOWN_EFFECT, reason=reason, is_lost=True)


def query_sentinel(sentinel: Redis, service: str) -> Address | None:
    """Return the primary of ``service``, if the Sentinel considers it alive."""
    states: Any = sentinel.sentinel_masters()
    state = states.get(service)
    if state is None or not state["is_master"] or state["is_sdown"] or state["is_odown"]:
        return None
    return state["ip"], state["port"]


def query_cluster(node: Redis, tag: str) -> Address | None:
    """Return the node that holds the slot of ``tag``, if this node is with the majority."""
    if node.cluster("INFO")["cluster_state"] != "ok":
        return None
    slot = key_slot(tag.encode())
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
            from ``?sentinel_username=…&sentinel_password=…``, percent-encoded.
        timeout_s: a client that waits in ``BLPOP`` needs more than it waits.

    Raises:
        ValueError: the URL cannot be parsed; the text does not repeat it.
    """
    options = _client_options(timeout_s)
    if not url.startswith("redis+"):
        return Redis.from_url(url, **options)
    ha_url = parse_ha_url(url)
    login = {"username": ha_url.user, "password": ha_url.password}
    options |= {"ssl": ha_url.tls, "db": ha_url.db, **login}
    if ha_url.service is None:
        name, primary = TAG, PrimaryDiscovery(node_clients(ha_url), query_cluster)
    else:
        name, primary = ha_url.service, PrimaryDiscovery(node_clients(ha_url), query_sentinel)
    return Redis.from_pool(_Pool(name, primary, **options))


def address_of(redis: Redis) -> str:
    """Return where a client connects to, without credentials, for log lines and messages."""
    primary = getattr(redis.connection_pool, "sentinel_manager", None)
    if isinstance(primary, PrimaryDiscovery):
        return ",".join(primary.addresses)
    return server_address(redis)


def server_address(server: Redis) -> str:
    """Return host and port of one server, without credentials."""
    options = server.get_connection_kwargs()
    return options.get("path") or f"{options['host']}:{options['port']}"


def node_clients(ha_url: HaUrl) -> list[Redis]:
    """Return a client for each Sentinel or cluster node, in the order of the URL."""
    login = {"username": ha_url.sentinel_user, "password": ha_url.sentinel_password}
    if ha_url.service is None:
        login = {"username": ha_url.user, "password": ha_url.password}
    # To ask all of them takes no longer than one timeout, even if none replies.
    options = _client_options(TIMEOUT_S / len(ha_url.nodes)) | {"ssl": ha_url.tls, **login}
    return [Redis(host, port, **options) for host, port in ha_url.nodes]


def _client_options(timeout_s: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(timeout_s, TIMEOUT_S),
        "retry": Retry(NoBackoff(), 0),
        "max_connections": _MAX_CONNECTIONS,
    }
