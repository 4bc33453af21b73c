"""Certificate authorities of outbound TLS: certifi's, or those that a variable names."""

import ssl
from pathlib import Path

import pytest
from cli.certificates import Authority
from providers.servers import http_response, post, serve_tls

from otpvoice.http_client import (
    CA_BUNDLE_VARIABLES,
    HttpClient,
    HttpResponse,
    InvalidCaBundleError,
    RequestFailed,
    create_tls_context,
)


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
