"""What the diagnostics read from the server."""

import pytest
from redis import Redis
from support.timing import finishes_within

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import connect, read_server_info


def test_server_info_has_version_and_durability(redis: Redis) -> None:
    info = redis.info("server")
    server = read_server_info(redis)
    assert server.name == ("valkey" if "valkey_version" in info else "redis")
    assert server.version == info.get("valkey_version", info["redis_version"])
    assert server.redis_version >= (6, 2)
    assert server.appendonly == redis.config_get("appendonly")["appendonly"]
    assert server.appendfsync in {"always", "everysec", "no"}
    assert server.maxmemory_policy == "noeviction"
    assert abs(server.clock_offset_s) < 5


def test_server_info_without_config_command_lacks_the_settings(
    redis: Redis, redis_url: str
) -> None:
    """A managed server may forbid CONFIG."""
    redis.acl_setuser(
        "guest", enabled=True, passwords=["+word"], keys=["*"], commands=["+@all", "-config"]
    )
    guest = connect(redis_url.replace("://", "://guest:word@"))
    try:
        server = read_server_info(guest)
    finally:
        guest.close()
        redis.acl_deluser("guest")
    assert (server.appendonly, server.appendfsync, server.maxmemory_policy) == (None, None, None)
    assert server.redis_version >= (7, 0)
    assert abs(server.clock_offset_s) < 5


def test_server_info_changes_nothing(redis: Redis) -> None:
    before = redis.dbsize()
    read_server_info(redis)
    assert redis.dbsize() == before


def test_server_info_of_unreachable_server_is_unavailable() -> None:
    client = connect("redis://127.0.0.1:1/0")
    with finishes_within(0.65), pytest.raises(StoreUnavailable):
        read_server_info(client)
    client.close()
