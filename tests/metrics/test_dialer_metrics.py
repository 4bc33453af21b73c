"""Metrics of a dialer other than those of calls, and the server that exposes them."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from api.api_client import settings_with
from metrics.scrape import Scrape, scrape
from prometheus_client import CollectorRegistry
from redis import Redis
from support.processes import free_port, wait_until
from support.service import running_dialers

from otpvoice.container import create_dialer
from otpvoice.metrics.exposition import Exposition, MetricsServer

EVENTS = {
    "clients_login_event_url": "http://127.0.0.1:1/",
    "clients_login_event_secret": "whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ==",
}


@contextmanager
def running_dialer(environ: dict[str, str], **changes: str) -> Iterator[str]:
    """Run a dialer and yield the URL of its metrics server."""
    bind = f"127.0.0.1:{free_port()}"
    dialer = create_dialer(settings_with(environ, dialer_metrics_bind=bind, **changes))
    with running_dialers(dialer):
        wait_until(lambda: is_running(f"http://{bind}"), "the dialer")
        yield f"http://{bind}"


def is_running(url: str) -> bool:
    """Report whether the dialer sends heartbeats."""
    try:
        return scrape(url).value("dialers") == 1
    except requests.ConnectionError:
        return False


def scrape_until(url: str, name: str, **labels: str) -> Scrape:
    """Scrape until the metric is above 0, and return that scrape."""
    found: list[Scrape] = []

    def is_counted() -> bool:
        found[:] = [scrape(url)]
        return found[0].value(name, **labels) > 0

    wait_until(is_counted, name)
    return found[0]


def test_opened_breaker_and_closed_route_are_counted(environ: dict[str, str], redis: Redis) -> None:
    """The labels name the breaker and its scope, but no part of a number."""
    notice = {"event": "breaker.opened", "breaker": "conversion_breaker area +919876", "at": 1}
    closing = {"event": "route.closed", "route": "c2c", "detail": "Out Of Credits", "at": 1}
    with running_dialer(environ) as url:
        redis.rpush("{otpvoice}:audit_log", json.dumps(closing), json.dumps(notice))
        found = scrape_until(url, "breakers_opened_total")
    assert found.totals_by("route_closings_total", "route") == {("c2c",): 1}
    assert found.totals_by("breakers_opened_total", "breaker", "scope") == {
        ("conversion_breaker", "area"): 1
    }
    assert "919876" not in found.text


def test_dropped_events_are_counted(environ: dict[str, str], redis: Redis) -> None:
    """The count increases by the number of events dropped since the last report."""
    with running_dialer(environ, **EVENTS) as url:
        redis.set("{otpvoice}:dropped_events:login", 7)
        found = scrape_until(url, "events_total", outcome="dropped")
    assert found.totals_by("events_total", "client", "outcome") == {("login", "dropped"): 7}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_metrics_server_listens_on_each_kind_of_address_until_stopped(
    host: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A connection that is reset prints nothing, because stderr is the log."""
    bind = f"{host}:{free_port()}"
    nothing = CollectorRegistry()
    server = MetricsServer(bind, Exposition(nothing, CollectorRegistry()))
    stopping = threading.Event()
    serving = threading.Thread(target=server.run, args=(stopping,))
    serving.start()
    wait_until(lambda: status_of(bind) == 200, "the server")
    with socket.create_connection((host.strip("[]"), int(bind.rpartition(":")[2]))) as lost:
        lost.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert scrape(f"http://{bind}").value("build_info") == 1
    stopping.set()
    serving.join(5)
    assert (serving.is_alive(), status_of(bind), capfd.readouterr().err) == (False, 0, "")


def status_of(bind: str) -> int:
    """Return the status of ``/metrics``, or 0 if no server listens."""
    try:
        return requests.get(f"http://{bind}/metrics", timeout=5).status_code
    except requests.ConnectionError:
        return 0


@pytest.mark.usefixtures("redis")
def test_dialer_without_metrics_bind_starts_no_server(environ: dict[str, str]) -> None:
    before = threading.active_count()
    with running_dialers(create_dialer(settings_with(environ))):
        assert not any(thread.name == "metrics" for thread in threading.enumerate())
    assert threading.active_count() == before


@pytest.mark.usefixtures("redis")
def test_dialer_with_an_address_in_use_ends_with_an_error(environ: dict[str, str]) -> None:
    """A dialer without its metrics would go unmonitored."""
    with running_dialer(environ) as url:
        bind = url.removeprefix("http://")
        second = create_dialer(settings_with(environ, dialer_metrics_bind=bind))
        with pytest.raises(OSError, match="in use"):
            second.run()
