"""What the server behind the store is, and whether it is set up for us. Changes nothing."""

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import Place, ask_cluster, ask_sentinel
from otpvoice.store.keys import TAG
from otpvoice.store.replies import malformed, translated
from otpvoice.store.url import ManyServers, known_servers, read_many

_PINGS: Final = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server as it describes itself; None for what it keeps to itself."""

    name: str
    """``redis`` or ``valkey``."""
    version: str
    """As in ``9.1.2``."""
    speaks: tuple[int, ...]
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
    memory_used: int
    """Bytes."""
    memory_bound: int
    """Bytes; 0: none but the machine's."""
    clock_ahead: float
    """Seconds that its clock is ahead of ours; as exact as half a round trip."""
    round_trip: float
    """Seconds, the median of some."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who can be asked for the primary: a Sentinel, or a node of a cluster."""

    place: Place
    primary: Place | None
    """The primary that it reports; None if it knows none, or did not reply."""
    trouble: str = ""
    """Why it did not reply, such as ``wrong password``."""


def probe(redis: Redis) -> Server:
    """Return what the server that ``redis`` is connected to tells about itself.

    Raises:
        StoreUnavailable: no reply, or no permission to ask.
    """
    with translated():
        info: dict[str, Any] = redis.info()
        clock_ahead, round_trip = _clock_ahead(redis), _round_trip(redis)
    if "redis_version" not in info:
        raise malformed()
    name = "valkey" if "valkey_version" in info else "redis"
    speaks = str(info["redis_version"])
    min_replicas = _setting(redis, "min-replicas-to-write")
    return Server(
        name=name,
        version=str(info.get("valkey_version", speaks)),
        speaks=tuple(int(part) for part in speaks.split(".") if part.isdigit()),
        appendonly=_setting(redis, "appendonly"),
        appendfsync=_setting(redis, "appendfsync"),
        maxmemory_policy=_setting(redis, "maxmemory-policy"),
        is_primary=info.get("role", "master") == "master",
        is_cluster_node=info.get("cluster_enabled") == 1,
        replicas=int(info.get("connected_slaves", 0)),
        min_replicas=None if min_replicas is None else int(min_replicas),
        memory_used=int(info.get("used_memory", 0)),
        memory_bound=int(info.get("maxmemory", 0)),
        clock_ahead=clock_ahead,
        round_trip=round_trip,
    )


def witnesses(url: str) -> Iterator[Witness]:
    """Yield what each server of a ``redis+sentinel://`` or ``redis+cluster://`` address reports.

    Raises:
        ValueError: it is neither.
    """
    servers = read_many(url)
    for place, client in zip(servers.places, known_servers(servers), strict=True):
        with closing(client):
            yield _witness(servers, place, client)


def _witness(servers: ManyServers, place: Place, client: Redis) -> Witness:
    try:
        with translated():
            if servers.service is None:
                return Witness(place, ask_cluster(client, TAG))
            return Witness(place, ask_sentinel(client, servers.service))
    except StoreUnavailable as error:
        return Witness(place, None, error.reason)


def _setting(redis: Redis, name: str) -> str | None:
    """Return one setting of the server; None where a managed server forbids to ask for it."""
    try:
        with translated():
            return redis.config_get(name).get(name)
    except StoreUnavailable as error:
        if error.is_lost:
            raise
        return None


def _clock_ahead(redis: Redis) -> float:
    began = time.time()
    seconds, microseconds = redis.time()
    return float(seconds + microseconds / 1e6) - (began + time.time()) / 2


def _round_trip(redis: Redis) -> float:
    took = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        redis.ping()
        took.append(time.perf_counter() - began)
    return statistics.median(took)
