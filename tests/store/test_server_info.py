"""What the doctor is told about the server."""

import pytest
from redis import Redis
from support.timing import finishes_within

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import connect
from otpvoice.store.server_info import read_server_info


def test_a_server_describes_itself(redis: Redis) -> None:
    """Its name, version and the settings that decide what a crash loses."""
    told = redis.info("server")
    server = read_server_info(redis)
    assert server.name == ("valkey" if "valkey_version" in told else "redis")
    assert server.version == told.get("valkey_version", told["redis_version"])
    assert server.redis_version >= (6, 2)
    assert server.appendonly == redis.config_get("appendonly")["appendonly"]
    assert server.appendfsync in {"always", "everysec", "no"}
    assert server.maxmemory_policy == "noeviction"
    assert abs(server.clock_offset_s) < 1


def test_a_probe_changes_nothing(redis: Redis) -> None:
    """Nor does it leave anything."""
    before = redis.dbsize()
    read_server_info(redis)
    assert redis.dbsize() == before


def test_nobody_there() -> None:
    """At once, as every step of the store."""
    client = connect("redis://127.0.0.1:1/0")
    with finishes_within(0.65), pytest.raises(StoreUnavailable):
        read_server_info(client)
    client.close()
