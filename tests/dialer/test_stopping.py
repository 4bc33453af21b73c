"""A stopping dialer claims and sends no further call, and no call waits for its lease."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from redis import Redis
from structlog.testing import capture_logs
from support.service import ASHA, ClientAndDialer, SandboxPhones
from system.store_proxy import StoreProxy

from otpvoice.app import create_dialer
from otpvoice.core.verification import CallStatus
from otpvoice.dialer.dialer import Dialer
from otpvoice.sandbox import RunningSandbox
from otpvoice.settings import load
from otpvoice.store.redis_store import RedisStore

NUMBERS = [f"+91987654321{n}" for n in range(4)]


@pytest.fixture
def proxy(redis_url: str) -> Iterator[StoreProxy]:
    """Run a proxy that can hold commands to the store."""
    port = urlsplit(redis_url).port
    assert port is not None
    with StoreProxy(port) as proxy:
        yield proxy


@pytest.fixture
def dialer(environ: dict[str, str], sandbox: RunningSandbox, proxy: StoreProxy) -> Dialer:
    """Create a dialer that reaches the store through the proxy, with one thread."""
    changes = {"OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url, "OTPVOICE_DIALER_THREADS": "1"}
    chosen = environ | changes | {"OTPVOICE_REDIS_URL": proxy.url}
    return create_dialer(load(chosen).settings)


@contextmanager
def ending(dialer: Dialer) -> Iterator[None]:
    """Run the dialer meanwhile; the block stops it."""
    thread = threading.Thread(target=dialer.run)
    thread.start()
    try:
        yield
        thread.join(10)
        assert not thread.is_alive()
    finally:
        dialer.stop()
        thread.join(10)


def test_busy_dialer_claims_nothing_after_the_stop(
    dialer: Dialer,
    harness: ClientAndDialer,
    phones: SandboxPhones,
    sandbox: RunningSandbox,
    store: RedisStore,
) -> None:
    """The call in flight is finished and recorded. The next ones stay queued."""
    phones.set_behaviour(NUMBERS[0], "slow", seconds=0.5)
    begun = [harness.create(number) for number in NUMBERS]
    with ending(dialer):
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.network.request_log()), 5)
        dialer.stop()
    found = [harness.calls_of(each)[0].status for each in begun]
    assert found == [CallStatus.PLACED, *[CallStatus.QUEUED] * (len(NUMBERS) - 1)]
    assert len(phones.ledger()) == 1
    assert not isinstance(store.claim(200), int)  # any other dialer goes on at once


@pytest.mark.parametrize("function", ["claim", "mark_sent"])
def test_claimed_call_returns_to_the_queue_at_the_stop(
    dialer: Dialer,
    harness: ClientAndDialer,
    phones: SandboxPhones,
    proxy: StoreProxy,
    redis: Redis,
    function: str,
) -> None:
    """It is due again at once."""
    with capture_logs() as lines, proxy.holding(function) as held, ending(dialer):
        begun = harness.create(ASHA)
        assert held.came.wait(5)
        dialer.stop()
        held.let_go.set()
    assert phones.ledger() == []
    (call,) = harness.calls_of(begun)
    assert call.status is CallStatus.QUEUED
    assert call.sent_at is None
    assert [each["call"] for each in lines if each["event"] == "call.returned_to_queue"] == [
        call.id
    ]
    assert redis.zcard("{otpvoice}:dialing") == redis.zcard("{otpvoice}:live") == 0
    assert harness.dial_next()  # neither its lease nor the gap holds it
    assert len(phones.ledger()) == 1
