"""The whole service as processes: gunicorn, a dialer, the sandbox, and a real store."""

from collections.abc import Iterator

import pytest
from system.processes import service_running
from world import Service


@pytest.fixture(scope="module")
def service(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service whose callbacks come in; it ends well, however it was used."""
    with service_running(environ, tmp_path_factory.mktemp("service")) as stack:
        yield stack.service
        assert (stack.dialer.ends(), stack.api.ends()) == (0, 0)
