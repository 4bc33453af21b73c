"""Requests through an HTTP proxy: nothing is sent before the tunnel to the target is open."""

import socket
import ssl
from collections.abc import Iterator

import pytest
from client.certificate import self_signed
from providers.connect_proxy import (
    AUTHORIZATION,
    CREDENTIALS,
    PASSWORD,
    ConnectProxy,
    connect_proxy,
)
from providers.scripted_server import ScriptedServer, http_response, post, serve_tls

from otpvoice.http_client import HttpClient, HttpResponse, Proxy, RequestFailed, parse_proxy


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """The target, without TLS."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    """The only way out."""
    with connect_proxy() as running:
        yield running


def client_of(url: str, tls: ssl.SSLContext | None = None) -> HttpClient:
    """A client with this proxy."""
    return HttpClient(proxy=parse_proxy(url), tls=tls)


def test_http_target_is_reached_by_a_tunnel(server: ScriptedServer, proxy: ConnectProxy) -> None:
    """Never by a request that the proxy forwards; a tunnel is kept for the next request."""
    server.respond(http_response(b"1"), http_response(b"2"))
    client = client_of(proxy.url)
    assert [post(client, server.url), post(client, server.url)] == [
        HttpResponse(200, b"1"),
        HttpResponse(200, b"2"),
    ]
    target = f"localhost:{server.port}"
    assert proxy.request_heads == [
        f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: otpvoice\r\n"
    ]
    assert server.requests[0].head.startswith("POST /api/v2/voice/c2c HTTP/1.1\r\n")
    assert "proxy" not in server.requests[0].head.lower()


def test_https_target_is_reached_by_a_tunnel(
    proxy: ConnectProxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """TLS is spoken with the target and its certificate is judged; the proxy reads nothing."""
    certificate = self_signed(tmp_path_factory.mktemp("tls"))
    trusting = client_of(proxy.url, ssl.create_default_context(cafile=certificate))
    with serve_tls(certificate, http_response(b"{}"), []) as url:
        assert post(trusting, url) == HttpResponse(200, b"{}")
        unsent = RequestFailed(sent=False, reason="SSLCertVerificationError")
        assert post(client_of(proxy.url), url) == unsent
    assert b"t0k3n" not in proxy.relayed
    assert b"CONNECT" not in proxy.relayed


def test_credentials_go_to_the_proxy_alone(server: ScriptedServer, proxy: ConnectProxy) -> None:
    """User and password are decoded from the URL; the target is sent the token and not them."""
    proxy.authorization = AUTHORIZATION
    server.respond(http_response(b"{}"))
    url = f"http://{CREDENTIALS}@127.0.0.1:{proxy.port}"
    assert post(client_of(url), server.url) == HttpResponse(200, b"{}")
    assert "t0k3n" not in "".join(proxy.request_heads)
    assert AUTHORIZATION not in server.requests[0].head
    assert PASSWORD not in repr(parse_proxy(url))


def test_interim_responses_of_the_proxy_are_skipped(
    server: ScriptedServer, proxy: ConnectProxy
) -> None:
    """RFC 9110, section 15.2, holds for a proxy as well."""
    proxy.interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
    server.respond(http_response(b"{}"))
    assert post(client_of(proxy.url), server.url) == HttpResponse(200, b"{}")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "returned 407"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "returned 403"),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "returned 502"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://other/\r\n\r\n", "returned 301"),
        (b"HTTP/1.1 504\r\n\r\n", "returned 504"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: y", "is cut off or too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000, "is cut off or too long"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5_000, "is cut off or too long"),
    ],
)
def test_refused_tunnel_is_unsent(
    server: ScriptedServer, proxy: ConnectProxy, answer: bytes, why: str
) -> None:
    """The target is sent nothing, so the request may be repeated; the reason is the proxy's."""
    proxy.response = answer
    refused = post(client_of(proxy.url), server.url)
    word = "proxy: CONNECT" if "returned" in why else "proxy: the response to CONNECT"
    assert refused == RequestFailed(sent=False, reason=f"{word} {why}")
    assert server.requests == []


def test_target_that_the_proxy_cannot_reach_is_unsent(proxy: ConnectProxy) -> None:
    """The proxy says 502, or looks the name up in vain: this machine looks up no name."""
    answer = post(client_of(proxy.url), "http://portal.mobtexting.invalid/")
    assert answer == RequestFailed(sent=False, reason="proxy: CONNECT returned 502")
    assert proxy.targets == ["portal.mobtexting.invalid:80"]


def test_proxy_that_is_away_is_unsent(server: ScriptedServer) -> None:
    """Nobody listens there; the target is never reached another way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = post(client_of(f"http://127.0.0.1:{port}"), server.url)
    assert answer == RequestFailed(sent=False, reason="proxy: ConnectionRefusedError")
    assert server.requests == []


def test_silent_proxy_is_left_at_the_deadline(server: ScriptedServer) -> None:
    """A tunnel that is not open by ``send_by`` is given up, unsent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = post(client_of(f"http://127.0.0.1:{listener.getsockname()[1]}"), server.url, 0.3)
    assert answer == RequestFailed(sent=False, reason="proxy: TimeoutError")
    assert server.requests == []


def test_ipv6_target_is_written_in_brackets(proxy: ConnectProxy) -> None:
    """As an authority is (RFC 3986, section 3.2.2)."""
    post(client_of(proxy.url), "http://[::1]:1/")
    assert proxy.targets == ["[::1]:1"]


def test_no_proxy_is_used_without_a_setting() -> None:
    """An empty setting is none."""
    assert parse_proxy("") is None
    assert parse_proxy("http://proxy.example:3128") == Proxy("proxy.example", 3128)
