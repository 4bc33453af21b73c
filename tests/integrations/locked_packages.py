"""Packages of others, installed from locks of their own, because their dependencies differ.

They are kept in the virtual environment, so only the first run installs them.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support.processes import find_program, skip_or_fail

_INSTALLED = Path(sys.prefix) / "locked-packages"


def install_once(lock: Path, install: Callable[[Path], list[str | Path]]) -> Path:
    """Return the folder with the packages of a lock; install them if it does not exist.

    Args:
        lock: names every package with its hash.
        install: returns the command that installs the packages into a folder.
    """
    folder = _INSTALLED / f"{lock.stem}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        _INSTALLED.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_INSTALLED) as temporary:
            incomplete = Path(temporary) / "sdk"
            incomplete.mkdir()
            command = install(incomplete)
            done = subprocess.run(
                command, cwd=incomplete, capture_output=True, text=True, check=False
            )
            if done.returncode:
                skip_or_fail(f"the locked packages cannot be installed: {done.stderr[-500:]}")
            with suppress(OSError):  # another process of the tests was faster
                incomplete.rename(folder)
            assert folder.exists()
    return folder


def python_packages(lock: Path) -> Path:
    """Return the folder with the Python packages of a lock."""

    def install(folder: Path) -> list[str | Path]:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        return [*pip, "--no-compile", "--require-hashes", "--target", folder, "-r", lock]

    return install_once(lock, install)


def node_packages(source: Path) -> Path:
    """Return ``node_modules`` with the packages for Node of the lock in a folder."""
    npm = find_program("npm")

    def install(folder: Path) -> list[str | Path]:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        return [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]

    return install_once(source / "package-lock.json", install) / "node_modules"
