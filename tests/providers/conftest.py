"""Servers on real sockets, and clients for them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from client.certificate import self_signed
from providers.provider_stub import ProviderStub
from providers.scripted_server import ScriptedServer

from otpvoice.http_client import HttpClient


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Run a server without TLS."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def client() -> HttpClient:
    """Return a client without connections."""
    return HttpClient()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a self-signed certificate for ``localhost`` with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def http() -> HttpClient:
    """Return one client for all tests of the provider."""
    return HttpClient()


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    """Run a provider without behaviour of its own."""
    with ProviderStub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()
