"""Status queries are counted by outcome."""

from collections import Counter

import pytest
from prometheus_client import CollectorRegistry
from support.service import ASHA, ClientAndDialer

from otpvoice.app import Container
from otpvoice.core.keys import KeyRing
from otpvoice.dialer.maintenance import MaintenanceLoop
from otpvoice.metrics.dialer import DialerMetrics
from otpvoice.sandbox import RunningSandbox
from otpvoice.settings import Settings, load
from otpvoice.store.redis_store import RedisStore

CALLBACK_TIMEOUT = 60_000


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
            Container(load(environ | {"OTPVOICE_PROVIDER_BASE_URL": url}).settings).provider,
            ring,
            metrics,
        )
        for url in ("http://127.0.0.1:1/", sandbox.api_url)
    )
    harness.create(ASHA)
    harness.dial_next()
    company = sandbox.state
    assert company.wait_until(
        lambda: all(call.ended_at for call in company.network.list_calls()), 3
    )
    store.clock_offset_ms += CALLBACK_TIMEOUT
    (pull,) = store.due_status_queries(1)
    for keeper in (away, there, there):
        keeper.query_status(pull)
    assert pulls(registry) == {("obd", "nothing"): 1, ("obd", "applied"): 1, ("obd", "late"): 1}
