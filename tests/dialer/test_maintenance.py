"""The maintenance loop: status queries for calls without a callback."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from support.service import ASHA, ClientAndDialer, SandboxPhones, running_dialers

from otpvoice.container import Container
from otpvoice.core.keys import KeyRing
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.dialer.dialer import Dialer
from otpvoice.dialer.maintenance import MaintenanceLoop
from otpvoice.http_client import Deadlines
from otpvoice.metrics import DialerMetrics
from otpvoice.providers.base import (
    Callback,
    CallQuery,
    CallReport,
    OutboundCall,
    PlacementResult,
    Speech,
)
from otpvoice.providers.routes import ProviderFlows, Route
from otpvoice.settings import Settings, load
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox

CALLBACK_TIMEOUT = 60_000


class HangingProvider:
    """A provider that answers no status query before it is released.

    Args:
        fails: raise an unexpected error after the release.
    """

    def __init__(self, fails: Exception | None = None) -> None:
        self.asked = threading.Semaphore(0)
        self.questions = 0
        self.let_go = threading.Event()
        self._lock = threading.Lock()
        self._fails = fails

    def place(self, order: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        """Is not what it is for."""
        raise NotImplementedError

    def preview_request(self, call: OutboundCall) -> NoReturn:
        """Is not what it is for."""
        raise NotImplementedError

    def plan_speech(self, speech: Speech) -> NoReturn:
        """Is not what it is for."""
        raise NotImplementedError

    def fetch_status(self, query: CallQuery, deadlines: Deadlines) -> CallReport | None:  # noqa: ARG002
        """Hangs, and then knows nothing."""
        with self._lock:
            self.questions += 1
        self.asked.release()
        self.let_go.wait(10)
        if self._fails:
            raise self._fails
        return None

    def parse_callback(self, callback: Callback) -> NoReturn:
        """Is not what it is for."""
        raise NotImplementedError


@pytest.fixture
def ring(settings: Settings) -> KeyRing:
    """Return the key ring that decrypts numbers."""
    return KeyRing([named.key for named in settings.secrets.keys])


@pytest.fixture
def keeper(
    environ: dict[str, str], sandbox: RunningSandbox, store: RedisStore, ring: KeyRing
) -> MaintenanceLoop:
    """Create a maintenance loop that queries the sandbox."""
    chosen = environ | {"OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url}
    return MaintenanceLoop("keeper", store, Container(load(chosen).settings).routes, ring)


def routes_by(company: HangingProvider) -> dict[str, Route]:
    """Return the usual routes, with another provider."""
    return {
        name: Route(name, "hanging", company, name, ProviderFlows({}), 165)
        for name in ("obd", "c2c")
    }


def called(harness: ClientAndDialer, sandbox: RunningSandbox, number: str = ASHA) -> Verification:
    """Create a verification whose call has ended at the provider without a callback."""
    begun = harness.create(number)
    harness.dial_next()
    assert sandbox.state.wait_until(lambda: all(call.ended_at for call in sandbox.state.calls), 3)
    return begun


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ("answer", CallStatus.ANSWERED),
        ("busy", CallStatus.BUSY),
        ("no_answer", CallStatus.NO_ANSWER),
    ],
)
def test_queried_status_is_applied(
    harness: ClientAndDialer,
    phones: SandboxPhones,
    sandbox: RunningSandbox,
    store: RedisStore,
    keeper: MaintenanceLoop,
    behaviour: str,
    status: CallStatus,
) -> None:
    """After ``callback_timeout`` without a callback."""
    phones.set_behaviour(ASHA, behaviour)
    begun = called(harness, sandbox)
    assert store.due_status_queries(32) == []
    store.clock_offset_ms += CALLBACK_TIMEOUT
    (pull,) = store.due_status_queries(32)
    keeper.query_status(pull)
    (call,) = harness.calls_of(begun)
    assert (call.status, call.raw is not None) == (status, True)


def test_running_dialer_queries_calls_without_callback(
    harness: ClientAndDialer,
    sandbox: RunningSandbox,
    store: RedisStore,
    make_dialer: Callable[..., Dialer],
) -> None:
    """And sends heartbeats."""
    begun = called(harness, sandbox)
    store.clock_offset_ms += CALLBACK_TIMEOUT
    store.sweep("another dialer")
    ended = threading.Event()
    with running_dialers(make_dialer()):
        for _ in range(60):
            if harness.calls_of(begun)[0].status is CallStatus.ANSWERED:
                ended.set()
                break
            ended.wait(0.05)
        assert store.health().dialers
    assert ended.is_set()


def test_stop_waits_for_started_queries_only(
    harness: ClientAndDialer, store: RedisStore, ring: KeyRing
) -> None:
    """With a hanging provider. The other queries are left to other dialers."""
    for n in range(12):
        harness.create(f"+9198123450{n:02}")
        harness.dial_next()
    store.clock_offset_ms += CALLBACK_TIMEOUT
    company = HangingProvider()
    stopping = threading.Event()
    keeping = threading.Thread(
        target=MaintenanceLoop("k", store, routes_by(company), ring).run, args=(stopping,)
    )
    keeping.start()
    for _ in range(4):
        assert company.asked.acquire(timeout=3)
    stopping.set()
    keeping.join(0.5)  # time to see the stop, while the four still hang
    assert keeping.is_alive()
    company.let_go.set()
    keeping.join(10)
    assert not keeping.is_alive()
    assert company.questions == 4


def test_query_without_its_key_does_not_block_others(
    harness: ClientAndDialer, sandbox: RunningSandbox, store: RedisStore, environ: dict[str, str]
) -> None:
    """The failed decryption is logged."""
    called(harness, sandbox)
    store.clock_offset_ms += CALLBACK_TIMEOUT
    stopping = threading.Event()
    routes = Container(load(environ).settings).routes
    keeper = MaintenanceLoop(
        "k", store, routes, KeyRing([b"another key than that of the seal"[:32]])
    )
    keeping = threading.Thread(target=keeper.run, args=(stopping,))
    keeping.start()
    stopping.wait(0.2)
    assert keeping.is_alive()
    stopping.set()
    keeping.join(5)
    assert not keeping.is_alive()


def test_internal_error_in_a_query_is_logged(
    harness: ClientAndDialer, store: RedisStore, ring: KeyRing
) -> None:
    """With the call's id. Later queries continue."""
    begun = [harness.create(f"+9198123450{n:02}") for n in range(5)]
    for _ in begun:
        harness.dial_next()
    store.clock_offset_ms += CALLBACK_TIMEOUT
    company = HangingProvider(fails=LookupError("a slip of ours"))
    company.let_go.set()
    stopping = threading.Event()
    with capture_logs() as lines:
        keeping = threading.Thread(
            target=MaintenanceLoop("k", store, routes_by(company), ring).run, args=(stopping,)
        )
        keeping.start()
        assert all(company.asked.acquire(timeout=3) for _ in begun)
        stopping.set()
        keeping.join(5)
    faults = [line for line in lines if line["event"] == "call.failed_unexpectedly"]
    assert {line["verification"] for line in faults} == {each.id for each in begun}
    assert {line["error"] for line in faults} == {"LookupError"}


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return the registry of the dialer's metrics."""
    return CollectorRegistry()


def pulls(registry: CollectorRegistry) -> Counter[tuple[str, str]]:
    """By route and outcome."""
    (family,) = (each for each in registry.collect() if each.name == "otpvoice_pulls")
    return Counter(
        {
            (sample.labels["route"], sample.labels["outcome"]): round(sample.value)
            for sample in family.samples
            if sample.name == "otpvoice_pulls_total"
        }
    )


def test_status_queries_are_counted_by_outcome(
    harness: ClientAndDialer,
    sandbox: RunningSandbox,
    store: RedisStore,
    environ: dict[str, str],
    settings: Settings,
    registry: CollectorRegistry,
) -> None:
    """No result, then the end, then a known status."""
    ring = KeyRing([named.key for named in settings.secrets.keys])
    metrics = DialerMetrics(registry)
    away, there = (
        MaintenanceLoop(
            "k",
            store,
            Container(load(environ | {"OTPVOICE_PROVIDER_BASE_URL": url}).settings).routes,
            ring,
            metrics,
        )
        for url in ("http://127.0.0.1:1/", sandbox.api_url)
    )
    harness.create(ASHA)
    harness.dial_next()
    company = sandbox.state
    assert company.wait_until(lambda: all(call.ended_at for call in company.calls), 3)
    store.clock_offset_ms += CALLBACK_TIMEOUT
    (pull,) = store.due_status_queries(1)
    for keeper in (away, there, there):
        keeper.query_status(pull)
    assert pulls(registry) == {("obd", "nothing"): 1, ("obd", "applied"): 1, ("obd", "late"): 1}
