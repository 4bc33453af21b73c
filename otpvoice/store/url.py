"""From the address of the store to a client: one server, one behind Sentinels, or a cluster."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from otpvoice.store.discovery import (
    Address,
    PrimaryDiscovery,
    query_cluster,
    query_sentinel,
    server_address,
)
from otpvoice.store.keys import TAG

TIMEOUT_S: Final = 0.5
"""Seconds to wait for Redis. Longer and callers would pile up behind a store that is gone."""

_MAX_CONNECTIONS: Final = 2**31
"""Each thread has one at most, and their number is set elsewhere."""
# The library gives it no types.
_Pool: Final[Callable[..., ConnectionPool]] = SentinelConnectionPool
_HA_URL: Final = re.compile(
    r"redis\+(?P<kind>sentinel|cluster)://"
    r"((?P<user>[^:@/]*):(?P<password>[^:@/]*)@)?"
    r"(?P<places>[^@/?]+)"
    r"(/(?P<service>[^/?]+)(/(?P<db>[0-9]+))?)?/?"
    r"(\?(?P<query>.*))?"
)
_ADDRESS: Final = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class HaUrl:
    """Servers of which one, now this and now that, is the primary."""

    nodes: tuple[Address, ...]
    """Who can be asked for the primary: Sentinels, or nodes of the cluster."""
    service: str | None
    """The name that the Sentinels know the primary by; None in a cluster."""
    db: int
    user: str | None
    password: str | None = field(repr=False)
    """User and password are those of the primary and of a cluster's nodes."""
    tls: bool
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    """Sentinels take the user and password of their own configuration, or none."""


def parse_ha_url(url: str) -> HaUrl:
    """The servers that a ``redis+sentinel://`` or ``redis+cluster://`` address names.

    Raises:
        ValueError: it is neither; the text does not repeat it.
    """
    address = _HA_URL.fullmatch(url)
    places = (
        [_ADDRESS.fullmatch(place) for place in address["places"].split(",")] if address else []
    )
    if not address or (address["kind"] == "sentinel") != bool(address["service"]):
        raise ValueError("not an address of Sentinels with a service, or of a cluster without")
    if not all(places):
        raise ValueError("a host has no port")
    options = _parse_query(address["query"])
    return HaUrl(
        nodes=tuple((place["host"].strip("[]"), int(place["port"])) for place in places if place),
        service=address["service"] and unquote(address["service"]),
        db=int(address["db"] or 0),
        user=unquote(address["user"] or "") or None,
        password=unquote(address["password"] or "") or None,
        tls=options.get("tls") == "true",
        sentinel_user=options.get("sentinel_username") or None,
        sentinel_password=options.get("sentinel_password") or None,
    )


def _parse_query(query: str | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    options = {name: unquote(value) for name, _, value in pairs}
    is_known = {*options} <= {"tls", "sentinel_username", "sentinel_password"}
    if not is_known or options.get("tls", "true") not in {"true", "false"}:
        raise ValueError("what follows the service or the port is not a known option")
    return options


def connect(url: str, *, timeout_s: float = TIMEOUT_S) -> Redis:
    """A client that gives up after ``timeout_s`` seconds and never repeats a command.

    A command sent twice could count one check twice, or queue two calls. Nothing is connected to
    before the first command, and every new connection goes to whoever is the primary by then.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://``,
            ``redis+sentinel://[user:password@]host:port,host:port/service[/db]`` or
            ``redis+cluster://[user:password@]host:port,host:port``; the last two with
            ``?tls=true`` where all of them speak TLS. Sentinels that have a password of
            their own take it from ``?sentinel_username=…&sentinel_password=…``, percent-encoded.
        timeout_s: seconds. A client that waits in ``BLPOP`` needs more than it waits.

    Raises:
        ValueError: the address can not be read; the text does not repeat it.
    """
    options = _client_options(timeout_s)
    if not url.startswith("redis+"):
        return Redis.from_url(url, **options)
    servers = parse_ha_url(url)
    login = {"username": servers.user, "password": servers.password}
    options |= {"ssl": servers.tls, "db": servers.db, **login}
    if servers.service is None:
        name, primary = TAG, PrimaryDiscovery(node_clients(servers), query_cluster)
    else:
        name, primary = servers.service, PrimaryDiscovery(node_clients(servers), query_sentinel)
    return Redis.from_pool(_Pool(name, primary, **options))


def address_of(redis: Redis) -> str:
    """Return where a client connects to, without credentials, for log lines and messages."""
    primary = getattr(redis.connection_pool, "sentinel_manager", None)
    return (
        ",".join(primary.addresses)
        if isinstance(primary, PrimaryDiscovery)
        else server_address(redis)
    )


def node_clients(servers: HaUrl) -> list[Redis]:
    """Return a client for each server that knows the primary, in the order of the address."""
    login = {"username": servers.sentinel_user, "password": servers.sentinel_password}
    if servers.service is None:
        login = {"username": servers.user, "password": servers.password}
    # However many do not answer, to ask all of them takes no longer than one timeout.
    options = _client_options(TIMEOUT_S / len(servers.nodes)) | {"ssl": servers.tls, **login}
    return [Redis(host, port, **options) for host, port in servers.nodes]


def _client_options(timeout_s: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(timeout_s, TIMEOUT_S),
        "retry": Retry(NoBackoff(), 0),
        "max_connections": _MAX_CONNECTIONS,
    }
