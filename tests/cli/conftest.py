"""A whole service, and an API with a manual dialer for tests of operators' commands."""

from collections.abc import Iterator

import pytest
from api.api_client import ApiClient, ManualDialer
from redis import Redis
from support.demo_stack import PreloadedStack

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore
from otpvoice_client import Client
from otpvoice_demo.stack import Stack, free_port


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Start the service with all its processes."""
    with PreloadedStack(free_port()) as running:
        yield running


@pytest.fixture(scope="session")
def client(stack: Stack) -> Client:
    """A login backend of that service."""
    return Client(stack.url, stack.api_key)


@pytest.fixture
def access(stack: Stack) -> dict[str, str]:
    """The variables that name the service and its API key."""
    return {"OTPVOICE_URL": stack.url, "OTPVOICE_API_KEY": stack.api_key}


@pytest.fixture
def store(redis: Redis, settings: Settings) -> RedisStore:
    """An empty store with the limits of ``environ``."""
    return RedisStore(redis, policy=Container(settings).policy)


@pytest.fixture
def api(settings: Settings, store: RedisStore) -> ApiClient:
    """The API for the client ``login``, with a live dialer."""
    store.sweep("a dialer")
    return ApiClient(create_app(settings, store), store)


@pytest.fixture
def dialer(store: RedisStore) -> ManualDialer:
    """A dialer that acts only on a test's request."""
    return ManualDialer(store)
