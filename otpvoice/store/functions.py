"""The server's functions: loading them, calling them, and the base class of all stores."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.metrics import StoreMetrics
from otpvoice.store import TAG, Keys
from otpvoice.store.connections import Argument, CircuitBreaker, Connections, OutageLog
from otpvoice.store.policy import StorePolicy
from otpvoice.store.replies import (
    UNKNOWN_EFFECT,
    FunctionError,
    FunctionMissing,
    translate_errors,
)

Value = Argument | list[Any] | tuple[Any, ...] | None
"""The value of a named argument. None and False are left out; a list is numbered."""
Fields = dict[bytes, Any]
"""A reply or a record by name. Values of a record are bytes."""

_Item = TypeVar("_Item")
_Decoded = TypeVar("_Decoded")
_ALLOWED_WHEN_FULL: Final = frozenset({"get", "explain", "health", "overview"})
"""Functions that read. A server at its ``maxmemory`` runs these and refuses all others."""
_MAX_LIBRARIES: Final = 16
"""Libraries of other releases and settings that a server keeps."""
_MAX_ATTEMPTS: Final = 3


class UnreadableRecord(Exception):
    """A stored record that does not have its format.

    Args:
        record: its key, without the prefix.
        reason: what is wrong; never a value of the record.
        text: what could not be decoded, where it is no record of its own.
    """

    def __init__(self, record: str, reason: str, text: bytes | None = None) -> None:
        super().__init__(f"{record}: {reason}")
        self.record = record
        self.reason = reason
        self.text = text


@contextmanager
def decoding(record: str, text: bytes | None = None) -> Iterator[None]:
    """Turn every error of the block, which decodes ``record`` or its ``text``, into one.

    Raises:
        UnreadableRecord: the block failed.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, msgspec.MsgspecError) as error:
        reason = f"cannot be decoded ({type(error).__name__})"
        raise UnreadableRecord(record, reason, text) from error


class FunctionLibrary:
    """All functions as one library (``FUNCTION LOAD``). Each function is one round trip.

    The server parses the library once and keeps it, through a restart and on replicas. The name
    of the library contains a digest of its text, so releases and settings coexist.
    """

    def __init__(self, policy: StorePolicy) -> None:
        sources = _sources()
        shared = [text for name, text in sources.items() if name[0] == "_" and name != "_base"]
        preludes = "".join(f"do\n{text}\nend\n" for text in shared)
        functions = "".join(_registration(name) for name in sources if name[0] != "_")
        text = f"{policy.render_lua()}{sources['_base']}{preludes}{functions}"
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._name = f"otpvoice_{digest[:16]}"
        self._text = f"#!lua name={self._name}\nlocal LIBRARY = '{self._name}_'\n{text}"

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
        connections.execute(
            *("FUNCTION", "LOAD", "REPLACE", self._text),
            is_valid=lambda reply: bool(reply == self._name.encode()),
        )

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
        outage_log: shared by the stores of a process, so that each outage is logged once. None
            where the caller reports outages, as commands do.
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
            Connections(redis.connection_pool), self._probe, outage_log or OutageLog(None)
        )

    def quarantine(self, error: UnreadableRecord) -> None:
        """Move an unreadable record out of the way, and report it."""
        self._call("quarantine", record=error.record, reason=error.reason, text=error.text)

    def _call(self, function: str, **arguments: Value) -> Fields:
        """Return the reply of ``lua/<function>.lua`` by name.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
            FunctionError: the function failed.
        """
        values = [self.clock_offset_ms, *_flatten(arguments)]
        began = time.perf_counter()
        try:
            reply, changes = self.circuit_breaker.run(
                function, self._library.call, function, self._keys.prefix, values
            )
        except (StoreUnavailable, FunctionError):
            self.metrics.failures(function).inc()
            raise
        self.metrics.observe_function(function, time.perf_counter() - began, changes)
        return to_fields(reply)

    def _decode_each(
        self, decode: Callable[[_Item], _Decoded], items: Iterable[_Item]
    ) -> Iterator[_Decoded]:
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


def to_fields(flat: Sequence[Any]) -> Fields:
    """Return ``[name, value, ...]`` as a mapping."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _flatten(arguments: Mapping[str, Value]) -> list[Argument]:
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


@cache
def _sources() -> dict[str, str]:
    """Return the texts of the files in ``lua/`` by name."""
    paths = sorted(Path(__file__).with_name("lua").glob("*.lua"))
    return {path.stem: path.read_text("utf-8") for path in paths}


def _registration(name: str) -> str:
    """Return the Lua text that registers ``lua/<name>.lua`` as a function of the library."""
    flags = "'allow-oom'" if name in _ALLOWED_WHEN_FULL else ""
    return (
        f"do local function run()\n{_sources()[name]}\nend\n"
        f"redis.register_function{{ function_name = LIBRARY .. '{name}', flags = {{ {flags} }},\n"
        "callback = function(keys, arguments)\n"
        "init(keys, arguments)\nreturn reply_of(run())\nend } end\n"
    )
