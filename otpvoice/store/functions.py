"""Calls of the server's functions, and what they count: the base of all stores."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry
from redis import Redis

from otpvoice import tracing
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.verification import CallStatus, Status
from otpvoice.metrics import counter, histogram, start_series
from otpvoice.store import TAG, Keys, UnreadableRecord
from otpvoice.store.connections import Argument, CircuitBreaker, Connections
from otpvoice.store.function_library import FunctionLibrary
from otpvoice.store.outage_log import OutageLog
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

_REPORTED_STATUSES: Final = frozenset({"answered", "busy", "no_answer", "failed"})
_STORE_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_DIAL_DELAY_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 120)
_RESULT_BUCKETS: Final = (1, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180)
_APPROVAL_BUCKETS: Final = (10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)


class StoreMetrics:
    """The store's functions: their duration, and the changes that they made.

    A create cancels a call, a sweep expires one, a callback ends one: only the function knows. It
    returns its changes with its reply (``count()`` in ``_base.lua``), and the process that ran it
    counts them.

    Args:
        registry: exposes the metrics.
        clients: names in the settings; their series start at 0.
        routes: names in the settings; their series start at 0.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        clients: Sequence[str] = (),
        routes: Sequence[str] = (),
    ) -> None:
        about = "Round trips to the store."
        self._durations = histogram(registry, "store_duration", about, _STORE_BUCKETS, "rule")
        self.failures = counter(registry, "store_failures", "Functions without a reply.", "rule")
        about = "Calls that reached a status."
        self._calls = counter(registry, "calls", about, "route", "status")
        about = "Calls after one that did not reach the user."
        self._redials = counter(registry, "redials", about, "route")
        about = "Verifications that ended."
        self._ended = counter(registry, "verifications_ended", about, "client", "status")
        about = "Calls whose receiver pressed the key that denies having asked for them."
        self._denials = counter(registry, "denials", about, "client")
        about = "Time from a call's due time to its request to the provider."
        self._dial_delays = histogram(
            registry, "call_dial_delay", about, _DIAL_DELAY_BUCKETS, "route"
        )
        about = "Time from a call's request to the provider to the report of its end."
        self._results = histogram(
            registry, "call_result", about, _RESULT_BUCKETS, "route", "status"
        )
        about = "Time from create to approval."
        self._approvals = histogram(registry, "approval", about, _APPROVAL_BUCKETS, "client")
        about = "Calls that rang, by caller line."
        self._lines = counter(registry, "line_calls", about, "line", "outcome")
        self._counters: dict[str, Callable[..., None]] = {
            "call": self._count_call,
            "dialed": lambda route, late: self._dial_delays(route).observe(int(late) / 1000),
            "redial": lambda route: self._redials(route).inc(),
            "verification": self._count_end,
            "line": lambda line, outcome: self._lines(line, outcome).inc(),
            "denial": lambda client: self._denials(client).inc(),
        }
        start_series(self._redials, routes)
        start_series(self._calls, routes, {*CallStatus} - {CallStatus.DIALING})
        start_series(self._ended, clients, {*Status} - {Status.PENDING})
        start_series(self._denials, clients)

    def observe_function(self, function: str, seconds: float, changes: Sequence[bytes]) -> None:
        """Time a function, and count the changes that it returned."""
        self._durations(function).observe(seconds)
        for change in changes:
            kind, *words = change.decode().split(" ", 3)
            self._counters[kind](*words)

    def _count_call(self, route: str, status: str, ms_since_sent: str) -> None:
        self._calls(route, status).inc()
        if ms_since_sent and status in _REPORTED_STATUSES:
            self._results(route, status).observe(int(ms_since_sent) / 1000)

    def _count_end(self, status: str, age_ms: str, client: str) -> None:
        self._ended(client, status).inc()
        if status == Status.APPROVED:
            self._approvals(client).observe(int(age_ms) / 1000)


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
            Connections(redis.connection_pool),
            # Without the store itself: connections in a cycle would be kept until it is collected.
            partial(
                _run, library=self._library, function="health", arguments=[self._keys.prefix, 0]
            ),
            outage_log or OutageLog(None),
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
        own: list[Argument] = [self._keys.prefix, self.clock_offset_ms]
        began = time.perf_counter()
        try:
            with tracing.call_store(function) if tracing.is_on() else nullcontext():
                reply, *changes = self.circuit_breaker.run(
                    function, _run, self._library, function, own + _flatten(arguments)
                )
        except (StoreUnavailable, FunctionError):
            self.metrics.failures(function).inc()
            raise
        took = time.perf_counter() - began
        self.metrics.observe_function(function, took, changes[0] if changes else ())
        fields = to_fields(reply)
        if traceparent := fields.get(b"traceparent"):  # of the verification that the reply is about
            tracing.link(traceparent.decode())
        return fields

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


def _run(
    connections: Connections, library: FunctionLibrary, function: str, arguments: list[Argument]
) -> list[list[Any]]:
    """Return the function's reply, and the changes to count in metrics if there are any.

    A server that does not know the function has run nothing, so the library is loaded first.
    No other failure is repeated, because the function may have run.

    ``arguments``: the prefix of all keys, what is added to the server's time, and those of the
    function.
    """
    name = f"{library.name}_{function}"
    for _ in range(3):
        try:
            reply: list[list[Any]] = connections.execute(
                "FCALL", name, 1, *arguments, is_valid=_is_reply
            )
        except FunctionMissing:
            library.load(connections.execute)
        except FunctionError as error:
            error.function = function
            raise
        else:
            return reply
    raise StoreUnavailable(UNKNOWN_EFFECT, reason="library is forgotten", reply="ERR")


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


def _is_reply(reply: Any) -> bool:
    """Return whether a function of the library can have returned this: its reply, its changes."""
    return isinstance(reply, list) and [*map(type, reply)] in ([list], [list, list])
