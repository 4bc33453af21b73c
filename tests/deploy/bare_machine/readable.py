"""Print every file and process entry that this user can read and that has one of the secrets.

Arguments: a file with the secrets, one a line, open as descriptor 3; roots to search.
"""

import os
import sys
from pathlib import Path


def files(root: str) -> list[str]:
    """Return every regular file below the root that this user can find."""
    return [f"{folder}/{name}" for folder, _, names in os.walk(root) for name in names]


def content(path: str) -> bytes:
    """Return what this user can read of it."""
    try:
        return Path(path).read_bytes() if Path(path).is_file() else b""
    except OSError:
        return b""


with os.fdopen(3, "rb") as listed:
    secrets = listed.read().split()
assert len(secrets) > 5, "no secrets to look for"
paths = [path for root in sys.argv[1:] for path in files(root)]
for process in Path("/proc").glob("[0-9]*"):
    paths += [str(process / name) for name in ("cmdline", "environ")]
looked = 0
for path in paths:
    data = content(path)
    looked += bool(data)
    for number, secret in enumerate(secrets):
        if secret in data:
            print(f"{path} holds secret {number}")
print(f"{looked} files could be read")
