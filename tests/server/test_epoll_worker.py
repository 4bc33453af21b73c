"""The worker serves other clients whatever a client does, without a proxy in front.

The API has 16 threads in one worker. ``OTPVOICE_TEST_BAD_CLIENTS`` is how many clients do it.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest
from support.raw_http import CREATE, head, post
from support.service import WIDE_LIMITS
from support.stack import ApiProcess, running_api
from support.timing import finishes_within

from otpvoice.server.epoll_worker import READ_TIMEOUT_S

BAD_CLIENTS = int(os.environ.get("OTPVOICE_TEST_BAD_CLIENTS", "64"))
REQUESTS = 50
MAX_MEDIAN_S, MAX_LATENCY_S = 1.0, READ_TIMEOUT_S / 2
"""A busy machine delays requests; a thread that waits for a client does so until the timeout."""
STATUS = re.compile(rb"HTTP/1.1 (\d+) ")
PING = head("GET /healthz HTTP/1.1")
BEHAVIOURS: Mapping[str, list[bytes]] = {
    "sends nothing": [],
    "sends half a request line": [b"GET /heal"],
    "sends half a head": [PING[:-4]],
    "sends half a body": [post(f"Content-Length: {len(CREATE)}"), CREATE[:5]],
    "does not close": [head("GET /healthz HTTP/1.1", "Connection: close")],
    "does not read": [head("GET /openapi.json HTTP/1.1") * 20],
}


@pytest.fixture(scope="module", params=["epoll"])
def api(
    request: pytest.FixtureRequest,
    environ: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiProcess]:
    """A running API."""
    folder = tmp_path_factory.mktemp("api")
    variables = {**environ, **WIDE_LIMITS, "OTPVOICE_SERVER_WORKER": request.param}
    with running_api(variables, folder) as api:
        yield api


def latencies(api: ApiProcess) -> list[float]:
    """Return the sorted seconds that some requests took, each with its connection."""
    took = []
    for _ in range(REQUESTS):
        began = time.monotonic()
        assert api.send(PING).status == 200
        took.append(time.monotonic() - began)
    return sorted(took)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.usefixtures("redis")
def test_bad_clients_do_not_delay_other_clients(api: ApiProcess, behaviour: str) -> None:
    """More of them than there are threads."""
    with ExitStack() as stack:
        for _ in range(BAD_CLIENTS):
            connection = stack.enter_context(api.connect())
            connection.send(*BEHAVIOURS[behaviour])
        took = latencies(api)
    median, longest = took[REQUESTS // 2] * 1000, took[-1] * 1000
    print(f"{BAD_CLIENTS} clients, each {behaviour}: {median:.1f} ms, at most {longest:.1f} ms")
    assert (took[REQUESTS // 2] < MAX_MEDIAN_S, took[-1] < MAX_LATENCY_S) == (True, True)


@pytest.mark.usefixtures("redis")
def test_half_request_is_refused_after_the_read_timeout(api: ApiProcess) -> None:
    """10 seconds after its first byte, also if further bytes arrive."""
    type_ = "https://otp.example.com/docs/errors#invalid_request"
    beginnings = (PING[:-4], post(f"Content-Length: {len(CREATE)}") + b"{")
    began = time.monotonic()
    with ExitStack() as stack:
        connections = [stack.enter_context(api.connect()) for _ in beginnings]
        for connection, beginning in zip(connections, beginnings, strict=True):
            connection.send(beginning)
        time.sleep(2)
        for connection in connections:
            connection.send(b" ")
        for connection in connections:
            response = connection.read_response()
            assert time.monotonic() - began > READ_TIMEOUT_S - 1
            assert response.is_problem(408, "invalid_request")
            assert response.document["type"] == type_
            assert connection.is_closed()


@pytest.mark.usefixtures("redis")
def test_slow_chunks_do_not_hold_all_threads_until_the_read_timeout(api: ApiProcess) -> None:
    """Half of the threads are free again soon, for other requests that gunicorn reads."""
    unusual = head("GET /healthz HTTP/1.1", "X-A: 1", "X-A: 2")
    with ExitStack() as stack:
        for _ in range(BAD_CLIENTS):
            stack.enter_context(api.connect()).send(post("Transfer-Encoding: chunked"), b"5\r\nab")
        with finishes_within(READ_TIMEOUT_S / 8):  # four times as long is allowed
            assert api.send(unusual).status == 200
        assert max(latencies(api)) < MAX_LATENCY_S


def test_requests_in_one_packet_are_answered_in_order(api: ApiProcess) -> None:
    """Plain ones and those that gunicorn reads."""
    unusual = head("GET /healthz HTTP/1.1", "X-A: 1", "X-A: 2")
    last = head("GET /readyz HTTP/1.1", "Connection: close")
    with api.connect() as connection:
        connection.send(PING, unusual, head("GET /nowhere HTTP/1.1"), unusual, last[:-2])
        connection.send(last[-2:])
        statuses = STATUS.findall(connection.read_all())
    assert statuses == [b"200", b"200", b"404", b"200", b"200"]


@pytest.mark.usefixtures("redis")
def test_request_in_single_bytes_is_answered(api: ApiProcess) -> None:
    """And the next one on the same connection."""
    with api.connect() as connection:
        for _ in range(2):
            for byte in PING:
                connection.send(bytes([byte]))
            assert connection.read_response("GET").status == 200


@pytest.mark.usefixtures("redis")
def test_slow_reader_gets_all_responses(api: ApiProcess) -> None:
    """More than the buffers of its socket hold."""
    document = head("GET /openapi.json HTTP/1.1")
    with api.connect() as connection:
        connection.send(document * 99, head("GET /openapi.json HTTP/1.1", "Connection: close"))
        time.sleep(0.2)  # nothing is read
        received = connection.read_all()
    assert len(STATUS.findall(received)) == 100
    assert received.endswith(api.send(document).body)
