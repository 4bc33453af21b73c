"""The HTTP client and servers that are slow, broken, too talkative or not who they should be."""

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from client.certificate import self_signed

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\n\r\n"


@contextmanager
def server(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[str]:
    """Serve one connection, then close it; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                conn, _ = listener.accept()
                with conn, suppress(OSError):
                    serve(conn)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"{host}:{listener.getsockname()[1]}"
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)


def answering(*parts: bytes, every: float = 0.0) -> Callable[[socket.socket], None]:
    """Read the request, send the parts with pauses between them, close."""

    def serve(conn: socket.socket) -> None:
        with conn.makefile("rb") as stream:
            for _ in iter(stream.readline, b"\r\n"):
                pass
            stream.read(2)
            for part in parts:
                conn.sendall(part)
                time.sleep(every)

    return serve


def listen(conn: socket.socket) -> None:
    """Say nothing until the client leaves."""
    while conn.recv(4096):
        pass


def post(
    url: str, seconds: float = 5.0, client: HttpClient | None = None
) -> HttpResponse | RequestFailed:
    """Post the usual request; the answer comes in time, whatever happens."""
    moment = time.monotonic() + seconds
    answer = (client or HttpClient()).post(url, {}, b"{}", Deadlines(moment, moment))
    assert time.monotonic() < moment + 0.5
    return answer


def reply_to(
    *parts: bytes, seconds: float = 5.0, every: float = 0.0
) -> HttpResponse | RequestFailed:
    """Post to a server that answers with these parts."""
    with server(answering(*parts, every=every)) as address:
        return post(f"http://{address}/", seconds)


# Slow


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
def test_trickle(parts: list[bytes]) -> None:
    """A server that keeps sending a little can not hold us longer than ``finish_by``."""
    answer = reply_to(*parts, seconds=0.3, every=0.04)
    assert isinstance(answer, RequestFailed)
    assert answer.sent


def test_silence() -> None:
    """A server that takes the request and says nothing is left at ``finish_by``: it may ring."""
    with server(listen) as address:
        assert post(f"http://{address}/", 0.3) == RequestFailed(sent=True, reason="TimeoutError")


def test_slow_but_in_time() -> None:
    """A reply that arrives in pieces before ``finish_by`` is a reply."""
    parts = [OK, b"Content-", b"Length: 2\r\n\r", b"\n{", b"}"]
    assert reply_to(*parts, every=0.02) == HttpResponse(200, b"{}")


# Broken


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="closed"),
        pytest.param([b"HTTP/1.1 2"], id="cut in the status line"),
        pytest.param([b"SSH-2.0-OpenSSH_9.6\r\n"], id="not HTTP"),
        pytest.param([b"\x00" * 70_000], id="noise"),
        pytest.param([OK, b"x: y\r\n" * 200, b"\r\n"], id="too many headers"),
        pytest.param([OK + b"Content-Length: 3\r\n\r\n{}"], id="cut in the body"),
        pytest.param([CHUNKED + b"2\r\n{}\r\n"], id="cut in the chunks"),
        pytest.param([CHUNKED + b"zz\r\n"], id="no chunks"),
        pytest.param([GZIPPED + b"{}"], id="no gzip"),
    ],
)
def test_broken_reply(parts: list[bytes]) -> None:
    """Whatever is wrong with a reply, it is told and raises nothing: the call may ring."""
    answer = reply_to(*parts)
    assert isinstance(answer, RequestFailed)
    assert answer.sent


def test_reset() -> None:
    """A reset after the request is no reply, and it was sent."""

    def reset(conn: socket.socket) -> None:
        answering()(conn)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with server(reset) as address:
        assert post(f"http://{address}/") == RequestFailed(sent=True, reason="ConnectionResetError")


def test_reset_in_the_middle_of_the_request() -> None:
    """A reset before all of the request was read may still have made a phone ring."""

    def reset(conn: socket.socket) -> None:
        conn.recv(1)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with server(reset) as address:
        answer = post(f"http://{address}/")
    assert isinstance(answer, RequestFailed)
    assert answer.sent


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(OK + b"Content-Length: 10485760\r\n\r\n", id="told"),
        pytest.param(OK + b"\r\n", id="untold"),
    ],
)
def test_ten_megabytes(head: bytes) -> None:
    """A reply beyond 64 KiB is given up without being read to its end."""
    sent = 0

    def pour(conn: socket.socket) -> None:
        nonlocal sent
        answering(head)(conn)
        for _ in range(160):
            sent += conn.send(b"x" * 65536)

    with server(pour) as address:
        assert post(f"http://{address}/") == RequestFailed(
            sent=True, reason="ResponseTooLargeError", status=200
        )
    assert sent < 10 * 1024 * 1024


def test_largest_reply() -> None:
    """64 KiB are not too many."""
    body = b"x" * 65_536
    assert reply_to(OK, b"Content-Length: 65536\r\n\r\n", body) == HttpResponse(200, body)


# Whole


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        pytest.param([OK + b"Content-Length: 0\r\n\r\n"], b"", id="empty"),
        pytest.param([OK + b"\r\n{}"], b"{}", id="until closed"),
        pytest.param(
            [CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"],
            b"{}",
            id="chunks",
        ),
        pytest.param(
            [GZIPPED + gzip.compress(b"{}")],
            b"{}",
            id="gzip unasked",
        ),
    ],
)
def test_whole_reply(parts: list[bytes], body: bytes) -> None:
    """A reply is whole in any of HTTP's ways to end it."""
    assert reply_to(*parts) == HttpResponse(200, body)


def test_gzip_bomb() -> None:
    """A small reply that unpacks to megabytes is too large."""
    bomb = gzip.compress(b"x" * 20_000_000)
    assert len(bomb) < 65_536
    answer = reply_to(GZIPPED + bomb)
    assert answer == RequestFailed(sent=True, reason="ResponseTooLargeError", status=200)


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
def test_retry_after(header: str, low: float, high: float) -> None:
    """Retry-After is seconds or a date, never negative and never more than an hour."""
    if header == "in 90 seconds":
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    answer = reply_to(f"HTTP/1.1 429 No\r\nRetry-After: {header}\r\n\r\n".encode())
    assert isinstance(answer, HttpResponse)
    assert answer.retry_after_s is not None
    assert low <= answer.retry_after_s <= high


@pytest.mark.parametrize(
    "header",
    ["", "soon", "-5", "1e400", "9" * 400, "1.5", "1, 2 Jan 99999999999 00:00:00 +0000", "²"],
)
def test_unreadable_retry_after(header: str) -> None:
    """A Retry-After that makes no sense is none."""
    answer = reply_to(b"HTTP/1.1 429 No\r\nRetry-After: " + header.encode() + b"\r\n\r\n")
    assert answer == HttpResponse(429, b"", None)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` that signs itself, with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def over_tls(certificate: Path) -> Callable[[socket.socket], None]:
    """A server's side of TLS, with a usual reply."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def serve(conn: socket.socket) -> None:
        with context.wrap_socket(conn, server_side=True) as secure:
            answering(OK + b"Content-Length: 2\r\n\r\n{}")(secure)

    return serve


def test_tls(over_tls: Callable[[socket.socket], None], certificate: Path) -> None:
    """With a certificate that we trust, TLS works."""
    client = HttpClient(tls=ssl.create_default_context(cafile=certificate))
    with server(over_tls, "localhost") as address:
        assert post(f"https://{address}/", client=client) == HttpResponse(200, b"{}")


def test_untrusted_certificate(over_tls: Callable[[socket.socket], None]) -> None:
    """Nothing is sent to a server that the usual authorities do not know."""
    with server(over_tls, "localhost") as address:
        assert post(f"https://{address}/") == RequestFailed(
            sent=False, reason="SSLCertVerificationError"
        )


def test_certificate_of_another(
    over_tls: Callable[[socket.socket], None], certificate: Path
) -> None:
    """Nothing is sent to a server with a trusted certificate for another name."""
    client = HttpClient(tls=ssl.create_default_context(cafile=certificate))
    with server(over_tls, "127.0.0.1") as address:
        assert post(f"https://{address}/", client=client) == RequestFailed(
            sent=False, reason="SSLCertVerificationError"
        )


def test_tls_to_a_plain_port() -> None:
    """A server that does not speak TLS gets no request."""
    with server(lambda conn: conn.sendall(OK + b"\r\n")) as address:
        answer = post(f"https://{address}/")
    assert isinstance(answer, RequestFailed)
    assert not answer.sent


def test_tls_handshake_without_end() -> None:
    """A server that never answers the handshake is left at ``send_by``, with nothing sent."""
    with server(listen) as address:
        answer = post(f"https://{address}/", 0.3)
    assert isinstance(answer, RequestFailed)
    assert not answer.sent
