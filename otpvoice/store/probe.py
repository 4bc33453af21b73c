"""What the server behind the store is, and whether it is set up for us. Changes nothing."""

import time
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from otpvoice.core.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
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
    clock_ahead: float
    """Seconds that its clock is ahead of ours; as exact as half a round trip."""


def probe(redis: Redis) -> Server:
    """The server that ``redis`` is connected to.

    Raises:
        StoreUnavailable: no answer, or no access; the text is the library's.
    """
    try:
        info: dict[str, Any] = redis.info("server")
        name = "valkey" if "valkey_version" in info else "redis"
        speaks = str(info["redis_version"])
        return Server(
            name=name,
            version=str(info.get("valkey_version", speaks)),
            speaks=tuple(int(part) for part in speaks.split(".") if part.isdigit()),
            appendonly=_setting(redis, "appendonly"),
            appendfsync=_setting(redis, "appendfsync"),
            maxmemory_policy=_setting(redis, "maxmemory-policy"),
            clock_ahead=_clock_ahead(redis),
        )
    except RedisError as error:
        raise StoreUnavailable(str(error)) from error


def _setting(redis: Redis, name: str) -> str | None:
    """One setting of the server. Providers of a managed one may forbid to ask."""
    try:
        return redis.config_get(name).get(name)
    except ResponseError:
        return None


def _clock_ahead(redis: Redis) -> float:
    began = time.time()
    seconds, microseconds = redis.time()
    return float(seconds + microseconds / 1e6) - (began + time.time()) / 2
