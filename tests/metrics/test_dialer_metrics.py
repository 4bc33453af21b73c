"""What a dialer counts besides calls: breakers, lost events; and where it shows it."""

import json
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

from otpvoice.app import create_dialer
from otpvoice.metrics.exposition import Exposition
from otpvoice.metrics.server import MetricsServer

EVENTS = {
    "clients_login_event_url": "http://127.0.0.1:1/",
    "clients_login_event_secret": "whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ==",
}


@contextmanager
def running_dialer(environ: dict[str, str], **changes: str) -> Iterator[str]:
    """A dialer at work, and the address at which it is scraped."""
    bind = f"127.0.0.1:{free_port()}"
    dialer = create_dialer(settings_with(environ, dialer_metrics_bind=bind, **changes))
    with running_dialers(dialer):
        wait_until(lambda: is_running(f"http://{bind}"), "the dialer")
        yield f"http://{bind}"


def is_running(url: str) -> bool:
    """Whether it answers."""
    try:
        return scrape(url).value("dialers") == 1
    except requests.ConnectionError:
        return False


def scrape_until(url: str, name: str, **labels: str) -> Scrape:
    """The scrape that tells of it."""
    found: list[Scrape] = []

    def look() -> bool:
        found[:] = [scrape(url)]
        return found[0].value(name, **labels) > 0

    wait_until(look, name)
    return found[0]


def test_a_breaker_that_opens_is_counted(environ: dict[str, str], redis: Redis) -> None:
    """By what it is and what kind of thing it is open for, and not whose number it was."""
    notice = {"event": "breaker.opened", "breaker": "conversion_breaker area +919876", "at": 1}
    with running_dialer(environ) as url:
        redis.rpush("{otpvoice}:audit_log", json.dumps(notice))
        found = scrape_until(url, "breakers_opened_total")
    assert found.totals_by("breakers_opened_total", "breaker", "scope") == {
        ("conversion_breaker", "area"): 1
    }
    assert "919876" not in found.text


def test_lost_events_are_counted(environ: dict[str, str], redis: Redis) -> None:
    """So many at once as there are."""
    with running_dialer(environ, **EVENTS) as url:
        redis.set("{otpvoice}:dropped_events:login", 7)
        found = scrape_until(url, "events_total", outcome="dropped")
    assert found.totals_by("events_total", "client", "outcome") == {("login", "dropped"): 7}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_each_kind_of_address_is_listened_on(host: str) -> None:
    """At /metrics alone; a stop ends it."""
    bind = f"{host}:{free_port()}"
    nothing = CollectorRegistry()
    server = MetricsServer(bind, Exposition(nothing, CollectorRegistry()))
    stopping = threading.Event()
    serving = threading.Thread(target=server.run, args=(stopping,))
    serving.start()
    wait_until(lambda: status_of(bind) == 404, "the server")
    assert scrape(f"http://{bind}").value("build_info") == 1
    stopping.set()
    serving.join(5)
    assert (serving.is_alive(), status_of(bind)) == (False, 0)


def status_of(bind: str) -> int:
    """The status of another page; 0 when nobody listens."""
    try:
        return requests.get(f"http://{bind}/", timeout=5).status_code
    except requests.ConnectionError:
        return 0


def test_without_an_address_nothing_listens(environ: dict[str, str], redis: Redis) -> None:  # noqa: ARG001 - empties the store
    """Metrics are shown to nobody unless the settings say where."""
    before = threading.active_count()
    with running_dialers(create_dialer(settings_with(environ))):
        assert not any(thread.name == "metrics" for thread in threading.enumerate())
    assert threading.active_count() == before


def test_an_address_that_is_taken_ends_the_dialer(environ: dict[str, str], redis: Redis) -> None:  # noqa: ARG001 - as above
    """At once, and said: nobody believes to watch what he does not see."""
    with running_dialer(environ) as url:
        bind = url.removeprefix("http://")
        second = create_dialer(settings_with(environ, dialer_metrics_bind=bind))
        with pytest.raises(OSError, match="in use"):
            second.run()
