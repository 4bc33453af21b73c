"""The shipped nginx before a real API."""

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
    """One that nobody trusts, with its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def served(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """The API by itself."""
    find_program("nginx")  # without it, an API is of no use here
    folder = tmp_path_factory.mktemp("api")
    with running_api({**environ, **WIDE_LIMITS}, folder) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(
    served: ApiProcess, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NginxProxy]:
    """The shipped nginx before it."""
    folder = tmp_path_factory.mktemp("nginx")
    with run_nginx(folder, certificate, served.port) as running:
        yield running
