"""A client that listens, and a service that tells it what becomes of its verifications."""

from collections.abc import Callable, Iterator

import pytest
from events.receiver import Client
from events.telling import Telling, told_at
from redis import Redis

from otpvoice.settings import load


@pytest.fixture
def client() -> Iterator[Client]:
    """A client that listens."""
    with Client() as listening:
        yield listening


@pytest.fixture
def telling_of(environ: dict[str, str], redis: Redis) -> Callable[..., Telling]:
    """Makes a service with settings of the test's own."""

    def make(**changes: str) -> Telling:
        return Telling(load(environ | changes).settings, redis)

    return make


@pytest.fixture
def telling(telling_of: Callable[..., Telling], client: Client) -> Telling:
    """A service that tells the client."""
    return telling_of(**told_at(client))
