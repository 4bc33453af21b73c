"""The HTTP client on real sockets: what it writes, when it writes nothing, what it keeps open."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from providers.scripted_server import ScriptedServer, deadlines_in, http_response, post
from support.timing import finishes_within

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed


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


# What is written


def test_request_bytes(server: ScriptedServer, client: HttpClient) -> None:
    """Exactly the given headers go out, with the body as it is, and no compression is asked for."""
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


def test_environment_is_ignored(
    server: ScriptedServer, client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A netrc does not replace the token, and a proxy in the environment is not used."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    server.respond(http_response(b"{}"))
    assert post(client, server.url) == HttpResponse(200, b"{}")
    assert "Authorization: Bearer t0k3n\r\n" in server.requests[0].head


def test_no_cookies(server: ScriptedServer, client: HttpClient) -> None:
    """A cookie is not given back."""
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
        (302, "/elsewhere"),
        (303, "/elsewhere"),
        (307, "/elsewhere"),
        (307, "http://[::1"),
        (307, ""),
        (308, "http://127.0.0.1:1/"),
    ],
)
def test_redirects_are_not_followed(
    server: ScriptedServer, client: HttpClient, status: int, location: str
) -> None:
    """A redirect is a reply like any other: the code is posted nowhere else."""
    server.respond(http_response(b"gone", f"{status} Moved", f"Location: {location}"))
    assert post(client, server.url) == HttpResponse(status, b"gone")
    assert len(server.requests) == 1


# Unsent: not one byte of the request was written


@contextmanager
def deaf() -> Iterator[tuple[str, int]]:
    """Give an address that does not answer the knock: its queue is full."""
    with socket.socket() as listener, socket.socket() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting.connect(listener.getsockname())
        yield listener.getsockname()


@contextmanager
def closed() -> Iterator[tuple[str, int]]:
    """Give an address that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    yield address


def test_refused(client: HttpClient) -> None:
    """Nobody listens: unsent."""
    with closed() as (host, port):
        answer = post(client, f"http://{host}:{port}/")
    assert answer == RequestFailed(sent=False, reason="ConnectionRefusedError")


def test_unknown_name(client: HttpClient) -> None:
    """A name without an address is unsent, and so is one that can not be a name."""
    for host in ("portal.mobtexting.invalid", "a" * 70 + ".example", "exa mple"):
        answer = post(client, f"http://{host}/")
        assert isinstance(answer, RequestFailed)
        assert not answer.sent


def test_dead_resolver(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name lookup that does not come back is given up in time: unsent."""
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with finishes_within(1):
        reply = post(client, "http://portal.example/", 0.2)
    assert reply == RequestFailed(sent=False, reason="TimeoutError")
    release.set()


def test_reset_while_connecting(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reset before there is a connection is not taken for one after sending."""

    def reset(*_: object, **__: object) -> list[object]:
        raise ConnectionResetError(104, "reset")

    monkeypatch.setattr(socket, "getaddrinfo", reset)
    answer = post(client, "http://portal.example/")
    assert answer == RequestFailed(sent=False, reason="ConnectionResetError")


@pytest.mark.parametrize("first", [deaf, closed])
def test_second_address(
    server: ScriptedServer,
    client: HttpClient,
    monkeypatch: pytest.MonkeyPatch,
    first: Callable[[], AbstractContextManager[tuple[str, int]]],
) -> None:
    """If the first address of a name is dead, the next one is tried, and in time."""
    server.respond(http_response(b"{}"))
    with first() as dead:
        tcp = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*tcp, dead), (*tcp, ("127.0.0.1", server.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert post(client, "http://portal.example/", 0.4) == HttpResponse(200, b"{}")


def test_connect_timeout(client: HttpClient) -> None:
    """A host that does not answer the knock: unsent, after 2 seconds or at ``send_by``."""
    with deaf() as (host, port):
        answer = post(client, f"http://{host}:{port}/", 0.3)
    assert answer == RequestFailed(sent=False, reason="TimeoutError")


def test_late_after_connecting() -> None:
    """The connection stands, but too late: not one byte is written."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def clock() -> float:
            """Jump ahead as soon as a connection stands."""
            return 100.0 if select.select([listener], [], [], 0)[0] else 0.0

        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        late = HttpClient(clock=clock).post(url, {}, b"{}", Deadlines(send_by=50, finish_by=200))
        conn, _ = listener.accept()
        with conn:
            assert conn.recv(1) == b""
    assert late == RequestFailed(sent=False, reason="DeadlineExceededError")


def test_late_on_a_kept_connection(server: ScriptedServer, client: HttpClient) -> None:
    """The gate stands before a kept connection too."""
    server.respond(http_response(b"{}"), http_response(b"{}"))
    post(client, server.url)
    now = time.monotonic()
    late = client.post(server.url, {}, b"{}", Deadlines(send_by=now - 0.001, finish_by=now + 5))
    assert late == RequestFailed(sent=False, reason="DeadlineExceededError")
    post(client, server.url)
    assert [request.connection for request in server.requests] == [1, 2]


def test_kept_connection_closed_meanwhile(server: ScriptedServer, client: HttpClient) -> None:
    """A kept connection that the server has closed is found before writing: a new one is used."""
    server.respond(http_response(b"1"), http_response(b"2"))
    assert post(client, server.url) == HttpResponse(200, b"1")
    server.disconnect()
    assert post(client, server.url) == HttpResponse(200, b"2")
    assert [request.connection for request in server.requests] == [1, 2]


def test_header_that_can_not_be_sent(server: ScriptedServer, client: HttpClient) -> None:
    """A token with a line break is unsent and not told in the reason."""
    answer = client.post(server.url, {"Authorization": "Bearer t0k3n\n"}, b"{}", deadlines_in(5))
    assert answer == RequestFailed(sent=False, reason="InvalidHeader")


# What is kept open


def test_connection_is_kept(server: ScriptedServer, client: HttpClient) -> None:
    """Requests that follow each other share a connection, whatever the status and the length."""
    answers = [
        http_response(b"{}"),
        http_response(b"", "500 Oh"),
        http_response(b"x" * 65536, "404 No"),
        http_response(b"{}"),
    ]
    server.respond(*answers)
    for _ in answers:
        post(client, server.url)
    assert [request.connection for request in server.requests] == [1, 1, 1, 1]


def test_idle_connection_is_not_used_again(server: ScriptedServer) -> None:
    """A connection that lay idle for more than 10 seconds may be closing: a new one is used."""
    now = 0.0
    client = HttpClient(clock=lambda: now)
    server.respond(*[http_response(b"{}")] * 3)
    for now in (0.0, 10.0, 20.1):  # noqa: B007 - the clock reads it
        client.post(server.url, {}, b"{}", Deadlines(send_by=30, finish_by=30))
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_reply_too_many(server: ScriptedServer, client: HttpClient) -> None:
    """What a server says unasked is not taken for the reply to the next request."""
    server.respond(http_response(b"1") + http_response(b"stray"), http_response(b"2"))
    assert post(client, server.url) == HttpResponse(200, b"1")
    assert post(client, server.url) == HttpResponse(200, b"2")


def test_half_read_connection_is_not_used_again(server: ScriptedServer, client: HttpClient) -> None:
    """After a reply that was too slow the next request gets a new connection and its own reply."""

    def dawdle(conn: socket.socket) -> None:
        conn.sendall(http_response(b"old")[:-1])
        conn.recv(1)  # until the client has had enough

    server.respond(dawdle, http_response(b"new"))
    assert isinstance(post(client, server.url, 0.2), RequestFailed)
    assert post(client, server.url) == HttpResponse(200, b"new")


def test_closed_in_the_middle(server: ScriptedServer, client: HttpClient) -> None:
    """A kept connection that breaks after the request was written is not tried again."""
    server.respond(http_response(b"1"), lambda conn: conn.shutdown(socket.SHUT_RDWR))
    post(client, server.url)
    assert post(client, server.url) == RequestFailed(sent=True, reason="RemoteDisconnected")
    assert len(server.requests) == 2


def test_threads_share_a_client(server: ScriptedServer, client: HttpClient) -> None:
    """Each thread has its own deadlines: one that is late hinders nobody, and nobody helps it."""
    server.respond(*[http_response(b"{}")] * 40)

    def request(number: int) -> HttpResponse | RequestFailed:
        now = time.monotonic()
        send_by = now - 1 if number % 2 else now + 5
        return client.post(server.url, {}, b"{}", Deadlines(send_by, now + 5))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(request, range(80)))
    assert answers[::2] == [HttpResponse(200, b"{}")] * 40
    assert answers[1::2] == [RequestFailed(sent=False, reason="DeadlineExceededError")] * 40
    assert len(server.requests) == 40
