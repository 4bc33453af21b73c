"""Responses: where one ends, and which ones are accepted."""

import gzip
import socket
import struct
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from providers.servers import ScriptedServer, http_response, post, send_in_parts, serve_connections

from otpvoice.http_client import HttpClient, HttpResponse, RequestFailed

STRAY = http_response(b'{"callId":"stray"}')
OURS = http_response(b'{"callId":"ours"}')
OUR_RESPONSE = HttpResponse(200, b'{"callId":"ours"}')
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\n\r\n"
INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nX-Id: 1\r\n\r\n",
    "199": b"HTTP/1.1 199\r\n\r\n",
    "mixed": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" * 20,
}


# Interim responses


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_interim_responses_are_skipped(
    server: ScriptedServer, client: HttpClient, interim: bytes
) -> None:
    """Each request gets its own response, and the connection is kept."""
    server.respond(interim + STRAY, OURS)
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"stray"}')
    assert post(client, server.url) == OUR_RESPONSE
    assert server.connections == [1, 1]


def test_endless_interim_responses_are_too_large(
    server: ScriptedServer, client: HttpClient
) -> None:
    """A stream of 1xx ends long before the deadline; the request was sent."""

    def pour(conn: socket.socket) -> None:
        while True:
            conn.sendall(INTERIM["103"])

    server.respond(pour)
    assert post(client, server.url, 60) == RequestFailed(sent=True, reason="ResponseTooLargeError")


def test_switching_protocols_is_an_error(server: ScriptedServer, client: HttpClient) -> None:
    """101 without a request to switch: what follows is not HTTP, so the connection closes."""
    server.respond(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + STRAY, OURS)
    assert post(client, server.url) == RequestFailed(sent=True, reason="UnexpectedUpgradeError")
    assert post(client, server.url) == OUR_RESPONSE
    assert server.connections == [1, 2]


# Bytes after a response


BEHIND = {
    "second response": (http_response(b"1") + STRAY, b"1"),
    "first byte of a response": (http_response(b"1") + b"H", b"1"),
    "first half of a response": (http_response(b"1") + STRAY[:30], b"1"),
    "body longer than its length": (http_response(b"1") + b"23", b"1"),
    "body of a 204": (b"HTTP/1.1 204 No Content\r\n\r\n" + STRAY, b""),
    "body of a 304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}", b""),
    "after chunks": (CHUNKED + b"1\r\n1\r\n0\r\n\r\n" + STRAY, b"1"),
    "after trailers": (CHUNKED + b"1\r\n1\r\n0\r\nX: y\r\n\r\n" + STRAY, b"1"),
    "empty line": (http_response(b"1") + b"\r\n", b"1"),
}


@pytest.mark.parametrize(("sent", "body"), BEHIND.values(), ids=BEHIND)
def test_connection_with_unread_bytes_is_closed(
    server: ScriptedServer, client: HttpClient, sent: bytes, body: bytes
) -> None:
    """The next request uses a new connection and gets its own response."""
    server.respond(sent, OURS)
    first = post(client, server.url)
    assert isinstance(first, HttpResponse)
    assert first.body == body
    assert post(client, server.url) == OUR_RESPONSE
    assert server.connections == [1, 2]


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_stray_response_in_two_halves_is_not_read(
    server: ScriptedServer, client: HttpClient, cut: int
) -> None:
    """One half arrives before and one after the next request."""
    server.respond(http_response(b"1") + STRAY[:cut], STRAY[cut:] + OURS)
    assert post(client, server.url) == HttpResponse(200, b"1")
    assert post(client, server.url) != HttpResponse(200, b'{"callId":"stray"}')
    assert server.connections == [1, 2]


def test_connection_with_unread_bytes_is_closed_at_once(
    server: ScriptedServer, client: HttpClient
) -> None:
    """It is not kept until the next request detects them."""
    closed = threading.Event()

    def respond(conn: socket.socket) -> None:
        conn.sendall(http_response(b"1") + STRAY)
        conn.settimeout(5)
        assert conn.recv(1) == b""
        closed.set()

    server.respond(respond)
    post(client, server.url)
    assert closed.wait(60)


def test_response_between_two_requests_is_not_accepted(
    server: ScriptedServer, client: HttpClient
) -> None:
    """A stray response arrives on a kept connection while no request is in progress."""
    go, done = threading.Event(), threading.Event()

    def respond(conn: socket.socket) -> None:
        conn.sendall(http_response(b"1"))
        go.wait(60)
        conn.sendall(STRAY)
        done.set()
        conn.recv(1)

    server.respond(respond, OURS)
    assert post(client, server.url) == HttpResponse(200, b"1")
    go.set()
    assert done.wait(60)
    assert post(client, server.url) == OUR_RESPONSE
    assert server.connections == [1, 2]


def test_half_read_connection_is_not_reused(server: ScriptedServer, client: HttpClient) -> None:
    """After a response that was too slow, the next request gets its own response."""

    def respond(conn: socket.socket) -> None:
        conn.sendall(STRAY[:-1])
        conn.recv(1)  # until the client closes the connection

    server.respond(respond, OURS)
    assert isinstance(post(client, server.url, 0.2), RequestFailed)
    assert post(client, server.url) == OUR_RESPONSE


# Ends of a response


COMPLETE = {
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", [1, 1]),
    "empty": (http_response(b""), 200, b"", [1, 1]),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\n{}", 200, b"{}", [1, 2]),
    "until closed": (OK + b"\r\n{}", 200, b"{}", [1, 2]),
    "Connection: close": (http_response(b"{}", "200 OK", "Connection: close"), 200, b"{}", [1, 2]),
    "chunks and trailers": (CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n", 200, b"{}", [1, 1]),
    "gzip unasked": (GZIPPED + gzip.compress(b"{}"), 200, b"{}", [1, 2]),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", [1, 1]),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, b"", [1, 1]),
    "64 KiB in the smallest chunks": (
        CHUNKED + b"1\r\nx\r\n" * 65536 + b"0\r\n\r\n",
        200,
        b"x" * 65536,
        [1, 1],
    ),
}


@pytest.mark.parametrize(("sent", "status", "body", "connections"), COMPLETE.values(), ids=COMPLETE)
def test_complete_response_is_read_to_its_end(
    server: ScriptedServer,
    client: HttpClient,
    sent: bytes,
    status: int,
    body: bytes,
    connections: list[int],
) -> None:
    """In each of HTTP's ways to end; the next request gets its own response."""
    server.respond(send_in_parts(sent) if connections == [1, 2] else sent, OURS)
    assert post(client, server.url) == HttpResponse(status, body)
    assert post(client, server.url) == OUR_RESPONSE
    assert server.connections == connections


BROKEN = {
    "closed": b"",
    "cut in the status line": b"HTTP/1.1 2",
    "cut after the status line": b"HTTP/1.1 200 OK\r\n",
    "cut in a header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "cut before the empty line": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "noise": b"\x00" * 70_000,
    "two lengths": http_response(b"12345678", "200 OK", "Content-Length: 1"),
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 99 OK\r\n\r\n",
    "interim response alone": INTERIM["103"],
    "body shorter than its length": OK + b"Content-Length: 3\r\n\r\n{}",
    "101 headers": OK + b"a: b\r\n" * 101 + b"\r\n{}",
    "interim response with 101 headers": b"HTTP/1.1 103 X\r\n" + b"a: b\r\n" * 101 + b"\r\n" + OURS,
    "headers of 64 KiB": OK + b"a: " + b"b" * 33_000 + b"\r\nc: " + b"d" * 33_000 + b"\r\n\r\n",
    "cut in the chunks": CHUNKED + b"2\r\n{}\r\n",
    "no chunks": CHUNKED + b"zz\r\n",
    "endless trailers": CHUNKED + b"0\r\n" + b"x: y\r\n" * 200_000,
    "chunk extension without end": CHUNKED + b"1;" + b"x" * 100_000,
    "no gzip": GZIPPED + b"{}",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_broken_response_fails_as_sent(
    server: ScriptedServer, client: HttpClient, sent: bytes
) -> None:
    """The phone may ring; nothing of the response is left for the next request."""
    server.respond(send_in_parts(sent), OURS)
    first = post(client, server.url)
    assert isinstance(first, RequestFailed)
    assert first.sent
    assert post(client, server.url) == OUR_RESPONSE


@pytest.mark.parametrize("read", [1, 4096], ids=["within the request", "after the request"])
def test_reset_fails_as_sent(client: HttpClient, read: int) -> None:
    """A reset may come after the request had its effect."""

    def serve(conn: socket.socket) -> None:
        conn.recv(read)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serve_connections(serve) as port:
        result = post(client, f"http://127.0.0.1:{port}/")
    assert isinstance(result, RequestFailed)
    assert result.sent


# Retry-After


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("0", 0, 0),
        ("120", 120, 120),
        ("999999999", 3600, 3600),
        ("in 90 seconds", 20, 90),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600),
    ],
)
def test_retry_after_is_bounded(
    server: ScriptedServer, client: HttpClient, header: str, low: float, high: float
) -> None:
    """Seconds or a date, never negative and never more than an hour."""
    if header == "in 90 seconds":
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.respond(http_response(b"", "429 No", f"Retry-After: {header}"))
    response = post(client, server.url)
    assert isinstance(response, HttpResponse)
    assert response.retry_after_s is not None
    assert low <= response.retry_after_s <= high


@pytest.mark.parametrize(
    "header",
    ["", "soon", "-5", "1e400", "9" * 400, "1.5", "1, 2 Jan 99999999999 00:00:00 +0000", "²"],
)
def test_invalid_retry_after_is_ignored(
    server: ScriptedServer, client: HttpClient, header: str
) -> None:
    """The response itself is valid."""
    server.respond(http_response(b"", "429 No", f"Retry-After: {header}"))
    assert post(client, server.url) == HttpResponse(429, b"", None)
