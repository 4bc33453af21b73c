"""Loading and running the rules: one ``.lua`` file each, with the prelude before it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final

from redis import Redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.rules import QueueRules

Argument = str | int | bytes

_UNAVAILABLE: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,
    AskError,
    TryAgainError,
)
_UNAVAILABLE_WORDS: Final = ("MISCONF", "NOREPLICAS", "UNKILLABLE", "UNBLOCKED", "BUSY")
"""Replies of a server that is up and can not serve, for which the library has no class."""


_LUA: Final = files("otpvoice.store") / "lua"
_PARTS: Final = (
    "base", "tallies", "numbers", "breakers", "limits", "calls", "verifications", "events", "again",
)  # fmt: skip
_PRELUDE: Final = "".join((_LUA / f"_{part}.lua").read_text("utf-8") for part in _PARTS)

_RULE: Final = "local function rule()\n{}\nend\nreturn {{ rule(), COUNTED }}\n"
"""What a rule returns, and beside it what is to be counted."""


class Script:
    """One rule. Running it is one round trip.

    Args:
        name: the file in ``lua/`` without its ending.
        rules: what it is told of the settings.
    """

    def __init__(self, name: str, rules: QueueRules) -> None:
        rule = (_LUA / f"{name}.lua").read_text("utf-8")
        self._text = f"{rules.lua()}{_PRELUDE}{_RULE.format(rule)}"
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def run(self, redis: Redis, keys: list[str], arguments: list[Argument]) -> Any:
        """What the rule returns, and the list of what is to be counted (``_base.lua``).

        A server that does not know the script has run nothing, so that it is sent whole; no other
        failure is repeated, because the script may have run.

        Raises:
            StoreUnavailable: no answer in time, or a server that can not serve.
        """
        with faults_told():
            try:
                return redis.evalsha(self._sha, len(keys), *keys, *arguments)
            except NoScriptError:
                return redis.eval(self._text, len(keys), *keys, *arguments)


@contextmanager
def faults_told() -> Iterator[None]:
    """Around commands: tells a server that can not serve from a fault of ours.

    Raises:
        StoreUnavailable: no answer in time, or a server that can not serve.
    """
    try:
        yield
    except RedisError as error:
        said = str(error).startswith(_UNAVAILABLE_WORDS) and isinstance(error, ResponseError)
        if not said and not isinstance(error, _UNAVAILABLE):
            raise
        away = "The store does not answer; nothing is known. Repeat the request."
        raise StoreUnavailable(away) from error
