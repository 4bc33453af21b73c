"""A server that is stopped, hung, restarted or full."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from store.driver import CODE, RAVI, StoreDriver
from support.timing import finishes_within
from support.valkey import DURABLE, Valkey

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.verification import Verification
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

AT_ONCE = 0.65
"""Seconds: the timeout of 0.5 and a little for a busy machine."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    """Start a server with the shipped durability."""
    with Valkey(tmp_path, *DURABLE) as server:
        yield server


@pytest.fixture
def client(server: Valkey) -> Iterator[Redis]:
    """A connection to it, as the service makes them."""
    client = connect(server.url)
    yield client
    client.close()


@pytest.fixture
def desk(client: Redis) -> StoreDriver:
    """A desk that works on it."""
    return StoreDriver(RedisStore(client))


def assert_all_refuse(desk: StoreDriver, begun: Verification) -> None:
    """Every step says that nothing is known, and says it at once."""
    steps: list[Callable[[], object]] = [
        lambda: desk.try_create(RAVI),
        lambda: desk.get(begun),
        lambda: desk.check(begun, CODE),
        lambda: desk.cancel(begun),
        lambda: desk.store.claim(1),
        desk.apply_callback,
        desk.sweep,
        desk.store.health,
    ]
    for step in steps:
        with finishes_within(AT_ONCE), pytest.raises(StoreUnavailable) as refusal:
            step()
        assert CODE not in str(refusal.value)


def comes_back(desk: StoreDriver) -> None:
    """Waits until the store has found its server again, which it does by itself."""
    give_up = time.monotonic() + 2
    while True:
        try:
            desk.store.health()
        except StoreUnavailable:
            assert time.monotonic() < give_up, "the store did not look for its server"
            time.sleep(0.02)
        else:
            return


def test_stopped_and_started(server: Valkey, desk: StoreDriver) -> None:
    """Refused while it is away; the same store works again as soon as it is back."""
    begun = desk.create(own_code=True)
    server.stop()
    assert_all_refuse(desk, begun)
    server.start()
    comes_back(desk)
    assert desk.check(begun, "999999").outcome == "wrong"
    assert desk.check(begun, CODE).outcome == "right"


def test_killed(server: Valkey, desk: StoreDriver) -> None:
    """What was answered is still there after ``kill -9``: nothing lost, no used code revived."""
    pending, approved = desk.create(own_code=True), desk.create(RAVI, own_code=True)
    desk.check(approved, CODE)
    desk.check(pending, "999999")
    server.kill()
    server.start()
    comes_back(desk)
    assert desk.check(approved, CODE).outcome == "closed"
    assert desk.get(pending).checks_left == 4
    assert desk.claim().verification_id == pending.id


def test_hung(server: Valkey, desk: StoreDriver) -> None:
    """No answer within half a second is refused; and what was sent meanwhile runs at most once."""
    begun = desk.create(own_code=True)
    with server.process.paused():
        with finishes_within(AT_ONCE), pytest.raises(StoreUnavailable):
            desk.check(begun, "999999")
        with finishes_within(AT_ONCE):  # only the first one waited
            for _ in range(20):
                with pytest.raises(StoreUnavailable):
                    desk.get(begun)
    comes_back(desk)
    left = desk.get(begun).checks_left
    assert left in {4, 5}
    desk.check(begun, "999998")
    assert desk.get(begun).checks_left == left - 1


def test_known_to_be_away_it_is_said_at_once(client: Redis, desk: StoreDriver) -> None:
    """After the first half second nobody waits any more, nothing is done, and it comes back."""
    begun = desk.create(own_code=True)
    process = client.info("server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            desk.get(begun)
        with finishes_within(0.25):
            for n in range(50):
                with pytest.raises(StoreUnavailable):
                    desk.check(begun, f"99{n:04}")
    finally:
        os.kill(process, signal.SIGCONT)
    comes_back(desk)
    assert desk.get(begun).checks_left == 5


@pytest.mark.parametrize(
    ("spoils", "mends"),
    [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    ],
    ids=["read only", "without replicas", "full"],
)
def test_up_but_not_able(client: Redis, desk: StoreDriver, spoils: str, mends: str) -> None:
    """A server that may not write: refused, nothing half done, and well again by itself."""
    begun = desk.create(own_code=True)
    command: Callable[..., object] = client.execute_command
    command(*spoils.split())
    keys = client.dbsize()
    with pytest.raises(StoreUnavailable):
        desk.try_create(RAVI)
    with pytest.raises(StoreUnavailable):
        desk.check(begun, "999999")
    assert client.dbsize() == keys
    command(*mends.split())
    assert desk.get(begun).checks_left == 5
    assert desk.check(begun, CODE).outcome == "right"


def test_a_full_server_still_tells(client: Redis, desk: StoreDriver) -> None:
    """At its ``maxmemory`` it takes nothing on, and what is known is told."""
    begun = desk.create()
    desk.get(begun)
    client.config_set("maxmemory", 1)
    assert desk.get(begun).checks_left == 5
    assert desk.store.health().dialers == 1


def test_nobody_there() -> None:
    """A port where nothing listens, and a name that is none."""
    for url in ("redis://127.0.0.1:1/0", "redis://store.invalid:6379/0"):
        client = connect(url)
        with finishes_within(AT_ONCE), pytest.raises(StoreUnavailable):
            RedisStore(client).get("vrf_1", "login")
        client.close()


def test_a_fault_of_our_own_is_not_hidden(desk: StoreDriver) -> None:
    """A function that fails is seen as the defect it is, and not as an outage."""
    with pytest.raises(
        Exception, match="ERR in the store's function claim_status_queries"
    ) as fault:
        desk.store.due_status_queries("many")  # type: ignore[arg-type]
    assert not isinstance(fault.value, StoreUnavailable)
