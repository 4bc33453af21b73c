"""Servers on real sockets, and clients for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from client.certificate import self_signed
from providers.servers import ScriptedServer

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
