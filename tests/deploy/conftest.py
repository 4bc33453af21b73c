"""The shipped nginx in front of a real API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from client.certificate import self_signed
from deploy.nginx_proxy import NginxProxy, run_nginx
from support.processes import find_program
from support.service import WIDE_LIMITS
from support.stack import ApiProcess, running_api


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a self-signed certificate with its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def served(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """Run the API without nginx."""
    find_program("nginx")  # without it, the tests are skipped before the API starts
    folder = tmp_path_factory.mktemp("api")
    with running_api({**environ, **WIDE_LIMITS}, folder) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(
    served: ApiProcess, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NginxProxy]:
    """Run the shipped nginx in front of it."""
    folder = tmp_path_factory.mktemp("nginx")
    with run_nginx(folder, certificate, served.port) as running:
        yield running
