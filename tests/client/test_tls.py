"""The client over TLS: whom it trusts, and for how long it waits."""

import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api.door import UNKNOWN
from api.wire import Served
from client.front import fronting, says, trickles
from client.samples import NOWHERE, PENDING
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from world import LOGIN_KEY

from otpvoice.client import Client, ConnectionFailed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(built.public_bytes(pem) + secret)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """A server's side of it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def test_an_authority_of_the_environment_is_trusted(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``requests`` has it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with fronting(NOWHERE, says(200, PENDING), tls=tls) as front:
        assert Client(front.url, LOGIN_KEY).get("vrf_01").version == 3


def test_nobody_else_is_trusted(tls: ssl.SSLContext) -> None:
    """Not a byte of the request is sent."""
    with (
        fronting(NOWHERE, says(200, PENDING), tls=tls) as front,
        pytest.raises(ConnectionFailed, match="SSLError"),
    ):
        Client(front.url, LOGIN_KEY).get("vrf_01")
    assert not front.heard


def test_the_time_is_kept(
    served: Served, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a byte comes now and then."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with fronting(served.port, *[trickles] * 3, tls=tls) as front:
        client = Client(front.url, LOGIN_KEY, within=0.5)
        began = time.monotonic()
        with pytest.raises(ConnectionFailed):
            client.get(UNKNOWN)
        assert time.monotonic() - began < 2.5
