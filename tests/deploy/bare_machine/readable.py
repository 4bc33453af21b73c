"""Print every file and process entry that this user can read and that has one of the secrets.

Arguments: the time from which on files were written, in seconds of the epoch; roots to search.
Descriptor 3 has the secrets, one a line. A file that nobody touched since then holds none.
"""

import os
import sys
from pathlib import Path


def files(root: str) -> list[str]:
    """Return every regular file below the root that this user can find."""
    return [f"{folder}/{name}" for folder, _, names in os.walk(root) for name in names]


def content(path: str, since: int) -> bytes:
    """Return what this user can read of it, if it was touched since then."""
    try:
        is_new = Path(path).is_file() and Path(path).stat().st_ctime >= since
        return Path(path).read_bytes() if is_new else b""
    except OSError:
        return b""


with os.fdopen(3, "rb") as listed:
    secrets = listed.read().split()
assert len(secrets) > 5, "no secrets to look for"
since, *roots = sys.argv[1:]
paths = [path for root in roots for path in files(root)]
for process in Path("/proc").glob("[0-9]*"):
    paths += [str(process / name) for name in ("cmdline", "environ")]
looked = 0
for path in paths:
    data = content(path, int(since))
    looked += bool(data)
    for number, secret in enumerate(secrets):
        if secret in data:
            print(f"{path} holds secret {number}")
print(f"{looked} files could be read")
