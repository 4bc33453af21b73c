"""Findings about the machine that the store runs on, as far as it is this one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from otpvoice.cli.doctor.findings import Finding, ok, warning

_OVERCOMMIT: Final = Path("/proc/sys/vm/overcommit_memory")
"""``0``: heuristic, ``1``: always, ``2``: never (Linux, proc(5))."""
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


def machine_findings(redis_url: str, overcommit: Path = _OVERCOMMIT) -> Iterator[Finding]:
    """Yield what the kernel of a store on this machine should be set to."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix" and parts.hostname not in _LOOPBACK:
        return
    try:
        value = overcommit.read_text("ascii").strip()
    except OSError:
        return
    subject = "vm.overcommit_memory"
    if value == "1":
        yield ok(subject, "1: the store can fork while its memory is large")
    else:
        yield warning(
            subject,
            f"is {value}: a rewrite of the append-only file can fail for lack of memory",
            "sysctl vm.overcommit_memory=1, and a line in /etc/sysctl.d/ for the next boot",
        )
