"""What every store has: a server, its keys, and the rules that run there."""

import time
from collections.abc import Sequence
from typing import Any, Final

from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.metrics.store import StoreMetrics
from otpvoice.store.connections import Argument, Connections
from otpvoice.store.gate import Gate
from otpvoice.store.keys import TAG, Keys
from otpvoice.store.rules import QueueRules
from otpvoice.store.schema import UnreadableRecord
from otpvoice.store.scripts import Library

HEARD_WITHIN: Final = 30_000
"""A dialer not heard of for this long (ms) is not there."""


class Rulebook:
    """Runs rules, one round trip each.

    Args:
        redis: answers bytes; see :func:`otpvoice.store.address.connect`.
        rules: how calls follow each other, and the limits.
        tag: the hash tag that all keys carry.
        clock_offset: milliseconds added to the server's time. Tests move the clock with it.
        metrics: count what the rules do.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        rules: QueueRules | None = None,
        tag: str = TAG,
        clock_offset: int = 0,
        metrics: StoreMetrics | None = None,
    ) -> None:
        self.clock_offset = clock_offset
        self.metrics = metrics or StoreMetrics()
        self.redis = redis
        self._connections = Connections(redis.connection_pool)
        self._gate = Gate(self._connections)
        self._keys = Keys(tag)
        self.rules = rules or QueueRules()
        self._library = Library(self.rules)

    def set_aside(self, error: UnreadableRecord, text: bytes | None = None) -> None:
        """Move what ``error`` names out of the way, and report it.

        ``text``: what could not be read, where it is no record of its own.
        """
        kind = "record" if text is None else "text"
        self._run("set_aside", [], [kind, error.record, error.why, text or ""])

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The reply of ``lua/<name>.lua``.

        Raises:
            StoreUnavailable: no answer in time, or a server that can not serve.
        """
        all_keys = [*self._keys.shared, *keys]
        all_arguments = [self._keys.prefix, self.clock_offset, *arguments]
        began = time.perf_counter()
        try:
            with self._gate:
                reply, changes = self._library.run(self._connections, name, all_keys, all_arguments)
        except StoreUnavailable:
            self.metrics.failed(name)
            raise
        self.metrics.answered(name, time.perf_counter() - began, changes)
        return reply
