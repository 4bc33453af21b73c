"""What an engine's own replies mean: an error inside a function, or a store that cannot serve."""

import ast
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE

import otpvoice
from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.replies import FunctionError


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
    """A missing permission is not reported as an error of the function that needs it."""
    restricted = user_of(redis, redis_url, "+@all", "~*")
    with closing(connect(restricted)) as client:
        driver = StoreDriver(RedisStore(client))
        begun = driver.create(own_code=True)
        acl(redis, rule)
        with pytest.raises(StoreUnavailable) as refusal:
            driver.try_create(RAVI)
        assert refusal.value.reason.startswith(reason)
        assert not refusal.value.is_lost
        acl(redis, "+@all", "~*")
        assert driver.check(begun, CODE).outcome == "right"


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


def test_error_inside_a_function_is_its_fault_alone(driver: StoreDriver) -> None:
    """The function is named, the reply's text is not repeated, and the store serves the others."""
    with pytest.raises(FunctionError) as fault:
        driver.store.due_status_queries("many")  # type: ignore[arg-type] # fails in the function
    assert (fault.value.function, fault.value.code) == ("claim_status_queries", "ERR")
    assert "integer" not in str(fault.value)
    assert driver.store.health().dialers == 1


@pytest.mark.parametrize("loads", [False, True], ids=["flushed", "deleted"])
def test_forgotten_library_is_loaded_again(
    redis: Redis, driver: StoreDriver, *, loads: bool
) -> None:
    """After FUNCTION FLUSH or FUNCTION DELETE, the next call loads the library."""
    begun = driver.create(own_code=True)
    if loads:
        for library in redis.function_list("otpvoice_*"):
            redis.function_delete(library[1])
    else:
        redis.function_flush()
    assert driver.check(begun, CODE).outcome == "right"


def test_slow_function_that_is_killed_is_unavailable(
    redis: Redis, redis_url: str, driver: StoreDriver
) -> None:
    """While the server runs another client's function, and after it was killed, it cannot serve."""
    begun = driver.create(own_code=True)
    redis.config_set("busy-reply-threshold", 1)
    redis.function_load(
        "#!lua name=slow\nredis.register_function('slow', function() while true do end end)"
    )
    with closing(connect(redis_url, timeout_s=10)) as other:
        slow = _in_background(lambda: other.fcall("slow", 0))
        _until_raises(driver.store.health, "busy with a script")
        command: Callable[..., Any] = redis.execute_command
        command("FUNCTION", "KILL")
        slow()
    redis.config_set("busy-reply-threshold", 5000)
    redis.function_delete("slow")
    assert driver.check(begun, CODE).outcome == "right"


def test_no_other_module_imports_the_exceptions_of_redis_py() -> None:
    """Only store/replies.py decides what an error of redis-py means."""
    root = Path(otpvoice.__file__).parent
    importing = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "redis" in (text := path.read_text("utf-8"))
        for name in _imported(ast.parse(text))
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
    """Change the permissions of the restricted user."""
    command: Callable[..., Any] = redis.execute_command
    for rule in rules:
        command("ACL", "SETUSER", "restricted", *rule.split())


def user_of(redis: Redis, redis_url: str, *rules: str) -> str:
    """Reset the restricted user, and return a URL with its password."""
    acl(redis, "reset", "on", ">word", *rules)
    if redis_url.startswith("unix"):
        return f"{redis_url}&username=restricted&password=word"
    return redis_url.replace("://", "://restricted:word@")


def _until_raises(step: Callable[[], object], reason: str) -> None:
    give_up = time.monotonic() + 60
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
