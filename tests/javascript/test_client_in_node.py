"""The tests of ``clients/javascript/test`` in Node, with a service and the sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from javascript.node import CLIENT, Node
from support.service import LOGIN_KEY
from support.stack import Stack, running_service

FILES = sorted((CLIENT / "test").glob("*.test.js"))


@pytest.fixture(scope="module")
def stack(
    node: Node, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The service; apps get URLs of it."""
    del node  # without Node, no service is needed
    with running_service(environ, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_client_in_node(node: Node, stack: Stack, file: Path) -> None:
    """Every test of the file passes."""
    variables = {
        "OTPVOICE_URL": stack.service.url,
        "OTPVOICE_API_KEY": LOGIN_KEY,
        "SANDBOX_URL": stack.service.sandbox.url,
        "FIRST_NUMBER": str(919_810_000_001 + 100 * FILES.index(file)),
    }
    options = ("--test", "--test-reporter=spec", "--test-timeout=60000")
    report = node.run(*options, file, variables=variables)
    assert "pass " in report


def test_node_tests_are_found() -> None:
    """An empty list would pass."""
    assert {file.name for file in FILES} >= {"client.test.js", "retries.test.js"}
