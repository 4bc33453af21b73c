"""A service of which documented snippets of identity servers ask calls."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from integrations.snippets import Node, Snippets
from support.processes import free_port
from support.stack import Stack, running_service

_numbers = (f"+9198765{i:05}" for i in itertools.count(20000))


@pytest.fixture(scope="module")
def stack(environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a service whose public URL is its real one."""
    bind = f"127.0.0.1:{free_port()}"
    with running_service(
        environ,
        tmp_path_factory.mktemp("stack"),
        OTPVOICE_SERVER_BIND=bind,
        OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        OTPVOICE_LIMITS_CALL_GAP="60",  # as shipped: a repeated request does not ring at once
    ) as started:
        yield started


@pytest.fixture(scope="module")
def node(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run the Node in which snippets are evaluated."""
    with Node(stack.service, tmp_path_factory.mktemp("node") / "log") as node:
        yield node


@pytest.fixture
def snippets(stack: Stack, node: Node, tmp_path: Path) -> Snippets:
    """Provide the snippets of the pages, to run against the service."""
    return Snippets(stack.service, tmp_path, node)


@pytest.fixture
def number() -> str:
    """Return a number that no other test calls."""
    return next(_numbers)
