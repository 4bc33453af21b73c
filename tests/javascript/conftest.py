"""Node with the locked packages of ``clients/javascript``."""

import subprocess

import pytest
from javascript.node import MIN_NODE, MODULES, Node
from support.processes import find_program, skip_or_fail


@pytest.fixture(scope="session")
def node() -> Node:
    """Node, and the locked packages. Where one is missing, the test is left out."""
    program = find_program("node")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").partition(".")[0]) < MIN_NODE:
        skip_or_fail(f"node {version.stdout.strip()} is older than {MIN_NODE}")
    if not (MODULES / ".installed").exists():
        skip_or_fail(f"{MODULES} is missing; run `make javascript`")
    return Node(program)
