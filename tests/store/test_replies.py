"""What a reply of the store means: a served command, a fault inside a function, or no service."""

import ast
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from store.driver import CODE, RAVI, StoreDriver
from support.store_proxy import CLOSE, HALF, StoreProxy
from support.valkey import Valkey

import otpvoice
from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import connect, read_server_info
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.replies import FunctionError

KEEP = 60_000
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


@pytest.fixture
def proxy(valkey: Valkey) -> Iterator[StoreProxy]:
    """A proxy in front of it."""
    with StoreProxy(valkey.port) as proxy:
        yield proxy


@pytest.fixture
def desk(proxy: StoreProxy) -> Iterator[StoreDriver]:
    """A desk that works through the proxy."""
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
    desk: StoreDriver, proxy: StoreProxy, reason: str, reply: bytes
) -> None:
    """Each refusal says that the store cannot serve, and why; the next command is served."""
    begun = desk.create(own_code=True)
    proxy.reply_always(reply)
    with pytest.raises(StoreUnavailable) as refusal:
        desk.try_create(RAVI)
    assert refusal.value.reason == reason
    proxy.pass_on()
    comes_back(desk)
    assert desk.check(begun, CODE).outcome == "right"


@pytest.mark.parametrize("reply", MALFORMED)
def test_malformed_reply_is_unavailable_and_closes_the_connection(
    desk: StoreDriver, proxy: StoreProxy, reply: str
) -> None:
    """What no function returns is refused, and no later reply is taken for another command's."""
    begun = desk.create(own_code=True)
    with closing(connect(proxy.url)) as client:
        before = desk.store.circuit_breaker.run("test", lambda to: to.execute("CLIENT", "ID"))
        proxy.reply_always(MALFORMED[reply], b"FCALL")
        with pytest.raises(StoreUnavailable) as refusal:
            desk.try_create(RAVI)
        assert refusal.value.is_lost
        proxy.pass_on()
        comes_back(desk)
        assert (
            desk.store.circuit_breaker.run("test", lambda to: to.execute("CLIENT", "ID")) > before
        )
        client.ping()
    assert desk.get(begun).checks_left == 5


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("-fcall", "no permission for fcall"),
        ("-hset", "no permission"),
        ("-time", "no permission"),
        ("resetkeys ~other:*", "no permission"),
    ],
)
def test_acl_refusal_is_unavailable(redis: Redis, redis_url: str, rule: str, reason: str) -> None:
    """A permission that is missing outside or inside of a function is no fault of the function."""
    restricted = user_of(redis, redis_url, "+@all", "~*")
    with closing(connect(restricted)) as client:
        desk = StoreDriver(RedisStore(client))
        begun = desk.create(own_code=True)
        acl(redis, rule)
        with pytest.raises(StoreUnavailable) as refusal:
            desk.try_create(RAVI)
        assert refusal.value.reason.startswith(reason)
        assert not refusal.value.is_lost
        acl(redis, "+@all", "~*")
        assert desk.check(begun, CODE).outcome == "right"


def test_library_that_may_not_be_loaded_is_unavailable(redis: Redis, redis_url: str) -> None:
    """Without FUNCTION LOAD a new library cannot run; without LIST and DELETE it can."""
    restricted = user_of(redis, redis_url, "+@all", "~*", "-function|load")
    redis.function_flush()
    with closing(connect(restricted)) as client:
        store = RedisStore(client)
        with pytest.raises(StoreUnavailable, match="cannot serve") as refusal:
            store.health()
        assert refusal.value.reason == "no permission for function|load"
        acl(redis, "+function|load", "-function|list", "-function|delete")
        assert store.health().dialers == 0


@pytest.mark.parametrize("reply", [b"$-1\r\n", b"+OK\r\n", b"*1\r\n:1\r\n", b"*1\r\n*0\r\n"])
@pytest.mark.parametrize("command", [b"LIST", b"LOAD"])
def test_malformed_reply_while_loading_is_unavailable(
    proxy: StoreProxy, reply: bytes, command: bytes
) -> None:
    """A proxy may reply nonsense to each command that loads the library."""
    proxy.decide = lambda sent: reply if sent[:2] == [b"FUNCTION", command] else None
    with closing(connect(proxy.url)) as client:
        store = RedisStore(client)
        with pytest.raises(StoreUnavailable) as refusal:
            store.health()
        assert refusal.value.reason == "malformed reply"
        proxy.pass_on()
        _until(store.health)


def test_circuit_breaker_opens_again_where_ping_is_refused(
    desk: StoreDriver, proxy: StoreProxy
) -> None:
    """A user who may run functions needs no PING: the breaker probes with a function."""
    begun = desk.create()
    refusal = b"-NOPERM User u has no permissions to run the 'ping' command\r\n"
    proxy.decide = lambda command: refusal if command[0] == b"PING" else CLOSE
    with pytest.raises(StoreUnavailable):
        desk.get(begun)
    proxy.reply_always(refusal, b"PING")
    comes_back(desk)
    assert desk.get(begun).checks_left == 5


def test_circuit_breaker_stays_closed_while_only_ping_is_served(
    desk: StoreDriver, proxy: StoreProxy
) -> None:
    """A proxy may reply to PING by itself while the store behind it is away."""
    begun = desk.create()
    proxy.decide = lambda command: b"+PONG\r\n" if command[0] == b"PING" else CLOSE
    with pytest.raises(StoreUnavailable):
        desk.get(begun)
    time.sleep(0.6)
    sent = len(proxy.commands)
    with pytest.raises(StoreUnavailable, match="Nothing was done"):
        desk.get(begun)
    assert len(proxy.commands) - sent <= 1  # a probe, perhaps
    proxy.pass_on()
    comes_back(desk)


@pytest.mark.parametrize("reply", [b"+OK\r\n", b":1\r\n", b"$2\r\nok\r\n"])
def test_malformed_reply_ends_no_wait_and_describes_no_server(
    proxy: StoreProxy, reply: bytes
) -> None:
    """A dialer that waits must not take nonsense for a token, and doctor not for a version."""
    proxy.reply_always(reply, b"BLPOP", b"INFO")
    with closing(connect(proxy.url)) as client:
        for step in (
            lambda: RedisStore(client).wait(0.1),
            lambda: read_server_info(client),
        ):
            with pytest.raises(StoreUnavailable) as refusal:
                step()
            assert refusal.value.reason == "malformed reply"


def test_error_inside_a_function_is_its_fault_alone(driver: StoreDriver) -> None:
    """The function is named, the reply's text is not repeated, and the store serves the others."""
    with pytest.raises(FunctionError) as fault:
        driver.store.due_status_queries("so many")  # type: ignore[arg-type] # fails in the function
    assert (fault.value.function, fault.value.code) == ("claim_status_queries", "ERR")
    assert "integer" not in str(fault.value)
    assert driver.store.health().dialers == 1


@pytest.mark.parametrize("loads", [False, True], ids=["flushed", "deleted"])
def test_forgotten_library_is_loaded_again(
    redis: Redis, driver: StoreDriver, *, loads: bool
) -> None:
    """FUNCTION FLUSH and FUNCTION DELETE are not noticed."""
    begun = driver.create(own_code=True)
    if loads:
        for library in redis.function_list("otpvoice_*"):
            redis.function_delete(library[1])
    else:
        redis.function_flush()
    assert driver.check(begun, CODE).outcome == "right"


def test_slow_function_that_is_killed_is_unavailable(valkey: Valkey) -> None:
    """While the server is busy with another client's function, and after it was killed: refused."""
    with closing(connect(valkey.url)) as client:
        desk = StoreDriver(RedisStore(client))
        begun = desk.create(own_code=True)
        client.config_set("busy-reply-threshold", 1)
        client.function_load(
            "#!lua name=slow\nredis.register_function('slow', function() while true do end end)"
        )
        with closing(Redis(port=valkey.port, protocol=2)) as other:
            slow = _in_background(lambda: other.fcall("slow", 0))
            _until_raises(desk.store.health, "busy with a script")
            command: Callable[..., Any] = client.execute_command
            command("FUNCTION", "KILL")
            slow()
        assert desk.check(begun, CODE).outcome == "right"


def test_no_other_module_imports_the_exceptions_of_redis_py() -> None:
    """One place decides what a reply means."""
    root = Path(otpvoice.__file__).parent
    importing = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for name in _imported(ast.parse(path.read_text("utf-8")))
        if name.startswith("redis.exceptions")
        or (name.startswith("redis.") and name.endswith("Error"))
    }
    assert importing == {"store/replies.py"}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def acl(redis: Redis, *rules: str) -> None:
    """Change what the restricted user may do."""
    command: Callable[..., Any] = redis.execute_command
    for rule in rules:
        command("ACL", "SETUSER", "restricted", *rule.split())


def user_of(redis: Redis, redis_url: str, *rules: str) -> str:
    """Make the user anew and return the address with its password."""
    acl(redis, "reset", "on", ">word", *rules)
    if redis_url.startswith("unix"):
        return f"{redis_url}&username=restricted&password=word"
    return redis_url.replace("://", "://restricted:word@")


def comes_back(desk: StoreDriver) -> None:
    """Wait until the store has found its server again."""
    _until(desk.store.health)


def _until(step: Callable[[], object], seconds: float = 2) -> None:

    give_up = time.monotonic() + seconds
    while True:
        try:
            step()
        except StoreUnavailable:
            assert time.monotonic() < give_up, "the store is not served again"
            time.sleep(0.01)
        else:
            return


def _until_raises(step: Callable[[], object], reason: str) -> None:

    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        try:
            step()
        except StoreUnavailable as error:
            if error.reason == reason:
                return
        time.sleep(0.01)
    raise AssertionError(reason)


def _in_background(step: Callable[[], object]) -> Callable[[], None]:

    def run() -> None:
        with pytest.raises(Exception, match="killed"):
            step()

    thread = threading.Thread(target=run)
    thread.start()
    return thread.join
