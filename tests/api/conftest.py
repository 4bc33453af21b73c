"""The API on a real store: in this process, and as a gunicorn process for tests of bytes."""

from collections.abc import Callable, Iterator

import pytest
from api.api_client import ApiClient, ManualDialer, StartApi, settings_with
from api.hook_requests import SETTINGS
from flask import Flask
from redis import Redis
from support.stack import ApiProcess, running_api

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore


@pytest.fixture(scope="session")
def lasting_store(redis_url: str, clients: Callable[[str], Redis]) -> RedisStore:
    """Share one store between all tests, because they share one application."""
    return RedisStore(clients(redis_url))


@pytest.fixture
def store(redis: Redis, lasting_store: RedisStore) -> RedisStore:
    """Return the emptied store with its clock reset; ``store.clock_offset_ms`` moves it."""
    del redis  # its fixture has emptied the server
    lasting_store.clock_offset_ms = 0
    return lasting_store


@pytest.fixture(scope="session")
def app(settings: Settings, lasting_store: RedisStore) -> Flask:
    """Return the application as ``otpvoice api`` builds it."""
    return create_app(settings, lasting_store)


@pytest.fixture
def api(app: Flask, store: RedisStore) -> ApiClient:
    """Return a driver for the client ``login``; a dialer is alive."""
    store.sweep("a dialer")
    return ApiClient(app, store)


@pytest.fixture
def start_api(environ: dict[str, str], redis: Redis) -> StartApi:
    """Return a function that starts an API with changed settings; nothing is redialed."""

    def start(**changes: str | None) -> ApiClient:
        settings = settings_with(environ, **{"verification_max_redials": "0", **changes})
        store = RedisStore(redis, policy=Container(settings).policy)
        store.sweep("a dialer")
        return ApiClient(create_app(settings, store), store)

    return start


@pytest.fixture(scope="session")
def hooks_app(environ: dict[str, str], lasting_store: RedisStore) -> Flask:
    """Return an application with a client for each kind of identity server."""
    return create_app(settings_with(environ, **SETTINGS), lasting_store)


@pytest.fixture
def hooks(hooks_app: Flask, store: RedisStore) -> ApiClient:
    """Return a driver of that application; a dialer is alive."""
    store.sweep("a dialer")
    return ApiClient(hooks_app, store)


@pytest.fixture
def dialer(store: RedisStore) -> ManualDialer:
    """Return a dialer that does nothing by itself."""
    return ManualDialer(store)


@pytest.fixture(scope="session")
def served(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """Start the API as a process with real sockets."""
    with running_api(environ, tmp_path_factory.mktemp("api")) as running:
        yield running
