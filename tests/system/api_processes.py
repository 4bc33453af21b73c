"""The API as processes of its own, with nobody who dials beside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from support.processes import Process, free_port, otpvoice_process, wait_until
from support.service import WIDE_LIMITS

CALL_DELAY_S = 200
"""Seconds of ``call_after``: a call that is not due yet is promised though nobody dials."""


@dataclass(frozen=True)
class ApiProcess:
    """A running ``otpvoice api``."""

    process: Process
    port: int

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_api(variables: Mapping[str, str], folder: Path, **changes: str) -> Iterator[ApiProcess]:
    """An API that ends well; ``changes``: further variables of its environment."""
    port = free_port()
    bind = {"OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}"}
    folder.mkdir(exist_ok=True)
    with otpvoice_process(
        "api", {**variables, **WIDE_LIMITS, **bind, **changes}, folder
    ) as process:
        api = ApiProcess(process, port)
        wait_until(lambda: is_alive(api), f"the api to start; see {folder}")
        yield api
        assert process.terminate() == 0


def is_alive(api: ApiProcess) -> bool:
    """Whether it answers."""
    try:
        return requests.get(f"{api.url}/healthz", timeout=1).ok
    except requests.RequestException:
        return False
