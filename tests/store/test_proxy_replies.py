"""Forged replies of a proxy between the service and its store. Each means that it cannot serve."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE
from support.store_proxy import CLOSE, HALF, StoreProxy
from support.valkey import Valkey

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import connect, read_server_info
from otpvoice.store.redis_store import RedisStore

ERROR_REPLIES = {
    "no permission for fcall": b"-NOPERM User u has no permissions to run the 'fcall' command\r\n",
    "missing feature for fcall": b"-ERR unknown command 'FCALL', with args beginning with: 'x'\r\n",
    "error reply": b"-upstream failure\r\n",
    "loading its data": b"-LOADING Valkey is loading the dataset in memory\r\n",
    "replica without its primary": b"-MASTERDOWN Link with MASTER is down\r\n",
    "read-only replica": b"-READONLY You can't write against a read only replica.\r\n",
    "cannot write to its disk": b"-MISCONF Errors writing to the AOF file: No space left\r\n",
    "too few replicas": b"-NOREPLICAS Not enough good replicas to write.\r\n",
    "cluster is down": b"-CLUSTERDOWN The cluster is down\r\n",
    "busy with a script": b"-BUSY Valkey is busy running a script.\r\n",
    "keys are on another node": b"-TRYAGAIN Multiple keys request during rehashing\r\n",
    "out of memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "password required": b"-NOAUTH Authentication required.\r\n",
    "too many connections": b"-ERR max number of clients reached\r\n",
    "command was stopped by an operator": b"-ERR Script killed by user with FUNCTION KILL. "
    b"script: on @user_function:9.\r\n",
}
MALFORMED = {
    "no RESP": b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    "binary": bytes(range(256)),
    "a moved reply without a place": b"-MOVED elsewhere\r\n",
    "an ask reply without a place": b"-ASK\r\n",
    "a status": b"+OK\r\n",
    "a number": b":1\r\n",
    "nothing": b"$-1\r\n",
    "an empty list": b"*0\r\n",
    "a list of the wrong things": b"*2\r\n:1\r\n:2\r\n",
    "errors in a list": b"*2\r\n-ERR one\r\n-ERR two\r\n",
    "a length that is none": b"*-7\r\n",
    "a map": b"%1\r\n+a\r\n+b\r\n",
    "a push of RESP3": b">3\r\n+message\r\n+channel\r\n+text\r\n",
    "a maintenance push": b">4\r\n+MOVING\r\n:1\r\n:5\r\n+127.0.0.1:1\r\n",
    "half a reply": HALF,
    "an end of the connection": CLOSE,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """Start the server behind the proxy."""
    with Valkey(tmp_path_factory.mktemp("behind_proxy")) as server:
        yield server


@pytest.fixture
def proxy(server: Valkey) -> Iterator[StoreProxy]:
    """A proxy in front of the server, whose data is erased."""
    with server.client() as client:
        client.flushall()
    with StoreProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def driver(proxy: StoreProxy) -> Iterator[StoreDriver]:
    """A driver that works through the proxy."""
    with closing(connect(proxy.url)) as client:
        yield StoreDriver(RedisStore(client))


@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        *ERROR_REPLIES.items(),
        ("error reply", b"-\xff\xfe\xfd\r\n"),
        ("error reply", b"-\r\n"),
    ],
)
def test_error_reply_from_outside_a_function_is_unavailable(
    driver: StoreDriver, proxy: StoreProxy, reason: str, reply: bytes
) -> None:
    """The error has the reason, and the next command is served."""
    begun = driver.create(own_code=True)
    proxy.reply_always(reply)
    with pytest.raises(StoreUnavailable) as refusal:
        driver.try_create(RAVI)
    assert refusal.value.reason == reason
    proxy.pass_on()
    comes_back(driver)
    assert driver.check(begun, CODE).outcome == "right"


@pytest.mark.parametrize("reply", MALFORMED)
def test_malformed_reply_is_unavailable_and_closes_the_connection(
    driver: StoreDriver, proxy: StoreProxy, reply: str
) -> None:
    """No later reply on the connection is taken for the reply to another command."""
    begun = driver.create(own_code=True)
    with closing(connect(proxy.url)) as client:
        before = connection_id(driver)
        proxy.reply_always(MALFORMED[reply], b"FCALL")
        with pytest.raises(StoreUnavailable) as refusal:
            driver.try_create(RAVI)
        assert refusal.value.is_lost
        proxy.pass_on()
        comes_back(driver)
        assert connection_id(driver) > before
        client.ping()
    assert driver.get(begun).checks_left == 5


@pytest.mark.parametrize("reply", [b"$-1\r\n", b"+OK\r\n", b"*1\r\n:1\r\n", b"*1\r\n*0\r\n"])
@pytest.mark.parametrize("command", [b"LIST", b"LOAD"])
def test_malformed_reply_while_loading_is_unavailable(
    server: Valkey, proxy: StoreProxy, reply: bytes, command: bytes
) -> None:
    """Each of the commands that load the library can get a malformed reply."""
    with server.client() as client:
        client.function_flush()
    proxy.decide = lambda sent: reply if sent[:2] == [b"FUNCTION", command] else None
    with closing(connect(proxy.url)) as client:
        store = RedisStore(client)
        with pytest.raises(StoreUnavailable) as refusal:
            store.health()
        assert refusal.value.reason == "malformed reply"
        proxy.pass_on()
        _until(store.health)


def test_circuit_breaker_opens_again_where_ping_is_refused(
    driver: StoreDriver, proxy: StoreProxy
) -> None:
    """The breaker probes with a function, so a user needs no permission for PING."""
    begun = driver.create()
    refusal = b"-NOPERM User u has no permissions to run the 'ping' command\r\n"
    proxy.decide = lambda command: refusal if command[0] == b"PING" else CLOSE
    with pytest.raises(StoreUnavailable):
        driver.get(begun)
    proxy.reply_always(refusal, b"PING")
    comes_back(driver)
    assert driver.get(begun).checks_left == 5


def test_circuit_breaker_stays_closed_while_only_ping_is_served(
    driver: StoreDriver, proxy: StoreProxy
) -> None:
    """A proxy may reply to PING by itself while the store behind it is away."""
    begun = driver.create()
    proxy.decide = lambda command: b"+PONG\r\n" if command[0] == b"PING" else CLOSE
    with pytest.raises(StoreUnavailable):
        driver.get(begun)
    time.sleep(0.6)
    sent = len(proxy.commands)
    with pytest.raises(StoreUnavailable, match="Nothing was done"):
        driver.get(begun)
    assert len(proxy.commands) - sent <= 1  # a probe, perhaps
    proxy.pass_on()
    comes_back(driver)


@pytest.mark.parametrize("reply", [b"+OK\r\n", b":1\r\n", b"$2\r\nok\r\n"])
def test_malformed_reply_ends_no_wait_and_describes_no_server(
    proxy: StoreProxy, reply: bytes
) -> None:
    """The wait of a dialer and the server description of doctor fail."""
    proxy.reply_always(reply, b"BLPOP", b"INFO")
    with closing(connect(proxy.url)) as client:
        for step in (
            lambda: RedisStore(client).wait(0.1),
            lambda: read_server_info(client),
        ):
            with pytest.raises(StoreUnavailable) as refusal:
                step()
            assert refusal.value.reason == "malformed reply"


def connection_id(driver: StoreDriver) -> int:
    """Return the server's id of the driver's connection."""
    number: int = driver.store.circuit_breaker.run("test", lambda to: to.execute("CLIENT", "ID"))
    return number


def comes_back(driver: StoreDriver) -> None:
    """Wait until the store serves again."""
    _until(driver.store.health)


def _until(step: Callable[[], object], seconds: float = 2) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            step()
        except StoreUnavailable:
            assert time.monotonic() < give_up, "the store does not serve again"
            time.sleep(0.01)
        else:
            return
