"""Counting in a folder, so that a scrape shows all workers of the API, whichever answers it.

Each worker counts in files of its own, mapped into memory, which outlive it: a worker that is
killed loses nothing that it counted. The folder is the library's multi-process mode
(https://prometheus.github.io/client_python/multiprocess/), which a variable turns on.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

from prometheus_client import values

_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
"""Where files are no more than memory (Linux): nothing that is counted waits for a disk."""


def enable() -> Path:
    """From now on, what this process and those that it forks count is in a new, private folder."""
    in_memory = os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    folder = tempfile.mkdtemp(prefix="otpvoice-metrics-", dir=_SHARED_MEMORY if in_memory else None)
    os.environ[_VARIABLE] = folder
    # The library looks at the variable when it is imported, and that is over.
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call] # it has no types
    return Path(folder)


def directory() -> str | None:
    """Where this process and others count together, if they do."""
    return os.environ.get(_VARIABLE)
