"""A stopping API responds to all requests with ``Connection: close``, then refuses new connections.

``OTPVOICE_TEST_STOPS`` is how many times each kind of client meets a stop.
"""

import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest
import requests
from support.processes import wait_until
from support.raw_http import CREATE, RawConnection, head, post
from support.service import WIDE_LIMITS
from support.stack import ApiProcess, running_api

STOPS = int(os.environ.get("OTPVOICE_TEST_STOPS", "1"))
CLIENTS = 8
PING = head("GET /healthz HTTP/1.1")


class Busy:
    """A client that sends one request after the other until the server is gone."""

    def __init__(self, api: ApiProcess) -> None:
        self.api = api
        self.answered = 0
        self.lost: list[str] = []

    def with_session(self) -> None:
        """Sends over a pooled ``requests.Session``, which is not allowed to retry."""
        with requests.Session() as session:
            while self._counts(lambda: self._get(session)):
                pass

    def with_socket(self) -> None:
        """Sends over one raw connection after the other; a new one after ``Connection: close``."""
        while True:
            try:
                line = RawConnection(self.api.port)
            except ConnectionRefusedError:
                return
            with line:
                if not self._counts(lambda: self._use(line)):  # noqa: B023 - called at once
                    return

    def with_new_connections(self) -> None:
        """Opens a connection for each request, as clients without a pool do."""
        while self._counts(lambda: self._get(requests)):
            pass

    def _get(self, sender: object) -> None:
        assert sender.get(f"{self.api.url}/healthz", timeout=10).status_code == 200  # type: ignore[attr-defined]
        self.answered += 1

    def _use(self, line: RawConnection) -> None:
        while True:
            line.send(PING)
            reply = line.read_response("GET")
            assert reply.status == 200
            self.answered += 1
            if reply.headers.get("connection") == "close":
                return

    def _counts(self, send: Callable[[], None]) -> bool:
        """Whether to go on. A refused connection took nothing with it; anything else did."""
        try:
            send()
        except (OSError, HTTPException) as error:
            if "refused" not in str(error):
                self.lost.append(repr(error))
            return False
        return True


def _all_answered(clients: list[Busy]) -> bool:
    return all(client.answered > 20 for client in clients)


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("kind", ["with_session", "with_socket", "with_new_connections"])
@pytest.mark.usefixtures("redis")
def test_stop_with_busy_clients_loses_no_request(
    environ: Mapping[str, str], tmp_path: Path, kind: str, workers: str
) -> None:
    """Each request on an open connection is answered; later connections are refused at once."""
    for n in range(STOPS):
        with (
            running_api(
                {**environ, **WIDE_LIMITS}, tmp_path / str(n), OTPVOICE_SERVER_WORKERS=workers
            ) as api,
            ThreadPoolExecutor(CLIENTS) as pool,
        ):
            clients = [Busy(api) for _ in range(CLIENTS)]
            running = [pool.submit(getattr(each, kind)) for each in clients]
            wait_until(partial(_all_answered, clients), "the clients to be busy")
            assert api.process.terminate() == 0
            for each in running:
                each.result()
            assert [each.lost for each in clients] == [[]] * CLIENTS


def refuses(api: ApiProcess) -> bool:
    """Whether new connections are refused."""
    try:
        RawConnection(api.port).__exit__()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.usefixtures("redis")
def test_request_on_idle_connection_during_stop_is_answered_and_closed(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    """The client sent it before it could know."""
    with running_api({**environ, **WIDE_LIMITS}, tmp_path) as api, RawConnection(api.port) as line:
        line.send(PING)
        assert line.read_response("GET").headers.get("connection") == "keep-alive"
        api.process.signal(signal.SIGTERM)
        wait_until(lambda: refuses(api), "the stop")
        line.send(PING)
        reply = line.read_response("GET")
        assert (reply.status, line.is_closed()) == (200, True)


@pytest.mark.usefixtures("redis")
def test_request_with_late_body_during_stop_is_answered(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    """The head came before the signal, the body after it."""
    with running_api({**environ, **WIDE_LIMITS}, tmp_path) as api, RawConnection(api.port) as line:
        line.send(post(f"Content-Length: {len(CREATE)}", "Expect: 100-continue"))
        wait_until(lambda: line.peek() == b"H", "the API to ask for the body")
        api.process.signal(signal.SIGTERM)
        wait_until(lambda: refuses(api), "the stop")
        line.send(CREATE)
        assert line.read_response().is_problem(503, "calls_unavailable")  # no dialer runs


@pytest.mark.parametrize(("keepalive", "connection"), [("0", "close"), ("1", "keep-alive")])
@pytest.mark.usefixtures("redis")
def test_idle_connection_is_closed_after_keepalive_seconds(
    environ: Mapping[str, str], tmp_path: Path, keepalive: str, connection: str
) -> None:
    """As the setting says; 0 keeps none."""
    with (
        running_api(
            {**environ, **WIDE_LIMITS}, tmp_path, OTPVOICE_SERVER_KEEPALIVE=keepalive
        ) as api,
        RawConnection(api.port) as line,
    ):
        line.send(PING)
        assert line.read_response("GET").headers.get("connection") == connection
        assert line.is_closed()
