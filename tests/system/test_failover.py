"""A store of several servers: a cluster and Sentinels, with slot moves and failovers.

The last test kills the primary of the servers that all of them share.
"""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis
from store.driver import StoreDriver
from store.new_verifications import CODE
from support.processes import TIMEOUT_S
from support.timing import DelayMonitor
from support.valkey import SLOT, Servers, cluster, move_slot, name_of, sentinels

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.discovery import connect, read_server_info
from otpvoice.store.redis_store import RedisStore

KEEP = 60_000
AT_ONCE = 1.15
"""Seconds: a timeout for those who know the primary, one for the primary, and a little more."""
PATIENCE = TIMEOUT_S
"""Seconds. Two do on an idle machine; on a busy one the servers may need several tries to promote a
replica that is slow to answer, four seconds apart."""


@pytest.fixture(scope="module", params=[cluster, sentinels], ids=["cluster", "sentinels"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    """Each in turn."""
    with request.param(tmp_path_factory.mktemp("servers")) as running:
        yield running


IN_A_CLUSTER = pytest.mark.parametrize("servers", [cluster], indirect=True, ids=["cluster"])


@pytest.fixture
def client(servers: Servers) -> Iterator[Redis]:
    """Connect as the service does, to an empty store."""
    client = connect(servers.url)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def desk(client: Redis) -> StoreDriver:
    """Create a driver of that store."""
    return StoreDriver(RedisStore(client))


def test_verification_runs_on_the_primary(servers: Servers, desk: StoreDriver) -> None:
    """From the request to the approval."""
    begun = desk.create(own_code=True)
    claim = desk.dial()
    assert desk.apply_callback(call_id=claim.call_id).call_status is CallStatus.ANSWERED
    assert desk.check(begun, "999999").outcome == "wrong"
    assert desk.check(begun, CODE).outcome == "right"
    assert servers.primary.dbsize() > 0
    assert servers.primary.ran() > 0
    assert servers.replica.ran() == 0


def test_create_wakes_a_dialer_through_the_servers(servers: Servers, desk: StoreDriver) -> None:
    """Its blocking wait ends with the create."""
    client = connect(servers.url, timeout_s=TIMEOUT_S)
    create = threading.Timer(0.1, desk.create)
    create.start()
    began = time.monotonic()
    RedisStore(client).wait(60)
    assert time.monotonic() - began < 50
    create.join()
    client.close()


def test_server_info_comes_from_the_primary(client: Redis) -> None:
    """For questions about one server."""
    server = read_server_info(client)
    assert (server.name, server.appendonly, server.appendfsync) == ("valkey", "yes", "always")


def test_command_after_timeout_is_not_repeated(servers: Servers, desk: StoreDriver) -> None:
    """Without a reply in time the request is refused.

    When the server continues, it runs the function once.
    """
    begun = desk.create(own_code=True)
    desk.check(begun, "999999")  # the script is known from now on
    client = connect(servers.url, timeout_s=0.1)
    impatient = RedisStore(client)
    impatient.health()
    with servers.primary.process.paused(), pytest.raises(StoreUnavailable):
        impatient.check(begun.id, begun.client, len(CODE), [b"wrong"])
    comes_back(impatient)
    assert desk.get(begun).checks_left == 3
    client.close()


@IN_A_CLUSTER
def test_cluster_refuses_keys_without_the_hash_tag(client: Redis) -> None:
    """Their slots belong to other nodes, or to several."""
    with pytest.raises(StoreUnavailable) as refusal:
        RedisStore(client, tag="otpvoice").get("vrf_1", "login")
    assert refusal.value.reply in {"CROSSSLOT", "MOVED"}


@IN_A_CLUSTER
def test_moved_slot_is_followed_without_an_error(servers: Servers, desk: StoreDriver) -> None:
    """The node that replied MOVED ran nothing."""
    desk.create()
    servers.primary.flushdb()  # only an empty slot can be moved at once
    new, other = servers.others
    move_slot(servers.primary, new, other)
    desk.sweep()
    begun = desk.create(own_code=True)
    assert desk.check(begun, CODE).outcome == "right"
    assert new.dbsize() > 0
    new.flushdb()
    move_slot(new, servers.primary, other)
    desk.sweep()
    assert servers.primary.dbsize() > 0


@IN_A_CLUSTER
def test_slot_in_migration_is_an_outage(servers: Servers, desk: StoreDriver) -> None:
    """While its keys move one by one, no function has all of them.

    Requests are refused, and nothing changes.
    """
    begun = desk.create(own_code=True)
    new, *_ = servers.others
    try:
        servers.primary.output(f"CLUSTER SETSLOT {SLOT} MIGRATING {name_of(new)}")
        with pytest.raises(StoreUnavailable):
            desk.create("+919812345678")
    finally:
        servers.primary.output(f"CLUSTER SETSLOT {SLOT} STABLE")
    assert desk.check(begun, CODE).outcome == "right"


class Load(threading.Thread):
    """Creates as fast as one client can send them, until it is stopped.

    Each is for a different number, because a refused create may have taken effect. Each is delayed,
    so that it needs no dialer.
    """

    def __init__(self, desk: StoreDriver) -> None:
        super().__init__()
        self.acknowledged: list[Verification] = []
        self.slowest = 0.0
        """Seconds that the slowest answer took."""
        self.away = 0.0
        """Seconds of the longest time without a create."""
        self.refused = threading.Event()
        self.served_again = threading.Event()
        self.fault: Exception | None = None
        self.witness = DelayMonitor()
        """Of how late the machine lets a thread be."""
        self._desk = desk
        self._numbers = (f"+9198{n:08}" for n in itertools.count())
        self._stopped = threading.Event()

    def run(self) -> None:
        """See :class:`threading.Thread`."""
        self.witness.start()
        well = time.monotonic()
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self.acknowledged.append(self._desk.create(next(self._numbers), call_after=60))
            except StoreUnavailable:
                self.refused.set()
                self._stopped.wait(0.01)
            except Exception as fault:  # noqa: BLE001 - the test raises it in its own thread
                self.fault = fault
                return
            else:
                self.away = max(self.away, time.monotonic() - well)
                well = time.monotonic()
                if self.refused.is_set():
                    self.served_again.set()
            self.slowest = max(self.slowest, time.monotonic() - began)

    def forgets(self) -> None:
        """Forget earlier refusals, because a busy disk can delay a server."""
        self.refused.clear()
        self.served_again.clear()

    def stop(self) -> None:
        """Stop the load."""
        self._stopped.set()
        self.join()
        self.witness.stop()


def comes_back(store: RedisStore) -> None:
    """Wait until the store has found its primary again."""
    give_up = time.monotonic() + 60
    while True:
        try:
            store.health()
        except StoreUnavailable:
            assert time.monotonic() < give_up, "the store did not find the new primary"
            time.sleep(0.02)
        else:
            return


def test_killed_primary_is_replaced_by_the_replica(
    servers: Servers, client: Redis, desk: StoreDriver
) -> None:
    """Requests are refused at once, then served by the promoted replica, and no check is counted
    twice. Replication is asynchronous, so the last acknowledged changes may be lost. The test
    measures how many.
    """
    begun = desk.create(own_code=True)
    desk.check(begun, "999999")
    servers.replicates()
    load = Load(StoreDriver(RedisStore(client)))
    load.start()
    time.sleep(0.5)  # so long is the load steady
    load.forgets()
    servers.primary.process.kill()
    assert load.refused.wait(PATIENCE), "no request was refused"
    back = load.served_again.wait(PATIENCE)
    load.stop()
    assert load.fault is None
    assert back, servers.sentinel_state()
    assert load.slowest < 3 * AT_ONCE + load.witness.late
    assert servers.replica.ran() > 0
    answers = [desk.store.get(made.id, made.client) for made in load.acknowledged]
    lost = sum(answer.outcome == "not_found" for answer in answers)
    print(f"away for {load.away:.1f} s; lost {lost} of {len(load.acknowledged)} acknowledged")
    assert desk.get(begun).checks_left == 4
    desk.check(begun, "999998")
    assert desk.get(begun).checks_left == 3
    assert desk.check(begun, CODE).outcome == "right"
