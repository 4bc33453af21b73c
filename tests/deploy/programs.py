"""Programs of the system that these tests need."""

import os
import shutil

import pytest

_PATHS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> str:
    """Where it is; without it the test is left out, or fails if nothing may be."""
    found = shutil.which(name, path=_PATHS)
    if found is None:
        if os.environ.get("OTPVOICE_REQUIRE") == "all":
            pytest.fail(f"{name} is not installed, and nothing may be left out")
        pytest.skip(f"left out: {name} is not installed")
    return found
