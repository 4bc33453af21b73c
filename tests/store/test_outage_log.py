"""The log while the store does not serve: at once, then rarely, and once on recovery."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs
from support.processes import wait_until
from support.store_proxy import StoreProxy
from support.valkey import Valkey

from otpvoice.core.errors import StoreUnavailable
from otpvoice.logs.lines import RecordFilter
from otpvoice.store.discovery import address_of, connect
from otpvoice.store.outage_log import OutageLog
from otpvoice.store.redis_store import RedisStore

KEEP = 60_000


@pytest.fixture
def captured() -> Iterator[list[Any]]:
    """Return everything that is logged."""
    with capture_logs() as captured:
        yield captured


def about(port: int, captured: list[Any]) -> list[Any]:
    """Return the log lines about the store at this port."""
    return [each for each in captured if each.get("address") == f"127.0.0.1:{port}"]


def store_at(url: str) -> tuple[Redis, RedisStore]:
    """Return a store that logs its outages."""
    client = connect(url)
    return client, RedisStore(client, outage_log=OutageLog(address_of(client)))


def serves(store: RedisStore) -> bool:
    """Return whether the store serves a function."""
    try:
        store.health()
    except StoreUnavailable:
        return False
    return True


def test_outage_is_logged_once_with_address_and_reason(valkey: Valkey, captured: list[Any]) -> None:
    """And its end once, with the number of failed commands."""
    client, store = store_at(valkey.url)
    with closing(client):
        assert serves(store)
        valkey.kill()
        for _ in range(50):
            assert not serves(store)
        valkey.start()
        wait_until(lambda: serves(store), "the store to be served", 2)
    refused, *changes, recovered = about(valkey.port, captured)
    assert (refused["log_level"], refused["function"]) == ("error", "health")
    assert refused["reason"] in {"refused", "connection lost"}
    # A server that starts slowly may give one more reason, such as that it loads its data.
    reasons = [line["reason"] for line in (refused, *changes)]
    assert len(set(reasons)) == len(reasons)
    assert (recovered["event"], recovered["log_level"]) == ("store.recovered", "info")
    assert recovered["failed_commands"] >= 49


def test_wrong_password_is_logged_without_the_password(valkey: Valkey, captured: list[Any]) -> None:
    client, store = store_at(f"redis://:pass-word@127.0.0.1:{valkey.port}/0")
    with closing(client):
        assert not serves(store)  # the server has no password
    (wrong,) = about(valkey.port, captured)
    assert (wrong["event"], wrong["reason"]) == ("store.unavailable", "wrong password")
    assert "pass-word" not in str(captured)


def test_refused_writes_do_not_flood_the_log(valkey: Valkey, captured: list[Any]) -> None:
    """Reads are served meanwhile."""
    client, store = store_at(valkey.url)
    with closing(client):
        store.sweep("dialer")
        client.config_set("maxmemory", 1)
        for _ in range(20):
            with pytest.raises(StoreUnavailable):
                store.sweep("dialer")
            assert serves(store)
        client.config_set("maxmemory", 0)
        store.sweep("dialer")
    lines = about(valkey.port, captured)
    assert [each["event"] for each in lines] == ["store.unavailable", "store.recovered"]
    assert (lines[0]["reason"], lines[0]["reply"]) == ("out of memory", "OOM")


def test_short_outages_do_not_flood_the_log(valkey: Valkey, captured: list[Any]) -> None:
    """Five of a minute are logged, and the rest is counted."""
    with StoreProxy(valkey.port) as proxy:
        client, store = store_at(proxy.url)
        with closing(client):
            for _ in range(30):
                proxy.reply_always(b"-upstream failure\r\n", b"FCALL")
                assert not serves(store)
                proxy.pass_on()
                assert serves(store)
        lines = about(proxy.port, captured)
    assert [each["event"] for each in lines] == ["store.unavailable", "store.recovered"] * 5
    assert {each["reply"] for each in lines[::2]} == {"upstream"}


def test_log_shows_address_and_counts_without_password() -> None:
    for address in ("10.0.0.12:26379", "a:1,b:2", "/run/valkey-2026/valkey.sock"):
        line = {"event": "store.unavailable", "address": address, "failed_commands": 123}
        assert RecordFilter()({}, "error", {**line}) == line
    secret = {"event": "store.unavailable", "address": "s3cret-word:1"}
    assert RecordFilter(["s3cret-word"])({}, "error", {**secret})["address"] == "[redacted]"
