"""Bounds of responses in time and size."""

import gzip
import socket
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from providers.servers import ScriptedServer, post, send_in_parts
from support.timing import finishes_within

from otpvoice.http_client import HttpClient, HttpResponse, RequestFailed

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\n\r\n"


# Time


TRICKLE = [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + b"x" * 50]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(TRICKLE[:39], id="head"),
        pytest.param([b"".join(TRICKLE[:40]), *TRICKLE[40:]], id="body"),
        pytest.param([OK + b"\r\n", *TRICKLE[40:]], id="body without a length"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"] * 40, id="100 without end"),
        pytest.param([CHUNKED, *[b"1\r\nx\r\n"] * 40], id="chunks"),
    ],
)
def test_trickling_response_is_abandoned_at_deadline(
    server: ScriptedServer, client: HttpClient, parts: list[bytes]
) -> None:
    """A server that keeps sending a little cannot exceed ``finish_by``."""
    server.respond(send_in_parts(*parts, interval_s=0.1))
    with finishes_within(1.2):
        result = post(client, server.url, 1)
    assert isinstance(result, RequestFailed)
    assert result.sent


def test_silent_server_is_abandoned_at_deadline(server: ScriptedServer, client: HttpClient) -> None:
    """The request was sent, so the phone may ring."""
    server.respond(b"")
    assert post(client, server.url, 1) == RequestFailed(sent=True, reason="TimeoutError")


def test_slow_response_before_deadline_is_complete(
    server: ScriptedServer, client: HttpClient
) -> None:
    """A response may arrive in pieces."""
    parts = [OK, b"Content-", b"Length: 2\r\n\r", b"\n{", b"}"]
    server.respond(send_in_parts(*parts, interval_s=0.02))
    assert post(client, server.url) == HttpResponse(200, b"{}")


# Size


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(OK + b"Content-Length: 10485760\r\n\r\n", id="with a length"),
        pytest.param(OK + b"\r\n", id="without a length"),
    ],
)
def test_body_over_64_kib_is_not_read_to_its_end(
    server: ScriptedServer, client: HttpClient, head: bytes
) -> None:
    """Ten megabytes are refused early."""
    sent = 0

    def pour(conn: socket.socket) -> None:
        nonlocal sent
        conn.sendall(head)
        for _ in range(160):
            sent += conn.send(b"x" * 65536)

    server.respond(pour)
    result = post(client, server.url)
    assert result == RequestFailed(sent=True, reason="ResponseTooLargeError", status=200)
    assert sent < 10 * 1024 * 1024


def test_gzip_bomb_is_too_large(server: ScriptedServer, client: HttpClient) -> None:
    """The bound holds for the decoded body."""
    bomb = gzip.compress(b"x" * 20_000_000)
    assert len(bomb) < 65_536
    server.respond(send_in_parts(GZIPPED + bomb))
    result = post(client, server.url)
    assert result == RequestFailed(sent=True, reason="ResponseTooLargeError", status=200)


def test_memory_is_flat_whatever_headers_arrive(server: ScriptedServer, client: HttpClient) -> None:
    """Twenty responses at once of 1,000 headers of 60 kB each: most of them is not read."""
    line = b"X: " + b"y" * 60_000 + b"\r\n"
    server.respond(*[send_in_parts(OK, *[line] * 1_000)] * 20)
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(20) as pool:
            results = [*pool.map(lambda _: post(client, server.url), range(20))]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert results == [RequestFailed(sent=True, reason="ResponseTooLargeError")] * 20
    assert peak < 20 * 400_000
