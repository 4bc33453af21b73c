"""The API as a process, a client of it, and a manual dialer."""

from collections.abc import Iterator

import pytest
from api.api_client import ManualDialer
from support.service import LOGIN_KEY, WIDE_LIMITS
from support.stack import ApiProcess, running_api

from otpvoice.store.redis_store import RedisStore
from otpvoice_client import Client


@pytest.fixture(scope="session")
def served(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """The API over real sockets; one address may create two verifications an hour."""
    limits = WIDE_LIMITS | {"OTPVOICE_LIMITS_CALLS_PER_IP": "2/1h"}
    with running_api({**environ, **limits}, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def url(served: ApiProcess) -> str:
    """The address of the API."""
    return f"http://127.0.0.1:{served.port}"


@pytest.fixture
def dialer(store: RedisStore) -> ManualDialer:
    """A dialer with a heartbeat, on an empty store."""
    store.sweep("a dialer")
    return ManualDialer(store)


@pytest.fixture
def client(url: str, dialer: ManualDialer) -> Iterator[Client]:
    """The client of a login backend; a dialer is running."""
    assert dialer.has_nothing_due()
    with Client(url, LOGIN_KEY) as talking:
        yield talking
