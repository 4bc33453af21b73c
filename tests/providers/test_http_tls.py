"""TLS: connections, and the certificate authorities, certifi's or those of a variable."""

import socket
import ssl
from pathlib import Path

import pytest
from providers.servers import http_response, post, serve_connections, serve_tls, server_context
from support.certificates import Authority

from otpvoice.http_client import (
    CA_BUNDLE_VARIABLES,
    HttpClient,
    HttpResponse,
    InvalidCaBundleError,
    RequestFailed,
    create_tls_context,
)

OK = b"HTTP/1.1 200 OK\r\n"
STRAY = http_response(b'{"callId":"stray"}')
OURS = http_response(b'{"callId":"ours"}')
OUR_RESPONSE = HttpResponse(200, b'{"callId":"ours"}')


# Certificate authorities


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return a private authority."""
    return Authority.at(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def bundle(authority: Authority) -> Path:
    """Return a file with the authority's certificate."""
    authority.trusted()
    return authority.folder / "authority.pem"


def _post(authority: Authority, tls: ssl.SSLContext) -> HttpResponse | RequestFailed:
    with serve_tls(authority.server(), http_response(b"{}")) as url:
        return post(HttpClient(connections=1, tls=tls), url)


@pytest.mark.parametrize("variable", CA_BUNDLE_VARIABLES[:3])
def test_tls_context_trusts_private_authority_of_variable(
    variable: str, authority: Authority, bundle: Path
) -> None:
    """The provider or a client's server may have a certificate of a company's own authority."""
    tls = create_tls_context({variable: str(bundle)})
    assert _post(authority, tls) == HttpResponse(200, b"{}")


def test_tls_context_without_variable_trusts_certifi_only(authority: Authority) -> None:
    """A private authority is refused before anything is sent."""
    result = _post(authority, create_tls_context({}))
    assert result == RequestFailed(sent=False, reason="SSLCertVerificationError")


@pytest.mark.parametrize("variable", CA_BUNDLE_VARIABLES)
def test_tls_context_with_missing_bundle_names_variable(variable: str, tmp_path: Path) -> None:
    """A typo must not fall back to other authorities."""
    missing = tmp_path / "missing.pem"
    with pytest.raises(InvalidCaBundleError, match=f"{variable} names .*missing.pem"):
        create_tls_context({variable: str(missing)})


def test_tls_context_with_empty_bundle_is_an_error(tmp_path: Path) -> None:
    """An empty file has no certificate."""
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(InvalidCaBundleError, match="has no certificate"):
        create_tls_context({"SSL_CERT_FILE": str(empty)})


# Connections


def test_stray_response_within_one_tls_record_is_not_accepted(certificate: Path) -> None:
    """``select`` does not see what TLS has decrypted already."""
    first = http_response(b"x" * 8_000, "200 OK", "X: " + "y" * 120)
    accepted: list[int] = []
    client = HttpClient(tls=ssl.create_default_context(cafile=certificate))
    with serve_tls(server_context(certificate), first + STRAY * 20, accepted) as url:
        assert [post(client, url) for _ in range(2)] == [HttpResponse(200, b"x" * 8_000)] * 2
    assert len(accepted) == 2


def test_tls_connection_is_kept(certificate: Path) -> None:
    """Session tickets, which TLS 1.3 sends after the handshake, are not a stray response."""
    accepted: list[int] = []
    client = HttpClient(tls=ssl.create_default_context(cafile=certificate))
    with serve_tls(server_context(certificate), OURS, accepted) as url:
        assert [post(client, url) for _ in range(3)] == [OUR_RESPONSE] * 3
    assert len(accepted) == 1


def test_certificate_for_another_name_is_unsent(certificate: Path) -> None:
    """The authority is trusted, and the certificate is for ``localhost``."""
    client = HttpClient(tls=ssl.create_default_context(cafile=certificate))
    with serve_tls(server_context(certificate), OURS) as url:
        result = post(client, url.replace("localhost", "127.0.0.1"))
    assert result == RequestFailed(sent=False, reason="SSLCertVerificationError")


@pytest.mark.parametrize("response", [OK + b"\r\n", b""], ids=["not TLS", "silent"])
def test_failed_handshake_is_unsent(client: HttpClient, response: bytes) -> None:
    """A server without TLS gets no request; a silent one is abandoned at ``send_by``."""

    def serve(conn: socket.socket) -> None:
        conn.sendall(response)
        while conn.recv(4096):
            pass

    with serve_connections(serve) as port:
        result = post(client, f"https://127.0.0.1:{port}/", 0.3)
    assert isinstance(result, RequestFailed)
    assert not result.sent
