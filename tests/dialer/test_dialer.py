"""The running dialer: wake-up, canceled calls, failing store functions, stop, live test calls."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis
from structlog.testing import capture_logs
from support.processes import wait_until
from support.service import ASHA, ClientAndDialer, SandboxPhones, running_dialers
from support.store_proxy import StoreProxy
from support.timing import finishes_within

from otpvoice.container import create_dialer
from otpvoice.core.keys import DecryptionError, KeyRing
from otpvoice.core.requests import CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.dialer.dialer import Dialer
from otpvoice.http_client import CapturedResponse
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.settings import Settings, load
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox


def test_waiting_dialer_is_woken_by_a_create(
    harness: ClientAndDialer, sandbox: RunningSandbox, make_dialer: Callable[..., Dialer]
) -> None:
    """A request reaches the provider within a fraction of the longest sleep."""
    with running_dialers(make_dialer()):
        time.sleep(0.2)  # asleep by now
        for n in range(5):
            with finishes_within(0.1):
                harness.create(f"+91987654321{n}")
                assert sandbox.state.wait_until(
                    lambda n=n: len(sandbox.state.request_log()) > n,  # type: ignore[misc]
                    5,
                )


def test_canceled_verification_is_not_called(
    harness: ClientAndDialer, phones: SandboxPhones
) -> None:
    """Its call was due already. The call has the reason."""
    verification = harness.create()
    harness.cancel(verification)
    assert not harness.dial_next()
    (call,) = harness.calls_of(verification)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert phones.ledger() == []


def test_stopping_dialer_finishes_calls_in_flight(
    harness: ClientAndDialer,
    phones: SandboxPhones,
    sandbox: RunningSandbox,
    make_dialer: Callable[..., Dialer],
) -> None:
    """Other calls stay queued."""
    phones.set_behaviour(ASHA, "slow", seconds=0.5)
    begun = harness.create(ASHA)
    with running_dialers(make_dialer()):
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.request_log()), 2)
    (call,) = harness.calls_of(begun)
    assert call.status is CallStatus.PLACED
    later = harness.create("+919876543211")
    assert harness.calls_of(later)[0].status is CallStatus.QUEUED


def test_dialer_continues_after_failing_store_functions(
    redis: Redis, store: RedisStore, harness: ClientAndDialer, make_dialer: Callable[..., Dialer]
) -> None:
    """Each failed iteration is logged. Calls are placed as soon as the functions work."""
    dialer = make_dialer()
    redis.function_flush()
    assert store.health().dialers  # it loads the library
    library: Any = redis.function_list("otpvoice_*", withcode=False)[0]
    name, functions = library[1].decode(), [each[1].decode() for each in library[5]]
    failing = "redis.register_function('{}', function() error('broken') end)"
    text = "\n".join([f"#!lua name={name}", *map(failing.format, functions)])
    redis.function_load(text, replace=True)
    with capture_logs() as lines, running_dialers(dialer):
        wait_until(
            lambda: {"claim", "sweep"} <= {each.get("function") for each in lines}, "failed rounds"
        )
        before = calls_of(redis)
        wait_until(lambda: calls_of(redis) >= before + 12, "further rounds")
        redis.function_delete(name)
        wait_until(lambda: store.health().dialers > 0, "a heartbeat")
        verification = harness.create()
        wait_until(lambda: harness.calls_of(verification)[0].status is CallStatus.PLACED, "a call")
    assert lines[-1]["event"] == "dialer.stopped"


def calls_of(redis: Redis) -> int:
    """Return how many functions the server has run."""
    calls: int = redis.info("commandstats")["cmdstat_fcall"]["calls"]
    return calls


# Stopping -----------------------------------------------------------------------------------------


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
        thread.join(60)
        assert not thread.is_alive()
    finally:
        dialer.stop()
        thread.join(60)


def test_busy_dialer_claims_nothing_after_the_stop(
    dialer: Dialer,
    harness: ClientAndDialer,
    phones: SandboxPhones,
    sandbox: RunningSandbox,
    store: RedisStore,
) -> None:
    """The call in flight is finished and recorded. The next ones stay queued."""
    for number in NUMBERS:  # calls that are due in the same millisecond have no order
        phones.set_behaviour(number, "slow", seconds=0.5)
    begun = [harness.create(number) for number in NUMBERS]
    with ending(dialer):
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.request_log()), 5)
        dialer.stop()
    found = sorted(harness.calls_of(each)[0].status for each in begun)
    assert found == [CallStatus.PLACED, *[CallStatus.QUEUED] * (len(NUMBERS) - 1)]
    assert len(phones.ledger()) == 1
    assert not isinstance(store.claim(200), int)  # any other dialer goes on at once


def test_stop_while_the_store_is_unavailable_ends_in_time(
    dialer: Dialer,
    harness: ClientAndDialer,
    phones: SandboxPhones,
    sandbox: RunningSandbox,
    proxy: StoreProxy,
) -> None:
    """The dialer tries to record the call in flight for five seconds. Then its lease decides."""
    phones.set_behaviour(ASHA, "slow", seconds=0.5)
    begun = harness.create(ASHA)
    with capture_logs() as lines, ending(dialer):
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.request_log()), 5)
        proxy.reply_always(b"-upstream failure\r\n", b"FCALL")
        dialer.stop()
    assert "call.lease_abandoned" in {each["event"] for each in lines}
    assert harness.calls_of(begun)[0].status is CallStatus.DIALING


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


# Live test calls ----------------------------------------------------------------------------------


@pytest.fixture
def ring(settings: Settings) -> KeyRing:
    """Return the key ring that encrypts everything."""
    return KeyRing([named.key for named in settings.secrets.keys])


def test_response_of_a_live_test_call_is_kept_whole(
    service: Verifications, harness: ClientAndDialer, store: RedisStore, ring: KeyRing, redis: Redis
) -> None:
    """The key ring decrypts it. The store has no plain number and no code."""
    call = service.create_live_test("login", CreateRequest(ASHA, code="482913")).calls[0]
    assert harness.dial_next()
    ((_, heard),) = ExchangeCapture(store, ring).load(call.id)
    assert isinstance(heard, CapturedResponse)
    assert (heard.method, heard.status, heard.error) == ("POST", 200, "")
    assert ASHA.removeprefix("+").encode() in heard.body
    assert ASHA.removeprefix("+") not in repr(heard)
    kept = b"".join(redis.dump(key) or b"" for key in redis.scan_iter("*:captured:*"))
    assert kept
    assert not [secret for secret in (ASHA[1:], "482913", "accepted") if secret.encode() in kept]


def test_missing_response_of_a_live_test_call_is_kept(
    service: Verifications,
    harness: ClientAndDialer,
    phones: SandboxPhones,
    store: RedisStore,
    ring: KeyRing,
) -> None:
    """With the error and the duration."""
    phones.set_behaviour(ASHA, "timeout", rings=False)
    begun = service.create_live_test("login", CreateRequest(ASHA))
    assert harness.dial_next(end_within=0.3)
    ((_, heard),) = ExchangeCapture(store, ring).load(begun.calls[0].id)
    assert isinstance(heard, CapturedResponse)
    assert (heard.status, heard.body, heard.error) == (None, b"", "TimeoutError")
    assert 0.2 < heard.duration_s < 30
    assert harness.calls_of(begun)[0].status is CallStatus.UNKNOWN


def test_responses_of_other_calls_are_not_kept(harness: ClientAndDialer, redis: Redis) -> None:
    """They contain numbers and codes."""
    harness.create()
    assert harness.dial_next()
    assert [*redis.scan_iter("*:captured:*")] == []


@pytest.mark.usefixtures("harness")
def test_captured_exchange_of_another_call_cannot_be_decrypted(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """The encryption binds an exchange to its call."""
    call = service.create_live_test("login", CreateRequest(ASHA)).calls[0]
    store.capture(call.id, ring.encrypt("{}", f"call_{'b' * 32} captured"))
    with pytest.raises(DecryptionError):
        ExchangeCapture(store, ring).load(call.id)
