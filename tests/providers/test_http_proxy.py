"""Requests through an HTTP proxy: nothing is sent before the tunnel is open."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from providers.servers import (
    AUTHORIZATION,
    CREDENTIALS,
    PASSWORD,
    ConnectProxy,
    ScriptedServer,
    connect_proxy,
    http_response,
    post,
    serve_tls,
    server_context,
)

from otpvoice.http_client import HttpClient, HttpResponse, Proxy, RequestFailed, parse_proxy


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    """Run a proxy without credentials."""
    with connect_proxy() as running:
        yield running


def client_with(url: str, tls: ssl.SSLContext | None = None) -> HttpClient:
    """Return a client with this proxy."""
    return HttpClient(proxy=parse_proxy(url), tls=tls)


def test_http_target_is_reached_through_tunnel(server: ScriptedServer, proxy: ConnectProxy) -> None:
    """The proxy forwards no request; the tunnel is kept for the next one."""
    server.respond(http_response(b"1"), http_response(b"2"))
    client = client_with(proxy.url)
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


def test_https_target_is_verified_through_tunnel(proxy: ConnectProxy, certificate: Path) -> None:
    """The certificate is the target's, and the proxy sees only encrypted bytes."""
    trusting = client_with(proxy.url, ssl.create_default_context(cafile=certificate))
    with serve_tls(server_context(certificate), http_response(b"{}")) as url:
        assert post(trusting, url) == HttpResponse(200, b"{}")
        unsent = RequestFailed(sent=False, reason="SSLCertVerificationError")
        assert post(client_with(proxy.url), url) == unsent
    assert b"t0k3n" not in proxy.relayed
    assert b"CONNECT" not in proxy.relayed


def test_proxy_credentials_go_to_the_proxy_only(
    server: ScriptedServer, proxy: ConnectProxy
) -> None:
    """User and password are decoded from the URL; the target gets only the token."""
    proxy.authorization = AUTHORIZATION
    server.respond(http_response(b"{}"))
    url = f"http://{CREDENTIALS}@127.0.0.1:{proxy.port}"
    assert post(client_with(url), server.url) == HttpResponse(200, b"{}")
    assert "t0k3n" not in "".join(proxy.request_heads)
    assert AUTHORIZATION not in server.requests[0].head
    assert PASSWORD not in repr(parse_proxy(url))


def test_interim_responses_of_the_proxy_are_skipped(
    server: ScriptedServer, proxy: ConnectProxy
) -> None:
    """RFC 9110, section 15.2, applies to a proxy as well."""
    proxy.interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
    server.respond(http_response(b"{}"))
    assert post(client_with(proxy.url), server.url) == HttpResponse(200, b"{}")


@pytest.mark.parametrize(
    ("response", "reason"),
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
    server: ScriptedServer, proxy: ConnectProxy, response: bytes, reason: str
) -> None:
    """The target gets nothing, so a retry is allowed; the reason names the proxy's error."""
    proxy.response = response
    refused = post(client_with(proxy.url), server.url)
    prefix = "proxy: CONNECT" if "returned" in reason else "proxy: the response to CONNECT"
    assert refused == RequestFailed(sent=False, reason=f"{prefix} {reason}")
    assert server.requests == []


def test_target_unreachable_for_proxy_is_unsent(proxy: ConnectProxy) -> None:
    """The proxy resolves the name, so this machine does not."""
    result = post(client_with(proxy.url), "http://portal.mobtexting.invalid/")
    assert result == RequestFailed(sent=False, reason="proxy: CONNECT returned 502")
    assert proxy.targets == ["portal.mobtexting.invalid:80"]


def test_unreachable_proxy_is_unsent(server: ScriptedServer) -> None:
    """The client does not fall back to a direct connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = post(client_with(f"http://127.0.0.1:{port}"), server.url)
    assert result == RequestFailed(sent=False, reason="proxy: ConnectionRefusedError")
    assert server.requests == []


def test_silent_proxy_is_abandoned_at_deadline(server: ScriptedServer) -> None:
    """A tunnel has to be open by ``send_by``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = post(client_with(f"http://127.0.0.1:{listener.getsockname()[1]}"), server.url, 0.3)
    assert result == RequestFailed(sent=False, reason="proxy: TimeoutError")
    assert server.requests == []


def test_ipv6_target_has_brackets(proxy: ConnectProxy) -> None:
    """An authority requires them (RFC 3986, section 3.2.2)."""
    post(client_with(proxy.url), "http://[::1]:1/")
    assert proxy.targets == ["[::1]:1"]


def test_empty_setting_means_no_proxy() -> None:
    """The port is optional."""
    assert parse_proxy("") is None
    assert parse_proxy("http://proxy.example:3128") == Proxy("proxy.example", 3128)
    assert parse_proxy("http://proxy.example") == Proxy("proxy.example", 80)
