"""The same API as ``otpvoice api`` under gunicorn's own command."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from api.api_client import WEBHOOK
from deploy.nginx_proxy import CONFIG
from gunicorn.config import Config
from gunicorn.errors import ConfigError
from gunicorn.glogging import Logger
from metrics.scrape import scrape
from redis import Redis
from support.processes import Process, free_port, is_listening, wait_until
from support.raw_http import RawConnection, head
from support.service import PATH_TOKEN, WIDE_LIMITS
from support.stack import CALL_DELAY_S
from system.concurrency import RecordingClient, nth_number

from otpvoice.server.epoll_worker import EpollWorker


def gunicorn(*options: str) -> list[str]:
    """Return gunicorn's own command with the shipped configuration and further options."""
    configuration = str(CONFIG / "gunicorn.conf.py")
    return [sys.executable, "-m", "gunicorn", "-c", configuration, *options, "otpvoice.wsgi:app"]


@dataclass(frozen=True)
class Server:
    """A running gunicorn with few places for connections."""

    port: int
    log: Path


@pytest.fixture(scope="module")
def server(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run the API with gunicorn's own command."""
    port, log = free_port(), tmp_path_factory.mktemp("gunicorn") / "log"
    variables = environ | {"OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}"}
    with Process(gunicorn("--worker-connections", "20"), log, variables) as process:
        process.wait_until_ready(lambda: is_listening(port), "gunicorn")
        yield Server(port, log)
        assert process.terminate() == 0


def test_gunicorn_command_runs_the_same_api(server: Server) -> None:
    """It returns the same errors, and its JSON log quotes no request."""
    port, log = server.port, server.log
    with RawConnection(port) as line:
        line.send(head("GET /healthz HTTP/1.1"))
        assert line.read_response("GET").status == 200
    for broken in ("no colon", "X: " + "a" * 8200):
        with RawConnection(port) as line:
            line.send(head(f"GET {WEBHOOK}/{PATH_TOKEN} HTTP/1.1", broken))
            reply = line.read_response("GET")
        assert reply.is_problem(431 if len(broken) > 8 else 400, "invalid_request")
    wait_until(lambda: "request.malformed" in log.read_text("utf-8"), "the last line of the log")
    said = log.read_text("utf-8")
    assert {"http", "request.malformed"} <= {json.loads(row)["event"] for row in said.splitlines()}
    assert PATH_TOKEN not in said


def test_server_without_our_configuration_counts_all_workers(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    """``gunicorn otpvoice.wsgi:app`` with a folder in the environment."""
    assert redis.dbsize() == 0
    counts, bind = tmp_path / "counts", f"127.0.0.1:{free_port()}"
    counts.mkdir()
    options = ["--workers", "2", "--threads", "4", "--bind", bind]
    command = [sys.executable, "-m", "gunicorn", *options, "otpvoice.wsgi:app"]
    variables = {**environ, **WIDE_LIMITS, "PROMETHEUS_MULTIPROC_DIR": str(counts)}
    with (
        Process(command, tmp_path / "wsgi.log", variables) as gunicorn,
        ThreadPoolExecutor(8) as pool,
    ):
        line = RecordingClient(f"http://{bind}")
        wait_until(lambda: line.get_verification("vrf_unknown").status == 404, "gunicorn to start")
        wait_until(lambda: len([*counts.glob("counter_*")]) == 2, "both workers")
        asked = [
            pool.submit(line.create, nth_number(n), call_after=CALL_DELAY_S) for n in range(24)
        ]
        assert {each.result().status for each in asked} == {201}
        assert scrape(line.url).totals_by("creates_total", "outcome") == {("created",): 24}
        assert gunicorn.terminate() == 0


def test_connections_close_while_few_places_are_left(server: Server) -> None:
    """Otherwise clients that keep theirs would leave no place for others."""
    with ExitStack() as stack:
        lines = [stack.enter_context(RawConnection(server.port)) for _ in range(10)]
        for request in (head("GET /healthz HTTP/1.1"), head("GET / HTTP/1.1", "X: 1", "X: 2")):
            lines[-1] = stack.enter_context(RawConnection(server.port))
            lines[-1].send(request)
            assert lines[-1].read_response("GET").headers["connection"] == "close"
            assert lines[-1].is_closed()


def test_option_of_another_worker_stops_the_start(environ: dict[str, str], tmp_path: Path) -> None:
    """Plain requests would not follow it."""
    bind = {"OTPVOICE_SERVER_BIND": f"127.0.0.1:{free_port()}"}
    with Process(gunicorn("--max-requests", "5"), tmp_path / "log", environ | bind) as process:
        assert process.wait() != 0
    assert "requires server.worker" in process.output()


@pytest.mark.parametrize(
    ("option", "value"),
    [("max_requests", 5), ("accesslog", "-"), ("certfile", "tls.pem"), ("proxy_protocol", "v1")],
)
def test_option_of_another_worker_is_refused(option: str, value: object) -> None:
    """Each by its name; the defaults are not."""
    options = Config()
    EpollWorker.check_config(options, Logger(options))
    options.set(option, value)
    with pytest.raises(ConfigError, match=option):
        EpollWorker.check_config(options, Logger(options))
