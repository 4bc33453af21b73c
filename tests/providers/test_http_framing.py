"""Where one response ends and the next begins: each request gets its own response, or none."""

import select
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from client.certificate import self_signed
from providers.scripted_server import ScriptedServer, http_response, post, serve_tls

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed

OLD = http_response(b'{"callId":"somebody-else"}')
NEW = http_response(b'{"callId":"ours"}')
INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nX-Id: 1\r\n\r\n",
    "199": b"HTTP/1.1 199\r\n\r\n",
    "mixed": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" * 20,
}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server without TLS."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def client() -> HttpClient:
    """The client under test."""
    return HttpClient()


def connections(server: ScriptedServer) -> list[int]:
    """On which connection each request came."""
    return [request.connection for request in server.requests]


# Interim responses


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_request_after_interim_responses_gets_its_own_response(
    server: ScriptedServer, client: HttpClient, interim: bytes
) -> None:
    """A 1xx before the response is skipped, and the connection is used again."""
    server.respond(interim + OLD, NEW)
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"somebody-else"}')
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"ours"}')
    assert connections(server) == [1, 1]


def test_endless_interim_responses_are_given_up_by_their_size(
    server: ScriptedServer, client: HttpClient
) -> None:
    """A stream of 1xx ends long before the deadline; the request may have been accepted."""

    def pour(conn: socket.socket) -> None:
        while True:
            conn.sendall(INTERIM["103"])

    server.respond(pour)
    assert post(client, server.url, 60) == RequestFailed(sent=True, reason="ResponseTooLargeError")


def test_switching_protocols_is_no_response(server: ScriptedServer, client: HttpClient) -> None:
    """101 without a request to switch: what follows is unknown, and the connection is closed."""
    server.respond(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + OLD, NEW)
    assert post(client, server.url) == RequestFailed(sent=True, reason="UnexpectedUpgradeError")
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"ours"}')
    assert connections(server) == [1, 2]


# Bytes behind a response


BEHIND = {
    "second response": (http_response(b"1") + OLD, b"1"),
    "first byte of a response": (http_response(b"1") + b"H", b"1"),
    "first half of a response": (http_response(b"1") + OLD[:30], b"1"),
    "body longer than its length": (http_response(b"1") + b"23", b"1"),
    "body of a 204": (b"HTTP/1.1 204 No Content\r\n\r\n" + OLD, b""),
    "body of a 304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}", b""),
    "after chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n" + OLD,
        b"1",
    ),
    "after trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nX: y\r\n\r\n" + OLD,
        b"1",
    ),
    "empty line": (http_response(b"1") + b"\r\n", b"1"),
}


@pytest.mark.parametrize(("sent", "body"), BEHIND.values(), ids=BEHIND)
def test_connection_with_unread_bytes_is_closed(
    server: ScriptedServer, client: HttpClient, sent: bytes, body: bytes
) -> None:
    """Whatever stands behind a response, the next request goes over a new connection."""
    server.respond(sent, NEW)
    first = post(client, server.url)
    assert isinstance(first, HttpResponse)
    assert first.body == body
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"ours"}')
    assert connections(server) == [1, 2]


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_rest_of_a_stray_response_is_not_read(
    server: ScriptedServer, client: HttpClient, cut: int
) -> None:
    """A second response that arrives in two halves, one before and one after the next request."""
    server.respond(http_response(b"1") + OLD[:cut], OLD[cut:] + NEW)
    assert post(client, server.url) == HttpResponse(200, b"1")
    assert post(client, server.url) != HttpResponse(200, b'{"callId":"somebody-else"}')
    assert connections(server) == [1, 2]


def test_connection_is_closed_at_once_when_bytes_are_left(
    server: ScriptedServer, client: HttpClient
) -> None:
    """It is not kept until the next request finds out."""
    closed = threading.Event()

    def serve(conn: socket.socket) -> None:
        conn.sendall(http_response(b"1") + OLD)
        conn.settimeout(5)
        assert conn.recv(1) == b""
        closed.set()

    server.respond(serve)
    post(client, server.url)
    assert closed.wait(5)


def test_response_before_the_request_is_not_taken() -> None:
    """A server that answers as soon as the connection stands gets no request: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[socket.socket] = []

        def clock() -> float:
            """Answer between connecting and writing: the client looks at its clock there."""
            if select.select([listener], [], [], 0)[0]:
                conn, _ = listener.accept()
                conn.sendall(OLD)
                accepted.append(conn)
            return 0.0

        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        answer = HttpClient(clock=clock).post(url, {}, b"{}", Deadlines(send_by=5, finish_by=5))
        with accepted[0] as conn, suppress(ConnectionResetError):
            assert conn.recv(1) == b""
    assert answer == RequestFailed(sent=False, reason="UnexpectedDataError")


def test_response_before_the_next_request_is_not_taken(
    server: ScriptedServer, client: HttpClient
) -> None:
    """On a kept connection a stray response comes while nothing is asked."""
    go, done = threading.Event(), threading.Event()

    def serve(conn: socket.socket) -> None:
        conn.sendall(http_response(b"1"))
        go.wait(5)
        conn.sendall(OLD)
        done.set()
        conn.recv(1)

    server.respond(serve, NEW)
    assert post(client, server.url) == HttpResponse(200, b"1")
    go.set()
    assert done.wait(5)
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"ours"}')
    assert connections(server) == [1, 2]


# Ends of a response


ENDS = {
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", HttpResponse(200, b"{}"), [1, 1]),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\n{}", HttpResponse(200, b"{}"), [1, 2]),
    "Connection: close": (
        http_response(b"{}", "200 OK", "Connection: close"),
        HttpResponse(200, b"{}"),
        [1, 2],
    ),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
        HttpResponse(200, b"{}"),
        [1, 1],
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", HttpResponse(204, b""), [1, 1]),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", HttpResponse(304, b""), [1, 1]),
}


@pytest.mark.parametrize(("sent", "expected", "kept"), ENDS.values(), ids=ENDS)
def test_response_ends_where_http_says(
    server: ScriptedServer, client: HttpClient, sent: bytes, expected: HttpResponse, kept: list[int]
) -> None:
    """Each way to end is read whole; the next request gets its own response."""
    closes = kept[1] == 2
    server.respond((lambda conn: conn.sendall(sent)) if closes else sent, NEW)
    assert post(client, server.url) == expected
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"ours"}')
    assert connections(server) == kept


BROKEN = {
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": http_response(b"12345678", "200 OK", "Content-Length: 1"),
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 99 OK\r\n\r\n",
    "interim response alone": INTERIM["103"],
    "body shorter than its length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
    "101 headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n{}",
    "interim response with 101 headers": b"HTTP/1.1 103 X\r\n" + b"a: b\r\n" * 101 + b"\r\n" + NEW,
    "headers of 64 KiB": b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 33_000 + b"\r\n"
    b"c: " + b"d" * 33_000 + b"\r\n\r\n",
    "endless trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    + b"x: y\r\n" * 200_000,
    "chunk extension without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    + b"x" * 100_000,
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_broken_response_is_no_response(
    server: ScriptedServer, client: HttpClient, sent: bytes
) -> None:
    """The call may ring; nothing of it is left for the next request."""
    server.respond(lambda conn: conn.sendall(sent), NEW)
    first = post(client, server.url)
    assert isinstance(first, RequestFailed)
    assert first.sent
    assert post(client, server.url) == HttpResponse(200, b'{"callId":"ours"}')


def test_largest_body_in_the_smallest_chunks_is_read(
    server: ScriptedServer, client: HttpClient
) -> None:
    """64 KiB in chunks of one byte are within the bounds."""
    chunks = b"1\r\nx\r\n" * 65536 + b"0\r\n\r\n"
    server.respond(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert post(client, server.url) == HttpResponse(200, b"x" * 65536)


# Memory


def test_memory_is_flat_whatever_headers_come(server: ScriptedServer) -> None:
    """Twenty replies at once of 1 000 headers of 60 kB each: little is read, less is kept."""
    line = b"X: " + b"y" * 60_000 + b"\r\n"

    def pour(conn: socket.socket) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(1_000):
            conn.sendall(line)

    server.respond(*[pour] * 20)
    client = HttpClient()
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(20) as pool:
            answers = [*pool.map(lambda _: post(client, server.url), range(20))]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers == [RequestFailed(sent=True, reason="ResponseTooLargeError")] * 20
    assert peak < 20 * 400_000


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` that signs itself, with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_stray_response_within_one_tls_record_is_not_taken(certificate: Path) -> None:
    """What TLS has decrypted and nobody has read is not seen by ``select``."""
    first = http_response(b"x" * 8_000, "200 OK", "X: " + "y" * 120)
    accepted: list[int] = []
    with serve_tls(certificate, first + OLD * 20, accepted) as url:
        client = HttpClient(tls=ssl.create_default_context(cafile=certificate))
        assert [post(client, url) for _ in range(2)] == [HttpResponse(200, b"x" * 8_000)] * 2
    assert len(accepted) == 2


def test_kept_tls_connection_is_used_again(certificate: Path) -> None:
    """Session tickets, which TLS 1.3 sends after the handshake, are no stray response."""
    accepted: list[int] = []
    with serve_tls(certificate, NEW, accepted) as url:
        client = HttpClient(tls=ssl.create_default_context(cafile=certificate))
        assert [post(client, url) for _ in range(3)] == [
            HttpResponse(200, b'{"callId":"ours"}')
        ] * 3
    assert len(accepted) == 1
