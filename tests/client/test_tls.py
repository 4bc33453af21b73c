"""The client over TLS: trusted authorities and timeouts."""

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

from otpvoice_client import Client, ConnectionFailed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for ``localhost``, with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """The TLS context of the server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def test_authority_of_the_environment_is_trusted(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``REQUESTS_CA_BUNDLE`` works as in ``requests``."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with running_proxy(UNUSED_PORT, reply_with(200, PENDING), tls=tls) as proxy:
        assert Client(proxy.url, LOGIN_KEY).get("vrf_01").version == 3


def test_unknown_authority_is_not_trusted(tls: ssl.SSLContext) -> None:
    """No part of the request is sent."""
    with (
        running_proxy(UNUSED_PORT, reply_with(200, PENDING), tls=tls) as proxy,
        pytest.raises(ConnectionFailed, match="SSLError"),
    ):
        Client(proxy.url, LOGIN_KEY).get("vrf_01")
    assert not proxy.requests


def test_timeout_bounds_a_slow_response_over_tls(
    served: ApiProcess, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with running_proxy(served.port, *[trickle_reply] * 3, tls=tls) as proxy:
        client = Client(proxy.url, LOGIN_KEY, timeout=0.5)
        began = time.monotonic()
        with pytest.raises(ConnectionFailed):
            client.get(UNKNOWN)
        assert time.monotonic() - began < 10
