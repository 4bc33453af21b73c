"""Certificate authorities of outbound TLS: certifi's, or those that variables name."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cli.certificates import Authority

from otpvoice.http_client import (
    CA_BUNDLE_VARIABLES,
    Deadlines,
    HttpClient,
    HttpResponse,
    InvalidCaBundleError,
    RequestFailed,
    create_tls_context,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private authority."""
    return Authority.at(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def bundle(authority: Authority) -> Path:
    """Its certificate in a file of its own."""
    authority.trusted()
    return authority.folder / "authority.pem"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def _https_server(authority: Authority) -> Iterator[str]:
    """Serve HTTPS with a certificate of the authority; yields the URL."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.socket = authority.server().wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


def _post(url: str, tls: ssl.SSLContext) -> HttpResponse | RequestFailed:
    finish_by = time.monotonic() + 5
    return HttpClient(connections=1, tls=tls).post(url, {}, b"", Deadlines(finish_by, finish_by))


@pytest.mark.parametrize("variable", CA_BUNDLE_VARIABLES[:3])
def test_private_authority_named_by_a_variable_is_trusted(
    variable: str, authority: Authority, bundle: Path
) -> None:
    """The provider or a client's server may stand behind a company's own authority."""
    with _https_server(authority) as url:
        assert isinstance(_post(url, create_tls_context({variable: str(bundle)})), HttpResponse)


def test_unknown_authority_is_refused_by_default(authority: Authority) -> None:
    """Without a variable certifi's bundle counts."""
    with _https_server(authority) as url:
        reply = _post(url, create_tls_context({}))
    assert isinstance(reply, RequestFailed)
    assert not reply.sent


@pytest.mark.parametrize("variable", CA_BUNDLE_VARIABLES)
def test_missing_bundle_is_an_error_that_names_the_variable(variable: str, tmp_path: Path) -> None:
    """A typo must not fall back to other authorities."""
    nowhere = tmp_path / "nowhere.pem"
    with pytest.raises(InvalidCaBundleError, match=f"{variable} names .*nowhere.pem"):
        create_tls_context({variable: str(nowhere)})


def test_bundle_without_a_certificate_is_an_error(tmp_path: Path) -> None:
    """As an empty file is."""
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(InvalidCaBundleError, match="has no certificate"):
        create_tls_context({"SSL_CERT_FILE": str(empty)})
