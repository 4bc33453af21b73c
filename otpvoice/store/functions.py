"""The server's functions: loading them, calling them, and the base class of all stores."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, TypeVar

from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.metrics.store import StoreMetrics
from otpvoice.store.connections import Argument, CircuitBreaker, Connections, OutageLog
from otpvoice.store.decoding import Fields, to_fields
from otpvoice.store.keys import TAG, Keys
from otpvoice.store.policy import StorePolicy
from otpvoice.store.replies import (
    UNKNOWN_EFFECT,
    FunctionError,
    FunctionMissing,
    translate_errors,
)
from otpvoice.store.schema import UnreadableRecord

Value = Argument | list[Any] | tuple[Any, ...] | None
"""The value of a named argument. None and False are left out; a list is numbered."""

_T = TypeVar("_T")
_LUA: Final = files("otpvoice.store") / "lua"
_FILES: Final = sorted(
    file.name.removesuffix(".lua") for file in _LUA.iterdir() if file.name.endswith(".lua")
)
_PRELUDES: Final = tuple(name for name in _FILES if name.startswith("_") and name != "_base")
_FUNCTIONS: Final = tuple(name for name in _FILES if not name.startswith("_"))
_ALLOWED_WHEN_FULL: Final = frozenset({"get", "explain", "health", "overview"})
"""Functions that read. A server at its ``maxmemory`` runs these and refuses all others."""
_MAX_LIBRARIES: Final = 16
"""Libraries of other releases and settings that a server keeps."""
_MAX_ATTEMPTS: Final = 3


class FunctionLibrary:
    """All functions as one library (``FUNCTION LOAD``). Each function is one round trip.

    The server parses the library once and keeps it, through a restart and on replicas. The name
    of the library contains a digest of its text, so releases and settings coexist.
    """

    def __init__(self, policy: StorePolicy) -> None:
        preludes = "".join(f"do\n{_source(name)}\nend\n" for name in _PRELUDES)
        shared = policy.render_lua() + _source("_base") + preludes
        text = shared + "".join(_function(name, name) for name in _FUNCTIONS)
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._name = f"otpvoice_{digest[:16]}"
        functions = (_function(f"{self._name}_{name}", name) for name in _FUNCTIONS)
        self._text = f"#!lua name={self._name}\n{shared}{''.join(functions)}"

    def call(
        self, connections: Connections, name: str, key: str, arguments: Sequence[Argument]
    ) -> tuple[list[Any], list[bytes]]:
        """Return what ``lua/<name>.lua`` returns, and the changes to count in metrics.

        A server that does not know the function has run nothing, so the library is loaded first.
        No other failure is repeated, because the function may have run.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
            FunctionError: the function failed.
        """
        function = f"{self._name}_{name}"
        for _ in range(_MAX_ATTEMPTS):
            try:
                reply, *changes = connections.execute(
                    "FCALL", function, 1, key, *arguments, is_valid=_is_reply
                )
            except FunctionMissing:
                self.load(connections)
            except FunctionError as error:
                error.function = name
                raise
            else:
                return reply, changes[0] if changes else []
        raise StoreUnavailable(UNKNOWN_EFFECT, reason="library is forgotten", reply="ERR")

    def load(self, connections: Connections) -> None:
        """Load the library, or replace it by the same text.

        Raises:
            StoreUnavailable: the server cannot load it.
        """
        self._delete_old_libraries(connections)
        connections.execute("FUNCTION", "LOAD", "REPLACE", self._text, is_valid=self._is_loaded)

    def _is_loaded(self, reply: Any) -> bool:
        return bool(reply == self._name.encode())

    def _delete_old_libraries(self, connections: Connections) -> None:
        """Delete the other libraries if there are too many. A process that misses one reloads it.

        A user without permission for this can still load, so an error reply is no failure.
        """
        try:
            listed = connections.execute(
                "FUNCTION", "LIST", "LIBRARYNAME", "otpvoice_*", is_valid=_is_listing
            )
            for each in listed if len(listed) >= _MAX_LIBRARIES else ():
                connections.execute("FUNCTION", "DELETE", each[1])
        except StoreUnavailable as error:
            if error.is_lost:
                raise


class BaseStore:
    """Calls functions, one round trip each.

    Args:
        redis: returns bytes; see :func:`otpvoice.store.discovery.connect`.
        policy: what the settings decide for the functions.
        tag: the hash tag that all keys carry.
        clock_offset_ms: added to the server's time. Tests move the clock with it.
        metrics: count what the functions change.
        circuit_breaker: of another store with the same client, to share its connections.
        outage_log: shared by the stores of a process, so that each outage is logged once.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        policy: StorePolicy | None = None,
        tag: str = TAG,
        clock_offset_ms: int = 0,
        metrics: StoreMetrics | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        outage_log: OutageLog | None = None,
    ) -> None:
        self.clock_offset_ms = clock_offset_ms
        self.metrics = metrics or StoreMetrics()
        self.redis = redis
        self._keys = Keys(tag)
        self.policy = policy or StorePolicy()
        self._library = FunctionLibrary(self.policy)
        self.circuit_breaker = circuit_breaker or CircuitBreaker(
            Connections(redis.connection_pool), self._probe, outage_log
        )

    def quarantine(self, error: UnreadableRecord, text: bytes | None = None) -> None:
        """Move an unreadable record out of the way, and report it.

        ``text``: what could not be decoded, where it is no record of its own.
        """
        self._call("quarantine", record=error.record, reason=error.reason, text=text)

    def _call(self, function: str, **arguments: Value) -> Fields:
        """Return the reply of ``lua/<function>.lua`` by name.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
            FunctionError: the function failed.
        """
        values = [self.clock_offset_ms, *_pairs(arguments)]
        began = time.perf_counter()
        try:
            reply, changes = self.circuit_breaker.run(
                function, lambda to: self._library.call(to, function, self._keys.prefix, values)
            )
        except (StoreUnavailable, FunctionError):
            self.metrics.count_failure(function)
            raise
        self.metrics.observe_function(function, time.perf_counter() - began, changes)
        return to_fields(reply)

    def _decode_each(self, items: Iterable[Fields], decode: Callable[[Fields], _T]) -> Iterator[_T]:
        """Decode each item, and quarantine what cannot be decoded."""
        for item in items:
            try:
                yield decode(item)
            except UnreadableRecord as error:
                self.quarantine(error)

    def _execute(self, name: str, commands: Callable[[Connections], Any]) -> Any:
        """Return what ``commands`` return, which call no function of the library.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
        """

        def run(connections: Connections) -> Any:
            try:
                with translate_errors():
                    return commands(connections)
            except StoreUnavailable as error:
                error.is_partial = not error.is_lost  # functions may be served all the same
                raise

        return self.circuit_breaker.run(name, run)

    def _probe(self, connections: Connections) -> None:
        self._library.call(connections, "health", self._keys.prefix, [self.clock_offset_ms])


def _pairs(arguments: Mapping[str, Value]) -> list[Argument]:
    """Return name, value, … as ``_base.lua`` reads them; a sequence as ``name1`` and so on."""
    flat: list[Argument] = []
    for name, value in arguments.items():
        if value is None or value is False:
            continue
        if isinstance(value, list | tuple):
            for number, each in enumerate(value, 1):
                flat += (f"{name}{number}", each)
        else:
            flat += (name, 1 if value is True else value)
    return flat


def _is_listing(reply: Any) -> bool:
    """Return whether this can be the reply to ``FUNCTION LIST``: lists of names and values."""
    return isinstance(reply, list) and all(
        isinstance(each, list) and len(each) > 1 for each in reply
    )


def _is_reply(reply: Any) -> bool:
    """Return whether a function of the library can have returned this: its reply, its changes."""
    match reply:
        case [list()] | [list(), list()]:
            return True
    return False


def _source(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text("utf-8")


def _function(name: str, file: str) -> str:
    """Return the Lua text that registers a function under ``name``."""
    flags = "'allow-oom'" if file in _ALLOWED_WHEN_FULL else ""
    return (
        f"do local function run()\n{_source(file)}\nend\n"
        f"redis.register_function{{ function_name = '{name}', flags = {{ {flags} }},\n"
        "callback = function(keys, arguments)\n"
        "init(keys, arguments)\nreturn reply_of(run())\nend } end\n"
    )
