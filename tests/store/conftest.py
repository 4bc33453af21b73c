"""Servers and fixtures for the tests of the store. After each test, every key must expire.

Both engines run the same Lua and commands, so most tests run on Valkey only. The modules in
``BOTH_ENGINES`` run on Redis as well, because the engines may differ there: loading a library,
error texts, permissions, encodings and memory, the server's description, the clock, and one run
of every function.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from store.driver import StoreDriver
from store.expiry import wrongly_endless
from store.many_numbers import ManyNumbers
from support.processes import find_program
from support.valkey import IN_MEMORY, Valkey

from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

BOTH_ENGINES = {
    *("test_functions", "test_library", "test_selftest", "test_server_info", "test_clock"),
    *("test_replies", "test_outage", "test_connections", "test_quarantine"),
    *("test_memory", "test_memory_of_limits"),
}

Sent = Callable[[Callable[[], object]], list[str]]
"""An action → the commands that clients sent to the server while it ran."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the servers of a test."""
    if "redis_url" not in metafunc.fixturenames:
        return
    engines = ["valkey"]
    if "OTPVOICE_TEST_REDIS" in os.environ:
        engines = ["external"]
    elif metafunc.module.__name__.rpartition(".")[2] in BOTH_ENGINES:
        engines = ["valkey", "redis-server"]
    metafunc.parametrize("redis_url", engines, indirect=True, scope="session")


@pytest.fixture(scope="session")
def redis_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Start Valkey from its wheel or the system's Redis, or use ``OTPVOICE_TEST_REDIS``."""
    if request.param == "external":
        yield os.environ["OTPVOICE_TEST_REDIS"]
    elif request.param == "valkey":
        folder = tmp_path_factory.mktemp("valkey")
        with Valkey(folder) as server:
            yield server.url
    else:
        yield from _system_redis(tmp_path_factory.mktemp("redis"))


def _system_redis(folder: Path) -> Iterator[str]:
    socket = folder / "redis.sock"
    with Valkey(
        folder, *IN_MEMORY, "--unixsocket", str(socket), program=find_program("redis-server")
    ):
        yield f"unix://{socket}?db=0"


@pytest.fixture(autouse=True)
def every_key_expires(redis: Redis) -> Iterator[None]:
    """Check promise 9."""
    yield
    assert not wrongly_endless(redis)


@pytest.fixture
def driver(store: RedisStore) -> StoreDriver:
    """A client and a running dialer."""
    return StoreDriver(store)


@pytest.fixture
def numbers(driver: StoreDriver) -> ManyNumbers:
    """Return many numbers to call."""
    return ManyNumbers(driver)


@pytest.fixture
def sent(redis_url: str, redis: Redis) -> Iterator[Sent]:
    """Return the commands that clients send to the server while an action runs."""
    watching: Any = connect(redis_url, timeout_s=5)
    marker = "the action has ended"

    def watch(action: Callable[[], object]) -> list[str]:
        commands: list[str] = []
        with watching.monitor() as monitor:
            action()
            redis.echo(marker)
            for seen in monitor.listen():
                if marker in seen["command"]:
                    break
                if seen["client_type"] != "lua":
                    commands.append(seen["command"].split()[0].upper())
        return commands

    yield watch
    watching.close()
