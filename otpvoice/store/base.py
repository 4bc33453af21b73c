"""What every store has: a server, its keys, and the rules that run there."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.metrics.store import StoreMetrics
from otpvoice.store.circuit_breaker import CircuitBreaker
from otpvoice.store.connections import Argument, Connections
from otpvoice.store.functions import FunctionLibrary
from otpvoice.store.keys import TAG, Keys
from otpvoice.store.outages import OutageLog
from otpvoice.store.policy import StorePolicy
from otpvoice.store.replies import FunctionError, translate_errors
from otpvoice.store.schema import UnreadableRecord

DIALER_LIVENESS_MS: Final = 30_000
"""A dialer not heard of for this long (ms) is not there."""


class BaseStore:
    """Runs rules, one round trip each.

    Args:
        redis: answers bytes; see :func:`otpvoice.store.url.connect`.
        rules: how calls follow each other, and the limits.
        tag: the hash tag that all keys carry.
        clock_offset: milliseconds added to the server's time. Tests move the clock with it.
        metrics: count what the rules do.
        gate: of another store with the same client, to share connections and circuit breaker.
        outages: logs outages; shared by the stores of a process, so that each is logged once.
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
        """Move what ``error`` names out of the way, and report it.

        ``text``: what could not be read, where it is no record of its own.
        """
        kind = "record" if text is None else "text"
        self._fcall("quarantine", [], [kind, error.record, error.reason, text or ""])

    def _fcall(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The reply of ``lua/<name>.lua``.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
            FunctionError: the function failed.
        """
        all_keys = [*self._keys.shared, *keys]
        all_arguments = [self._keys.prefix, self.clock_offset_ms, *arguments]
        began = time.perf_counter()
        try:
            reply, changes = self.circuit_breaker.run(
                name,
                lambda to: self._library.run(to, name, all_keys, all_arguments),
            )
        except (StoreUnavailable, FunctionError):
            self.metrics.count_failure(name)
            raise
        self.metrics.observe_function(name, time.perf_counter() - began, changes)
        return reply

    def _execute(self, name: str, commands: Callable[[Connections], Any]) -> Any:
        """Return what ``commands`` return, which are no functions of the library.

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
        arguments: list[Argument] = [self._keys.prefix, self.clock_offset_ms, DIALER_LIVENESS_MS]
        self._library.run(connections, "health", [*self._keys.shared], arguments)
