"""A worker without a free file descriptor serves its connections, and stops as usual."""

import resource
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.processes import wait_until
from support.raw_http import head
from support.service import WIDE_LIMITS
from support.stack import ApiProcess, running_api

PING = head("GET /healthz HTTP/1.1")
STOP_S = 10.0
"""Less than the time after which a worker that does not stop is killed."""
SPARE = 4
"""Connections that the worker can still accept."""


@pytest.fixture
def api(environ: Mapping[str, str], tmp_path: Path) -> Iterator[ApiProcess]:
    """A running API with one worker."""
    with running_api({**environ, **WIDE_LIMITS, "OTPVOICE_SERVER_WORKERS": "1"}, tmp_path) as api:
        assert api.send(PING).status == 200  # the worker has opened all that it needs
        yield api


def limit_descriptors(api: ApiProcess, spare: int) -> None:
    """Let the worker open this many descriptors more."""
    (worker,) = api.process.child_pids()
    limit = len([*Path(f"/proc/{worker}/fd").iterdir()]) + spare
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (limit, limit + 1024))


def exhaust(api: ApiProcess, exits: ExitStack) -> None:
    """Open more connections than the worker can accept, and wait until it fails to."""
    limit_descriptors(api, SPARE)
    for _ in range(2 * SPARE):
        exits.enter_context(api.connect())
    wait_until(lambda: "Accept failed" in api.log.read_text(), "a connection that is not accepted")


@pytest.mark.usefixtures("redis")
def test_connections_are_served_while_none_can_be_accepted(api: ApiProcess) -> None:
    """Those that wait are served when others have gone."""
    with api.connect() as kept:
        kept.send(PING)
        assert kept.read_response().status == 200
        with ExitStack() as others:
            exhaust(api, others)
            kept.send(PING)
            assert kept.read_response().status == 200
        assert api.send(PING).status == 200


@pytest.mark.usefixtures("redis")
def test_stop_without_free_descriptors_answers_open_connections(api: ApiProcess) -> None:
    with api.connect() as kept, ExitStack() as others:
        kept.send(PING)
        assert kept.read_response().status == 200
        exhaust(api, others)
        api.process.signal(signal.SIGTERM)
        kept.send(PING)
        assert kept.read_response().status == 200
        assert api.process.wait(STOP_S) == 0
