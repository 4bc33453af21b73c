"""The HTTP client on real sockets: its requests, unsent requests and kept connections."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from providers.servers import ScriptedServer, http_response, post
from support.timing import finishes_within

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed

# Requests


def test_post_sends_given_headers_and_body_only(server: ScriptedServer, client: HttpClient) -> None:
    """The body is sent unchanged, and no compression is requested."""
    server.respond(http_response(b"{}"))
    assert post(client, server.url) == HttpResponse(200, b"{}")
    (request,) = server.requests
    line, *headers = request.head.split("\r\n")
    assert line == "POST /api/v2/voice/c2c HTTP/1.1"
    assert sorted(filter(None, headers)) == [
        "Accept-Encoding: identity",
        "Authorization: Bearer t0k3n",
        "Content-Length: 12",
        f"Host: localhost:{server.port}",
        "User-Agent: otpvoice",
    ]
    assert request.body == b'{"to": "91"}'


def test_environment_does_not_change_request(
    server: ScriptedServer, client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A netrc does not replace the token, and a proxy in the environment is not used."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    server.respond(http_response(b"{}"))
    assert post(client, server.url) == HttpResponse(200, b"{}")
    assert "Authorization: Bearer t0k3n\r\n" in server.requests[0].head


def test_cookies_are_not_returned(server: ScriptedServer, client: HttpClient) -> None:
    """Requests do not depend on each other."""
    server.respond(
        http_response(b"{}", "200 OK", "Set-Cookie: session=1; Path=/"), http_response(b"{}")
    )
    post(client, server.url)
    post(client, server.url)
    assert "cookie" not in server.requests[1].head.lower()


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (301, "/elsewhere"),
        (303, "/elsewhere"),
        (307, "/elsewhere"),
        (307, "http://[::1"),
        (307, ""),
        (308, "http://127.0.0.1:1/"),
    ],
)
def test_redirect_is_not_followed(
    server: ScriptedServer, client: HttpClient, status: int, location: str
) -> None:
    """The code must not be posted to another address."""
    server.respond(http_response(b"gone", f"{status} Moved", f"Location: {location}"))
    assert post(client, server.url) == HttpResponse(status, b"gone")
    assert len(server.requests) == 1


# Unsent: not one byte of the request was written


@contextmanager
def unresponsive_address() -> Iterator[tuple[str, int]]:
    """Yield an address that does not complete a connection, because its queue is full."""
    with socket.socket() as listener, socket.socket() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting.connect(listener.getsockname())
        yield listener.getsockname()


@contextmanager
def closed_address() -> Iterator[tuple[str, int]]:
    """Yield an address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    yield address


def test_refused_connection_is_unsent(client: HttpClient) -> None:
    """The reason names the error."""
    with closed_address() as (host, port):
        result = post(client, f"http://{host}:{port}/")
    assert result == RequestFailed(sent=False, reason="ConnectionRefusedError")


@pytest.mark.parametrize("host", ["portal.mobtexting.invalid", f"{'a' * 70}.example", "exa mple"])
def test_unknown_or_invalid_name_is_unsent(client: HttpClient, host: str) -> None:
    """The name has no address, or cannot have one."""
    result = post(client, f"http://{host}/")
    assert isinstance(result, RequestFailed)
    assert not result.sent


def test_hanging_resolver_is_abandoned_at_deadline(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name lookup may block for longer than the deadline."""
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with finishes_within(1):
        result = post(client, "http://portal.example/", 0.2)
    assert result == RequestFailed(sent=False, reason="TimeoutError")
    release.set()


def test_reset_while_connecting_is_unsent(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset before the connection is established is not one after sending."""

    def reset(*_: object, **__: object) -> list[object]:
        raise ConnectionResetError(104, "reset")

    monkeypatch.setattr(socket, "getaddrinfo", reset)
    result = post(client, "http://portal.example/")
    assert result == RequestFailed(sent=False, reason="ConnectionResetError")


@pytest.mark.parametrize("first", [unresponsive_address, closed_address])
def test_second_address_is_tried_in_time(
    server: ScriptedServer,
    client: HttpClient,
    monkeypatch: pytest.MonkeyPatch,
    first: Callable[[], AbstractContextManager[tuple[str, int]]],
) -> None:
    """The first address of a name may be unreachable."""
    server.respond(http_response(b"{}"))
    with first() as dead:
        tcp = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*tcp, dead), (*tcp, ("127.0.0.1", server.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        assert post(client, "http://portal.example/", 2) == HttpResponse(200, b"{}")


def test_connect_timeout_is_unsent(client: HttpClient) -> None:
    """The connection is abandoned after 2 seconds or at ``send_by``."""
    with unresponsive_address() as (host, port):
        result = post(client, f"http://{host}:{port}/", 0.3)
    assert result == RequestFailed(sent=False, reason="TimeoutError")


def test_connection_established_after_send_by_writes_nothing() -> None:
    """A slow connection or a paused process must not send late."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def clock() -> float:
            """Jump ahead as soon as the connection is established."""
            return 100.0 if select.select([listener], [], [], 0)[0] else 0.0

        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        result = HttpClient(clock=clock).post(url, {}, b"{}", Deadlines(send_by=50, finish_by=200))
        conn, _ = listener.accept()
        with conn:
            assert conn.recv(1) == b""
    assert result == RequestFailed(sent=False, reason="DeadlineExceededError")


def test_send_by_holds_for_kept_connection(server: ScriptedServer, client: HttpClient) -> None:
    """The deadline is checked before the first byte on every connection."""
    server.respond(http_response(b"{}"), http_response(b"{}"))
    post(client, server.url)
    now = time.monotonic()
    late = client.post(server.url, {}, b"{}", Deadlines(send_by=now - 0.001, finish_by=now + 5))
    assert late == RequestFailed(sent=False, reason="DeadlineExceededError")
    post(client, server.url)
    assert server.connections == [1, 2]


def test_invalid_header_is_unsent_and_not_in_reason(
    server: ScriptedServer, client: HttpClient
) -> None:
    """A token with a line break stays secret."""
    headers = {"Authorization": "Bearer t0k3n\n"}
    result = client.post(server.url, headers, b"{}", Deadlines.within(5))
    assert result == RequestFailed(sent=False, reason="InvalidHeader")


def test_response_before_request_is_not_accepted() -> None:
    """A server that responds as soon as it is connected gets no request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[socket.socket] = []

        def clock() -> float:
            """Respond between connecting and writing, where the client reads its clock."""
            if select.select([listener], [], [], 0)[0]:
                conn, _ = listener.accept()
                conn.sendall(http_response(b"{}"))
                accepted.append(conn)
            return 0.0

        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        result = HttpClient(clock=clock).post(url, {}, b"{}", Deadlines(send_by=5, finish_by=5))
        with accepted[0] as conn, suppress(ConnectionResetError):
            assert conn.recv(1) == b""
    assert result == RequestFailed(sent=False, reason="UnexpectedDataError")


# Kept connections


def test_connection_is_kept_whatever_the_status(server: ScriptedServer, client: HttpClient) -> None:
    """A connection is reused after any complete response."""
    responses = [
        http_response(b"{}"),
        http_response(b"", "500 Oh"),
        http_response(b"x" * 65536, "404 No"),
        http_response(b"{}"),
    ]
    server.respond(*responses)
    results = [post(client, server.url) for _ in responses]
    assert results[2] == HttpResponse(404, b"x" * 65536)
    assert server.connections == [1, 1, 1, 1]


def test_connection_closed_by_server_is_replaced_before_writing(
    server: ScriptedServer, client: HttpClient
) -> None:
    """The closed connection is detected before a byte is written."""
    server.respond(http_response(b"1"), http_response(b"2"))
    assert post(client, server.url) == HttpResponse(200, b"1")
    server.disconnect()
    assert post(client, server.url) == HttpResponse(200, b"2")
    assert server.connections == [1, 2]


def test_connection_idle_for_more_than_ten_seconds_is_replaced(server: ScriptedServer) -> None:
    """The server may be closing it."""
    now = 0.0
    client = HttpClient(clock=lambda: now)
    server.respond(*[http_response(b"{}")] * 3)
    for now in (0.0, 10.0, 20.1):  # noqa: B007 - the clock reads it
        client.post(server.url, {}, b"{}", Deadlines(send_by=30, finish_by=30))
    assert server.connections == [1, 1, 2]


def test_connection_that_breaks_after_the_request_is_not_retried(
    server: ScriptedServer, client: HttpClient
) -> None:
    """The server may have processed the request."""
    server.respond(http_response(b"1"), lambda conn: conn.shutdown(socket.SHUT_RDWR))
    post(client, server.url)
    assert post(client, server.url) == RequestFailed(sent=True, reason="RemoteDisconnected")
    assert len(server.requests) == 2


def test_threads_share_a_client_with_deadlines_of_their_own(
    server: ScriptedServer, client: HttpClient
) -> None:
    """A thread that is late neither delays another nor is helped by it."""
    server.respond(*[http_response(b"{}")] * 40)

    def request(number: int) -> HttpResponse | RequestFailed:
        now = time.monotonic()
        send_by = now - 1 if number % 2 else now + 5
        return client.post(server.url, {}, b"{}", Deadlines(send_by, now + 5))

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(request, range(80)))
    assert results[::2] == [HttpResponse(200, b"{}")] * 40
    assert results[1::2] == [RequestFailed(sent=False, reason="DeadlineExceededError")] * 40
    assert len(server.requests) == 40
