"""A server that is stopped, hung, restarted or full."""

import copy
import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE
from support.processes import TIMEOUT_S, find_program, wait_until
from support.timing import finishes_within
from support.valkey import DURABLE, VALKEY, Valkey

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.verification import Verification
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

AT_ONCE = 0.65
"""Seconds: the timeout of 0.5 and a little for a busy machine."""


@pytest.fixture
def server(tmp_path: Path, redis_url: str) -> Iterator[Valkey]:
    """Start a server of the same engine, with the shipped durability."""
    is_redis = redis_url.startswith("unix")
    program = find_program("redis-server") if is_redis else VALKEY
    with Valkey(tmp_path, *DURABLE, program=program) as server:
        yield server


@pytest.fixture
def client(server: Valkey) -> Iterator[Redis]:
    """Return a connection to it, with a timeout that a loaded machine does not reach."""
    client = connect(server.url, timeout_s=TIMEOUT_S)
    yield client
    client.close()


@pytest.fixture
def driver(client: Redis) -> StoreDriver:
    """Return a driver of this server."""
    return StoreDriver(RedisStore(client))


@pytest.fixture
def hurried(server: Valkey, driver: StoreDriver) -> Iterator[StoreDriver]:
    """Return the driver with the timeout of the service, for a server that hangs."""
    hurried = copy.copy(driver)
    with closing(connect(server.url)) as client:
        hurried.store = RedisStore(client)
        yield hurried


def assert_all_refuse(driver: StoreDriver, begun: Verification) -> None:
    """Check that every method fails at once."""
    steps: list[Callable[[], object]] = [
        lambda: driver.try_create(RAVI),
        lambda: driver.get(begun),
        lambda: driver.check(begun, CODE),
        lambda: driver.cancel(begun),
        lambda: driver.store.claim(1),
        driver.apply_callback,
        driver.sweep,
        driver.store.health,
    ]
    for step in steps:
        with finishes_within(AT_ONCE), pytest.raises(StoreUnavailable) as refusal:
            step()
        assert CODE not in str(refusal.value)


def comes_back(driver: StoreDriver) -> None:
    """Wait until the store serves again."""
    give_up = time.monotonic() + TIMEOUT_S
    while True:
        try:
            driver.store.health()
        except StoreUnavailable:
            assert time.monotonic() < give_up, "the store did not look for its server"
            time.sleep(0.02)
        else:
            return


def test_store_works_after_the_server_restarts(server: Valkey, driver: StoreDriver) -> None:
    """Meanwhile every method fails."""
    begun = driver.create(own_code=True)
    server.stop()
    assert_all_refuse(driver, begun)
    server.start()
    comes_back(driver)
    assert driver.check(begun, "999999").outcome == "wrong"
    assert driver.check(begun, CODE).outcome == "right"


def test_killed_server_loses_nothing(server: Valkey, driver: StoreDriver) -> None:
    """After ``kill -9``: every response holds, and no used code is valid again."""
    pending, approved = driver.create(own_code=True), driver.create(RAVI, own_code=True)
    driver.check(approved, CODE)
    driver.check(pending, "999999")
    server.kill()
    server.start()
    comes_back(driver)
    assert driver.check(approved, CODE).outcome == "closed"
    assert driver.get(pending).checks_left == 4
    assert driver.claim().verification_id == pending.id


def test_hung_server_times_out_after_half_a_second(
    server: Valkey, driver: StoreDriver, hurried: StoreDriver
) -> None:
    """What was sent runs at most once."""
    begun = driver.create(own_code=True)
    with server.process.paused():
        with finishes_within(AT_ONCE), pytest.raises(StoreUnavailable):
            hurried.check(begun, "999999")
        with finishes_within(AT_ONCE):  # only the first one waited
            for _ in range(20):
                with pytest.raises(StoreUnavailable):
                    hurried.get(begun)
    comes_back(hurried)
    left = driver.get(begun).checks_left
    assert left in {4, 5}
    driver.check(begun, "999998")
    assert driver.get(begun).checks_left == left - 1


def test_open_circuit_breaker_fails_at_once(
    server: Valkey, driver: StoreDriver, hurried: StoreDriver
) -> None:
    """After the first half second, and until the server is back."""
    begun = driver.create(own_code=True)
    with server.process.paused():
        with pytest.raises(StoreUnavailable):
            hurried.get(begun)
        with finishes_within(0.25):
            for n in range(50):
                with pytest.raises(StoreUnavailable):
                    hurried.check(begun, f"99{n:04}")
    comes_back(hurried)
    assert driver.get(begun).checks_left == 5


@pytest.mark.parametrize(
    ("breaks", "repairs"),
    [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    ],
    ids=["read only", "without replicas", "full"],
)
def test_server_that_refuses_writes_recovers(
    client: Redis, driver: StoreDriver, breaks: str, repairs: str
) -> None:
    """Nothing is half done."""
    begun = driver.create(own_code=True)
    command: Callable[..., object] = client.execute_command
    command(*breaks.split())
    keys = client.dbsize()
    with pytest.raises(StoreUnavailable):
        driver.try_create(RAVI)
    with pytest.raises(StoreUnavailable):
        driver.check(begun, "999999")
    assert client.dbsize() == keys
    command(*repairs.split())
    assert driver.get(begun).checks_left == 5
    assert driver.check(begun, CODE).outcome == "right"


def test_full_server_still_serves_reads(client: Redis, driver: StoreDriver) -> None:
    """At its ``maxmemory``."""
    begun = driver.create()
    driver.get(begun)
    client.config_set("maxmemory", 1)
    assert driver.get(begun).checks_left == 5
    assert driver.store.health().dialers == 1


def test_unreachable_server_is_unavailable() -> None:
    """A closed port, or an unknown host name."""
    for url in ("redis://127.0.0.1:1/0", "redis://store.invalid:6379/0"):
        client = connect(url)
        with finishes_within(AT_ONCE), pytest.raises(StoreUnavailable):
            RedisStore(client).get("vrf_1", "login")
        client.close()


def test_probes_end_with_the_store_that_nobody_uses() -> None:
    """Otherwise they would log the outage for as long as the process runs."""
    before = set(threading.enumerate())
    client = connect("redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailable):
        RedisStore(client).get("vrf_1", "login")
    client.close()
    (probing,) = set(threading.enumerate()) - before

    def has_ended() -> bool:
        gc.collect()  # errors have the store in their tracebacks
        return not probing.is_alive()

    wait_until(has_ended, "the probes to end")


def test_failing_function_is_not_an_outage(driver: StoreDriver) -> None:
    with pytest.raises(
        Exception, match="ERR in the store's function claim_status_queries"
    ) as fault:
        driver.store.due_status_queries("many")  # type: ignore[arg-type]
    assert not isinstance(fault.value, StoreUnavailable)
