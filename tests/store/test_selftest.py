"""The self-test covers the commands of the functions, and leaves nothing behind."""

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from redis import Redis

from otpvoice.store.redis_store import RedisStore
from otpvoice.store.selftest import SelfTest

LUA = {path.name: path.read_text("utf-8") for path in (files("otpvoice.store") / "lua").iterdir()}


def test_selftest_covers_every_command_of_the_functions() -> None:
    """Add new commands to ``selftest.lua``."""
    used = {
        command
        for name, text in LUA.items()
        if name != "selftest.lua"
        for command in re.findall(r"redis\.p?call\('([A-Z]+)'", text)
    }
    tried = {*re.findall(r"([A-Z]+) = \{", LUA["selftest.lua"])} | {"DEL", "RENAME", "TIME"}
    assert used <= tried


def test_selftest_leaves_nothing_but_the_clock(store: RedisStore, redis: Redis) -> None:
    test = SelfTest(store.redis, policy=store.policy)
    test.load_library()
    assert test.refused_commands() == {}
    test.wait_for_token()
    assert redis.keys() == [b"{otpvoice}:clock"]


@pytest.mark.parametrize("refused", ["zadd", "del", "hincrby", "lpop"])
def test_selftest_names_the_refused_command(store: RedisStore, redis: Redis, refused: str) -> None:
    command: Callable[..., Any] = redis.execute_command
    command("ACL", "SETUSER", "default", f"-{refused}")
    try:
        assert [*SelfTest(store.redis, policy=store.policy).refused_commands()] == [refused.upper()]
    finally:
        command("ACL", "SETUSER", "default", f"+{refused}")
