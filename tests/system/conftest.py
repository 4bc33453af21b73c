"""The whole service as processes: gunicorn, a dialer, the sandbox, and a real store."""

from collections.abc import Iterator

import pytest
from support.service import RunningService
from support.stack import running_service


@pytest.fixture(scope="module")
def service(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """Run a service with callbacks; its processes end with status 0."""
    with running_service(environ, tmp_path_factory.mktemp("service")) as stack:
        yield stack.service
        assert (stack.dialer.terminate(), stack.api.terminate()) == (0, 0)
