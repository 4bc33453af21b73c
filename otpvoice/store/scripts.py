"""Loading and running the rules: one ``.lua`` file each, with the prelude before it."""

import hashlib
from importlib.resources import files
from typing import Any, Final

from redis import Redis
from redis.exceptions import (
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.verification import CALL_MOVES

Argument = str | int | bytes

_UNAVAILABLE: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,
)
_UNAVAILABLE_WORDS: Final = ("MISCONF", "NOREPLICAS", "UNKILLABLE", "BUSY")
"""Replies of a server that is up and can not serve, for which the library has no class."""


def _render_moves() -> str:
    rows = (
        f"  {status} = {{ {', '.join(f'{to} = true' for to in sorted(targets))} }},"
        for status, targets in CALL_MOVES.items()
    )
    return "local CALL_MOVES = {\n" + "\n".join(rows) + "\n}\n"


_LUA: Final = files("otpvoice.store") / "lua"
_PRELUDE: Final = _render_moves() + (_LUA / "_prelude.lua").read_text("utf-8")


class Script:
    """One rule. Running it is one round trip.

    Args:
        name: the file in ``lua/`` without its ending.
    """

    def __init__(self, name: str) -> None:
        self._text = _PRELUDE + (_LUA / f"{name}.lua").read_text("utf-8")
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def run(self, redis: Redis, keys: list[str], arguments: list[Argument]) -> Any:
        """The script's reply.

        A server that does not know the script has run nothing, so that it is sent whole; no other
        failure is repeated, because the script may have run.

        Raises:
            StoreUnavailable: no answer in time, or a server that can not serve.
        """
        try:
            try:
                return redis.evalsha(self._sha, len(keys), *keys, *arguments)
            except NoScriptError:
                return redis.eval(self._text, len(keys), *keys, *arguments)
        except RedisError as error:
            raise as_unavailable(error) from error


def as_unavailable(error: RedisError) -> Exception:
    """``StoreUnavailable`` if the server could not serve; the error itself if it is our fault."""
    said = str(error).startswith(_UNAVAILABLE_WORDS) and isinstance(error, ResponseError)
    if said or isinstance(error, _UNAVAILABLE):
        return StoreUnavailable("The store does not answer; nothing is known. Repeat the request.")
    return error
