"""Programs of the system that these tests need."""

import os
import shutil
from typing import NoReturn

import pytest

_PATHS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def find_program(name: str) -> str:
    """Where it is; without it the test is left out, or fails if nothing may be."""
    found = shutil.which(name, path=_PATHS)
    if found is None:
        skip_or_fail(f"{name} is not installed")
    return found


def skip_or_fail(why: str) -> NoReturn:
    """Leave the test out, or fail it where nothing may be left out."""
    if os.environ.get("OTPVOICE_REQUIRE") == "all":
        pytest.fail(f"{why}, and nothing may be left out")
    pytest.skip(f"left out: {why}")
