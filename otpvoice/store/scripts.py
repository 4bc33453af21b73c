"""Loading and running the rules: one ``.lua`` file each, and what they share before them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from typing import Any, Final

from redis.exceptions import (
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Argument, Connections
from otpvoice.store.rules import QueueRules

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
    "server", "base", "records", "tallies", "numbers", "figures", "breakers", "limits", "calls",
    "verifications", "events", "reports", "again",
)  # fmt: skip
_RULES: Final = tuple(
    sorted(
        name.removesuffix(".lua")
        for name in (file.name for file in _LUA.iterdir())
        if name.endswith(".lua") and not name.startswith("_")
    )
)
_SERVED_WHEN_FULL: Final = frozenset({"get", "explain", "health", "overview"})
"""Rules that read: a server that is at its ``maxmemory`` runs these, and refuses all others."""
_LIBRARIES: Final = 16
"""As many may stand in a server: those of releases and settings that were before ours."""
_TRIES: Final = 3


class Library:
    """All rules as one library of functions (``FUNCTION LOAD``), each one round trip.

    The server reads the library once and keeps it, through a restart and on replicas; a script of
    ``EVAL`` would make all that the rules share anew at each run. Its name says what it holds, so
    that releases and settings stand side by side.

    Args:
        rules: what the rules are told of the settings.
    """

    def __init__(self, rules: QueueRules) -> None:
        shared = rules.lua() + "".join(_read(f"_{part}") for part in _PARTS)
        held = shared + "".join(_function(rule, rule) for rule in _RULES)
        digest = hashlib.sha1(held.encode(), usedforsecurity=False).hexdigest()
        self._name = f"otpvoice_{digest[:16]}"
        functions = (_function(f"{self._name}_{rule}", rule) for rule in _RULES)
        self._text = f"#!lua name={self._name}\n{shared}{''.join(functions)}"

    def run(self, store: Connections, rule: str, keys: list[str], arguments: list[Argument]) -> Any:
        """What ``lua/<rule>.lua`` returns, and the list of what is to be counted (``_base.lua``).

        A server that does not know the function has run nothing, so that the library is loaded
        first; no other failure is repeated, because the rule may have run.

        Raises:
            StoreUnavailable: no answer in time, or a server that can not serve.
        """
        function = f"{self._name}_{rule}"
        with faults_told():
            for _ in range(_TRIES):
                try:
                    return store.ask("FCALL", function, len(keys), *keys, *arguments)
                except ResponseError as error:
                    if not str(error).startswith("Function not found"):
                        raise
                self._load(store)
        raise StoreUnavailable("The store keeps forgetting the rules; nothing was done.")

    def _load(self, store: Connections) -> None:
        # Nobody knows which others are in use: whoever misses one loads it again.
        others = [each[1] for each in store.ask("FUNCTION", "LIST", "LIBRARYNAME", "otpvoice_*")]
        for name in others if len(others) >= _LIBRARIES else ():
            with suppress(ResponseError):  # another process was faster
                store.ask("FUNCTION", "DELETE", name)
        store.ask("FUNCTION", "LOAD", "REPLACE", self._text)


def _read(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text("utf-8")


def _function(name: str, rule: str) -> str:
    """A rule as a function. Beside what it returns stands what is to be counted (``_base.lua``)."""
    flags = "'allow-oom'" if rule in _SERVED_WHEN_FULL else ""
    return (
        f"do local function rule()\n{_read(rule)}\nend\n"
        f"redis.register_function{{ function_name = '{name}', flags = {{ {flags} }},\n"
        "callback = function(keys, arguments)\n"
        "begin(keys, arguments)\nreturn { rule(), counted }\nend } end\n"
    )


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
