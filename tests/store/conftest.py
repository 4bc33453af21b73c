"""The store's tests run on Valkey and on Redis, and each ends with a look at the keys it left."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from store.driver import StoreDriver
from support.processes import find_program
from support.valkey import Valkey

from otpvoice.store.discovery import connect
from otpvoice.store.keys import Keys
from otpvoice.store.redis_store import RedisStore

SERVERS = ["valkey", "redis-server"]
if "OTPVOICE_TEST_REDIS" in os.environ:
    SERVERS = ["given"]

Sent = Callable[[Callable[[], object]], list[str]]
"""A step → the commands that the server got from clients while it ran."""


@pytest.fixture(scope="session", params=SERVERS)
def redis_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Valkey from its wheel, and the system's Redis, or the server that was named."""
    if request.param == "given":
        yield os.environ["OTPVOICE_TEST_REDIS"]
    elif request.param == "valkey":
        folder = tmp_path_factory.mktemp("valkey")
        with Valkey(folder, "--appendonly", "yes") as server:
            yield server.url
    else:
        yield from _system_redis(tmp_path_factory.mktemp("redis"))


def _system_redis(folder: Path) -> Iterator[str]:
    socket = folder / "redis.sock"
    options = ("--appendonly", "yes", "--unixsocket", str(socket))
    with Valkey(folder, *options, program=find_program("redis-server")):
        yield f"unix://{socket}?db=0"


@pytest.fixture(autouse=True)
def every_key_ends(redis: Redis) -> Iterator[None]:
    """Promise 9: a key has an end, or is an index that goes with its last member."""
    yield
    queue, dialing, live, expiring, _, _, pull = Keys().indexes
    endless = {key.decode() for key in redis.scan_iter() if redis.pttl(key) < 0}
    assert endless <= {queue, dialing, live, expiring, pull}


@pytest.fixture
def driver(store: RedisStore) -> StoreDriver:
    """A desk and a dialer, which was just heard of."""
    return StoreDriver(store)


@pytest.fixture
def sent(redis_url: str, redis: Redis) -> Iterator[Sent]:
    """Tells the commands that the server gets from clients while a step runs."""
    watching: Any = connect(redis_url, timeout_s=5)
    step_is_over = "the step is over"

    def watch(step: Callable[[], object]) -> list[str]:
        commands: list[str] = []
        with watching.monitor() as monitor:
            step()
            redis.echo(step_is_over)
            for told in monitor.listen():
                if step_is_over in told["command"]:
                    break
                if told["client_type"] != "lua":
                    commands.append(told["command"].split()[0].upper())
        return commands

    yield watch
    watching.close()
