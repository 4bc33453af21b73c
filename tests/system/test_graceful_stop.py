"""A stopping API responds to all requests with ``Connection: close``, then refuses new connections.

``OTPVOICE_TEST_STOPS`` is the number of stops.
"""

import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from itertools import cycle
from pathlib import Path

import pytest
import requests
from support.processes import TIMEOUT_S, wait_until
from support.raw_http import CREATE, RawConnection, head, post
from support.service import WIDE_LIMITS
from support.stack import ApiProcess, running_api

STOPS = int(os.environ.get("OTPVOICE_TEST_STOPS", "2"))
CLIENTS = 12
PING = head("GET /healthz HTTP/1.1")
PATIENT = {"OTPVOICE_SERVER_KEEPALIVE": str(round(TIMEOUT_S))}
"""No connection is idle for too long, however slow the machine is."""


class BusyClient:
    """A client that sends one request after the other until the server is gone."""

    def __init__(self, api: ApiProcess) -> None:
        self.api = api
        self.answered = 0
        self.lost: list[str] = []

    def use_session(self) -> None:
        """Send over a pooled ``requests.Session``, which does not retry."""
        with requests.Session() as session:
            while self._count(lambda: self._get(session)):
                pass

    def use_socket(self) -> None:
        """Send over raw connections, with a new one after ``Connection: close``."""
        while True:
            try:
                line = RawConnection(self.api.port)
            except ConnectionRefusedError:
                return
            with line:
                if not self._count(lambda: self._use(line)):  # noqa: B023 - called at once
                    return

    def reconnect(self) -> None:
        """Open a connection for each request."""
        while self._count(lambda: self._get(requests)):
            pass

    def _get(self, sender: object) -> None:
        assert sender.get(f"{self.api.url}/healthz", timeout=TIMEOUT_S).status_code == 200  # type: ignore[attr-defined]
        self.answered += 1

    def _use(self, line: RawConnection) -> None:
        while True:
            line.send(PING)
            reply = line.read_response("GET")
            assert reply.status == 200
            self.answered += 1
            if reply.headers.get("connection") == "close":
                return

    def _count(self, send: Callable[[], None]) -> bool:
        """Return whether to continue. Only a refused connection loses no request."""
        try:
            send()
        except (OSError, HTTPException) as error:
            if "refused" not in str(error):
                self.lost.append(repr(error))
            return False
        return True


def _all_answered(clients: list[BusyClient]) -> bool:
    return all(client.answered > 20 for client in clients)


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.usefixtures("redis")
def test_stop_with_busy_clients_loses_no_request(
    environ: Mapping[str, str], tmp_path: Path, workers: str
) -> None:
    """Each request on an open connection is answered; later connections are refused at once."""
    variables = {**environ, **WIDE_LIMITS, **PATIENT, "OTPVOICE_SERVER_WORKERS": workers}
    for n in range(STOPS):
        with (
            running_api(variables, tmp_path / str(n)) as api,
            ThreadPoolExecutor(CLIENTS) as pool,
        ):
            clients = [BusyClient(api) for _ in range(CLIENTS)]
            # New connections come in while the listening socket closes: most clients reconnect.
            kinds = cycle(
                [BusyClient.use_session, BusyClient.reconnect, BusyClient.use_socket]
                + 3 * [BusyClient.reconnect]
            )
            running = [pool.submit(use, each) for use, each in zip(kinds, clients, strict=False)]
            wait_until(partial(_all_answered, clients), "the clients to be busy")
            assert api.process.terminate() == 0
            for each in running:
                each.result()
            assert [each.lost for each in clients] == [[]] * CLIENTS


def refuses(api: ApiProcess) -> bool:
    """Return whether new connections are refused."""
    try:
        RawConnection(api.port).__exit__()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.usefixtures("redis")
def test_request_on_open_connection_during_stop_is_answered(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    """On an idle connection, and on one whose request has begun before the signal."""
    with (
        running_api({**environ, **WIDE_LIMITS, **PATIENT}, tmp_path) as api,
        api.connect() as idle,
        api.connect() as begun,
    ):
        idle.send(PING)
        assert idle.read_response("GET").headers.get("connection") == "keep-alive"
        begun.send(post(f"Content-Length: {len(CREATE)}", "Expect: 100-continue"))
        wait_until(lambda: begun.peek() == b"H", "the API to ask for the body")
        api.process.signal(signal.SIGTERM)
        wait_until(lambda: refuses(api), "the stop")
        idle.send(PING)
        assert (idle.read_response("GET").status, idle.is_closed()) == (200, True)
        begun.send(CREATE)
        assert begun.read_response().is_problem(503, "calls_unavailable")  # no dialer runs


@pytest.mark.parametrize(("keepalive", "connection"), [("0", "close"), ("1", "keep-alive")])
@pytest.mark.usefixtures("redis")
def test_idle_connection_is_closed_after_keepalive_seconds(
    environ: Mapping[str, str], tmp_path: Path, keepalive: str, connection: str
) -> None:
    """0 closes it after the response."""
    with (
        running_api(
            {**environ, **WIDE_LIMITS}, tmp_path, OTPVOICE_SERVER_KEEPALIVE=keepalive
        ) as api,
        RawConnection(api.port) as line,
    ):
        line.send(PING)
        assert line.read_response("GET").headers.get("connection") == connection
        assert line.is_closed()
