"""The client over TLS: whom it trusts, and for how long it waits."""

import ssl
import time
from pathlib import Path

import pytest
from api.api_client import UNKNOWN
from client.certificate import self_signed
from client.faulty_proxy import reply_with, running_proxy, trickle_reply
from client.samples import PENDING, UNUSED_PORT
from support.service import LOGIN_KEY
from support.stack import ApiProcess

from otpvoice.client import Client, ConnectionFailed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` that signs itself, with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls"))


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
    with running_proxy(UNUSED_PORT, reply_with(200, PENDING), tls=tls) as front:
        assert Client(front.url, LOGIN_KEY).get("vrf_01").version == 3


def test_nobody_else_is_trusted(tls: ssl.SSLContext) -> None:
    """Not a byte of the request is sent."""
    with (
        running_proxy(UNUSED_PORT, reply_with(200, PENDING), tls=tls) as front,
        pytest.raises(ConnectionFailed, match="SSLError"),
    ):
        Client(front.url, LOGIN_KEY).get("vrf_01")
    assert not front.requests


def test_the_time_is_kept(
    served: ApiProcess, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a byte comes now and then."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with running_proxy(served.port, *[trickle_reply] * 3, tls=tls) as front:
        client = Client(front.url, LOGIN_KEY, timeout=0.5)
        began = time.monotonic()
        with pytest.raises(ConnectionFailed):
            client.get(UNKNOWN)
        assert time.monotonic() - began < 2.5
