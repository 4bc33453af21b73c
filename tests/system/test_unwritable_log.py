"""A log that cannot be written delays and ends nothing. Lost lines are counted and reported.

``OTPVOICE_TEST_LOG_REQUESTS`` is how many requests are timed against a reader that sleeps.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests
from support.processes import TIMEOUT_S, Process, free_port, wait_until
from support.service import LOGIN_KEY, WIDE_LIMITS, SandboxPhones
from support.stack import is_ready, sandbox_config
from support.timing import finishes_within

from otpvoice.store.discovery import connect
from otpvoice_sandbox import RunningSandbox

REQUESTS = int(os.environ.get("OTPVOICE_TEST_LOG_REQUESTS", "300"))
NUMBERS = [f"+9198765{n}4321" for n in range(6)]
_DROPPED = re.compile(r"^otpvoice_log_lines_dropped_total (\S+)$", re.MULTILINE)
_PIPE_BYTES = 4096


def _parsed(raw: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in raw.splitlines() if line.startswith(b"{")]


class Log:
    """A place for stderr, and the end of it that a test holds."""

    def __init__(self, descriptor: int | None, reader: int | None = None) -> None:
        self.descriptor = descriptor
        """None: closed when the process starts."""
        self.reader = reader

    def close(self) -> None:
        for each in (self.descriptor, self.reader):
            if each is not None:
                os.close(each)

    def loses_its_reader(self) -> None:
        assert self.reader is not None
        os.close(self.reader)
        self.reader = None

    def read(self, *events: str) -> list[dict[str, object]]:
        """Return the lines up to those of all these events."""
        assert self.reader is not None
        raw = b""
        while not all(event.encode() in raw for event in events) or not raw.endswith(b"\n"):
            raw += os.read(self.reader, 65_536)
        return _parsed(raw)

    def read_to_end(self) -> list[dict[str, object]]:
        """Return all lines that its only writer, the process, still writes."""
        assert self.descriptor is not None
        os.close(self.descriptor)
        self.descriptor = None
        assert self.reader is not None
        raw = b""
        while some := os.read(self.reader, 65_536):
            raw += some
        return _parsed(raw)


def pipe() -> Log:
    """Return a pipe that is full after a few lines without a reader."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return Log(writer, reader)


UNWRITABLE: dict[str, Callable[[], Log]] = {
    "a full disk": lambda: Log(os.open("/dev/full", os.O_WRONLY)),
    "closed at the start": lambda: Log(None),
}


def run(words: list[str], variables: Mapping[str, str], log: Log) -> Process:
    """Start ``otpvoice <words>`` with this log as stderr."""
    command = [sys.executable, "-m", "otpvoice", *words]
    if log.descriptor is None:
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    stderr = subprocess.DEVNULL if log.descriptor is None else log.descriptor
    return Process(command, Path(os.devnull), variables, stderr=stderr)


@dataclass
class Served:
    """A running ``otpvoice serve``."""

    url: str
    process: Process
    phones: SandboxPhones
    log: Log
    dialer_metrics: str

    def create(self, number: str) -> requests.Response:
        return requests.post(
            f"{self.url}/v1/verifications",
            json={"to": number},
            headers={"Authorization": f"Bearer {LOGIN_KEY}"},
            timeout=TIMEOUT_S,
        )

    def calls(self, numbers: list[str]) -> None:
        """Create a verification for each number, and wait until each has heard its code."""
        assert {self.create(number).status_code for number in numbers} == {201}
        wait_until(lambda: all(map(self._has_heard, numbers)), f"calls to {numbers}")

    def _has_heard(self, number: str) -> bool:
        return any(call["spoken"] for call in self.phones.calls(number))

    def dropped(self, url: str | None = None) -> float:
        found = _DROPPED.search(requests.get(f"{url or self.url}/metrics", timeout=TIMEOUT_S).text)
        assert found is not None
        return float(found[1])


@contextmanager
def serving(environ: Mapping[str, str], log: Log) -> Iterator[Served]:
    """``otpvoice serve`` on an emptied store, with this log as its stderr."""
    with closing(connect(environ["OTPVOICE_REDIS_URL"])) as redis:
        redis.flushdb()
    url, metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with ExitStack() as exits:
        sandbox = exits.enter_context(RunningSandbox(sandbox_config(environ, f"http://{url}")))
        variables = {
            **environ,
            **WIDE_LIMITS,
            "OTPVOICE_SERVER_BIND": url,
            "OTPVOICE_DIALER_METRICS_BIND": metrics,
            "OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url,
        }
        process = exits.enter_context(run(["serve"], variables, log))
        wait_until(lambda: is_ready(f"http://{url}"), "the service to start")
        yield Served(f"http://{url}", process, SandboxPhones(sandbox.url), log, f"http://{metrics}")


@pytest.mark.parametrize("place", ["a full disk", "closed at the start"])
def test_serve_with_unwritable_log_answers_and_dials_every_create(
    environ: dict[str, str], place: str
) -> None:
    """API and dialer count the lost lines, and SIGTERM ends both with status 0."""
    with closing(UNWRITABLE[place]()) as log, serving(environ, log) as served:
        served.calls(NUMBERS)
        wait_until(lambda: served.dropped() > 0, "the API to count")
        wait_until(lambda: served.dropped(served.dialer_metrics) > 0, "the dialer to count")
        assert served.process.terminate() == 0


def test_serve_continues_while_its_log_reader_sleeps_and_after_it_ends(
    environ: dict[str, str],
) -> None:
    """Its pipe is full after some lines. No request waits, and lines written before are whole."""
    with closing(pipe()) as log, serving(environ, log) as served:
        assert log.read("server.listening", "dialer.started")
        with finishes_within(0.02 * REQUESTS):  # a write that waits for the reader never ends
            _get_often(served.url)
        served.calls(NUMBERS[:3])
        log.loses_its_reader()
        served.calls(NUMBERS[3:])
        wait_until(lambda: served.dropped() > 0, "the API to count")
        assert served.process.terminate() == 0


def test_api_reports_lost_lines_when_the_log_is_writable_again(environ: dict[str, str]) -> None:
    """Lines written and lines reported as lost add up to the requests, and metric and log agree."""
    port, many = free_port(), 4300  # more than a process keeps and a pipe holds
    variables = {
        **environ,
        "OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}",
        "OTPVOICE_SERVER_WORKERS": "1",
    }
    with closing(pipe()) as log, run(["api"], variables, log) as process:
        wait_until(lambda: _listens(port), "the API to start")
        log.read("server.listening")
        with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
            for _ in range(many):
                assert _get(connection, "/v1/verifications/vrf_x")[0] == 401
            metric = float(_DROPPED.findall(_get(connection, "/metrics")[1])[0])
        lines = log.read("log.lines_dropped")
        process.signal(signal.SIGTERM)
        lines += log.read_to_end()
        assert process.wait() == 0
    answered = [line for line in lines if line.get("http_status") == 401]
    reported = sum(
        int(str(line["lines"])) for line in lines if line["event"] == "log.lines_dropped"
    )
    assert metric > 0
    own = reported - metric  # the lines of the scrape and of the stop, if they were lost as well
    assert 0 <= own <= 5
    assert len(answered) + metric == many


def test_sandbox_with_unwritable_log_serves_and_ends_well(environ: dict[str, str]) -> None:
    """Its server's lines go the same way."""
    for place in ("a full disk", "closed at the start"):
        port = free_port()
        with (
            closing(UNWRITABLE[place]()) as log,
            run(["sandbox", "--port", str(port)], environ, log) as process,
        ):
            wait_until(lambda port=port: _listens(port), "the sandbox to start")  # type: ignore[misc]
            with requests.Session() as session:
                for _ in range(50):
                    assert session.get(f"http://127.0.0.1:{port}/ledger", timeout=TIMEOUT_S).ok
            assert process.terminate() == 0, place


def _get(connection: HTTPConnection, path: str) -> tuple[int, str]:
    """Status and body; much cheaper than a session of requests."""
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def _listens(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=1).status_code > 0
    except requests.RequestException:
        return False


def _get_often(url: str) -> None:
    with closing(HTTPConnection(url.removeprefix("http://"), timeout=TIMEOUT_S)) as connection:
        for _ in range(REQUESTS):
            assert _get(connection, "/v1/verifications/vrf_x")[0] == 401
