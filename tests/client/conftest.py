"""The API as a process, a client of it, and a dialer moved by hand."""

from collections.abc import Iterator

import pytest
from api.api_client import ManualDialer
from support.service import LOGIN_KEY, WIDE_LIMITS
from support.stack import ApiProcess, running_api

from otpvoice.client import Client
from otpvoice.store.redis_store import RedisStore


@pytest.fixture(scope="session")
def served(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """The API over real sockets; only an address may ask twice alone."""
    limits = WIDE_LIMITS | {"OTPVOICE_LIMITS_CALLS_PER_IP": "2/1h"}
    with running_api({**environ, **limits}, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def url(served: ApiProcess) -> str:
    """Where the API is."""
    return f"http://127.0.0.1:{served.port}"


@pytest.fixture
def dialer(store: RedisStore) -> ManualDialer:
    """One that is alive, over an emptied store."""
    store.sweep("a dialer")
    return ManualDialer(store)


@pytest.fixture
def client(url: str, dialer: ManualDialer) -> Iterator[Client]:
    """A login backend's; somebody is there to dial."""
    assert dialer.has_nothing_due()
    with Client(url, LOGIN_KEY) as talking:
        yield talking
