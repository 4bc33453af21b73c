"""The API on a real store: in this process for what it answers, as gunicorn for what it reads."""

from collections.abc import Iterator

import pytest
from api.api_client import ApiClient, ManualDialer
from flask import Flask
from redis import Redis
from support.stack import ApiProcess, running_api

from otpvoice.app import create_app
from otpvoice.settings import Settings
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore


@pytest.fixture(scope="session")
def lasting_store(redis_url: str) -> Iterator[RedisStore]:
    """One store for all tests, because one application lives as long."""
    client = connect(redis_url)
    yield RedisStore(client)
    client.close()


@pytest.fixture
def store(redis: Redis, lasting_store: RedisStore) -> RedisStore:
    """The emptied store with the clock set right; ``store.clock_offset`` moves it."""
    assert redis.dbsize() == 0
    lasting_store.clock_offset_ms = 0
    return lasting_store


@pytest.fixture(scope="session")
def app(settings: Settings, lasting_store: RedisStore) -> Flask:
    """The application as ``otpvoice api`` wires it."""
    return create_app(settings, lasting_store)


@pytest.fixture
def api(app: Flask, store: RedisStore) -> ApiClient:
    """The door for the client ``login``; a dialer is alive."""
    store.sweep("a dialer")
    return ApiClient(app, store)


@pytest.fixture
def dialer(store: RedisStore) -> ManualDialer:
    """A dialer that does nothing by itself."""
    return ManualDialer(store)


@pytest.fixture(scope="module")
def served(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """The API as a process of its own, over real sockets."""
    with running_api(environ, tmp_path_factory.mktemp("api")) as running:
        yield running
