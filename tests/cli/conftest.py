"""One whole service for all tests of commands."""

from collections.abc import Iterator

import pytest

from otpvoice.cli.backend import Backend
from otpvoice.cli.stack import Stack, free_port


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The service, with real parts."""
    with Stack(free_port()) as running:
        yield running


@pytest.fixture(scope="session")
def backend(stack: Stack) -> Backend:
    """A login backend of that service."""
    return Backend(stack.url, stack.api_key)


@pytest.fixture
def access(stack: Stack) -> dict[str, str]:
    """The variables that say where the service is, and who asks."""
    return {"OTPVOICE_URL": stack.url, "OTPVOICE_API_KEY": stack.api_key}
