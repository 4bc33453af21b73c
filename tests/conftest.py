"""A real server for every test that needs a store.

``OTPVOICE_TEST_REDIS`` names another server to run against, as in
``redis://localhost:6379/9``; its database is emptied before each test, so run them
in one process then (``make test ARGS="--numprocesses 0"``).
"""

import gc
import hashlib
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import structlog
from redis import Redis
from support.service import (
    BANK_KEY,
    BRIDGE,
    LOGIN_KEY,
    NUMBER_KEY,
    PATH_TOKEN,
    PROVIDER_TOKEN,
    RING_KEY,
    VALIDATION_KEY,
    WEBHOOK_SECRET,
)
from support.valkey import Valkey

from otpvoice.logs.context import merge_fields
from otpvoice.settings import Settings, load
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

pytest_plugins = ["browser", "javascript.node", "support.orphans"]


def pytest_configure(config: pytest.Config) -> None:
    """Enable Ctrl-C, and refuse to share one named server among processes."""
    # A process that a shell starts in the background ignores SIGINT, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Each process empties the server.
    if "OTPVOICE_TEST_REDIS" in os.environ and config.getoption("numprocesses", None):
        raise pytest.UsageError("OTPVOICE_TEST_REDIS is one server: add --numprocesses 0")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep garbage collections from visiting what is collected: none of it is garbage."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


# An example may be slow on a loaded machine.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

_LONGEST_FIRST = (
    *("system", "deploy", "examples", "cli", "client", "sandbox", "benchmarks"),
    *("test_orphans.py", "test_browser.py"),
)
"""Folders and files whose tests start processes. The others follow."""
_LONGEST_FILE = "test_production_walk.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that no worker has one left at the end."""

    def position(item: pytest.Item) -> int:
        if item.path.name == _LONGEST_FILE:
            return -1
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        is_long = folder in _LONGEST_FIRST
        return _LONGEST_FIRST.index(folder) if is_long else len(_LONGEST_FIRST)

    items.sort(key=position)


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


KEEP = 7 * 86_400_000
"""Milliseconds."""


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server with the shipped durability, or use the named one."""
    named = os.environ.get("OTPVOICE_TEST_REDIS")
    if named:
        yield named
        return
    folder = tmp_path_factory.mktemp("valkey")
    with Valkey(folder, "--appendonly", "yes", "--appendfsync", "no") as server:
        yield server.url


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """Start a server that the test may pause, kill and start again; it keeps nothing on disk."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with Valkey(folder) as server:
        yield server


@pytest.fixture(scope="session")
def clients() -> Iterator[Callable[[str], Redis]]:
    """Return the client of a URL, with a timeout that a loaded machine does not reach."""
    with ExitStack() as stack:
        yield cache(lambda url: stack.enter_context(closing(connect(url, timeout_s=30))))


@pytest.fixture
def redis(redis_url: str, clients: Callable[[str], Redis]) -> Redis:
    """Return a client of the emptied server."""
    client = clients(redis_url)
    client.flushdb()
    return client


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    """Create the store under test; ``store.clock_offset`` moves its clock."""
    return RedisStore(redis)


@pytest.fixture(scope="session")
def environ(redis_url: str) -> dict[str, str]:
    """Return the settings of a small service with two clients, as environment variables.

    The service waits for the store longer than half a second: a loaded machine delays both.
    """
    is_plain = redis_url.startswith(("redis://", "unix://"))
    patience = f"{'&' if '?' in redis_url else '?'}socket_timeout=10" if is_plain else ""
    return {
        "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
        "OTPVOICE_REDIS_URL": redis_url + patience,
        "OTPVOICE_SECRETS_KEYS": f"k1:{RING_KEY}",
        "OTPVOICE_SECRETS_NUMBER_KEY": NUMBER_KEY,
        "OTPVOICE_CLIENTS_LOGIN_KEY_SHA256": _sha256(LOGIN_KEY),
        "OTPVOICE_CLIENTS_BANK_KEY_SHA256": _sha256(BANK_KEY),
        "OTPVOICE_PROVIDER_TOKEN": PROVIDER_TOKEN,
        "OTPVOICE_PROVIDER_BRIDGE": BRIDGE,
        "OTPVOICE_PROVIDER_FLOWS": "default=24,hi=25",
        "OTPVOICE_PROVIDER_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN": PATH_TOKEN,
        "OTPVOICE_PROVIDER_VALIDATION_KEY": VALIDATION_KEY,
    }


@pytest.fixture(scope="session")
def settings(environ: dict[str, str]) -> Settings:
    """Load the settings of ``environ``."""
    return load(environ).settings


@pytest.fixture
def bound_log_fields() -> Iterator[None]:
    """Add the fields of the request to the lines that structlog prints by default."""
    processors = structlog.get_config()["processors"]
    processors.insert(0, merge_fields)
    yield
    processors.remove(merge_fields)
