"""What a dialer does beside dialing: it sweeps, and asks the provider about calls without news."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import structlog

from otpvoice import logs
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError, KeyRing, LogId, decrypt_number
from otpvoice.core.phone import mask_number
from otpvoice.core.times import format_utc
from otpvoice.core.verification import Route
from otpvoice.http_client import Deadlines
from otpvoice.logs import ErrorBoundary
from otpvoice.metrics.dialer import DialerMetrics
from otpvoice.providers.base import CallQuery, Provider
from otpvoice.store.models import AuditEntry, CallUpdate, StatusQuery
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)

_INTERVAL_S: Final = 1.0
"""Seconds between two rounds."""
_QUERY_TIMEOUT_S: Final = 5.0
"""Seconds for one question and its answer."""
_QUERY_THREADS: Final = 4
_LOGGED_RECORD_TYPES: Final = frozenset({"call", "verification", "number"})
_ALARMS: Final = frozenset({"breaker.opened", "clock.moved_back"})
"""Notices that an operator has to act on."""
_NO_RESULT: Final = "nothing"
"""The provider told no end of the call."""


class MaintenanceLoop:
    """Keeps the queue in order, once a second, until it is told to stop.

    Args:
        dialer: the id under which the dialer is heard of.
        store: the queue.
        provider: is asked about calls whose callback does not come.
        ring: opens the numbers to ask about.
        metrics: count what it does.
    """

    def __init__(
        self,
        dialer_id: str,
        store: RedisStore,
        provider: Provider,
        ring: KeyRing,
        metrics: DialerMetrics | None = None,
    ) -> None:
        self._dialer_id = dialer_id
        self._store = store
        self._provider = provider
        self._ring = ring
        self._metrics = metrics or DialerMetrics()
        self._free = threading.Semaphore(_QUERY_THREADS)
        self._attempts = ErrorBoundary("dialer.iteration_failed")

    def run(self, stopping: threading.Event) -> None:
        """Rounds until ``stopping`` is set; questions under way are finished."""
        with ThreadPoolExecutor(_QUERY_THREADS, thread_name_prefix="status-query") as pool:
            while not stopping.is_set():
                swept = self._attempts.run(self._sweep, default=False)
                queried = self._attempts.run(
                    partial(self._start_status_queries, pool), default=False
                )
                if not swept and not queried:
                    stopping.wait(_INTERVAL_S)

    def _sweep(self) -> bool:
        """Send a heartbeat, end what is over and log notices; return whether there is more."""
        swept = self._store.sweep(self._dialer_id)
        for notice in swept.audit_entries:
            self._log_notice(notice)
        return swept.has_more

    def _start_status_queries(self, pool: ThreadPoolExecutor) -> bool:
        """Takes as many questions as there are free threads; whether there may be more of both.

        No question waits in a line of ours: a provider that hangs would make it grow, and another
        dialer may be free.
        """
        free = 0
        while self._free.acquire(blocking=False):
            free += 1
        queries: list[StatusQuery] = []
        try:
            queries = self._store.due_status_queries(free) if free else []
        finally:
            for _ in range(free - len(queries)):
                self._free.release()
        for query in queries:
            pool.submit(self._run_status_query, query)
        return 0 < free == len(queries)

    def query_status(self, query: StatusQuery) -> None:
        """Asks the provider how one call ended, and applies what it says.

        Raises:
            StoreUnavailable: it is asked again later.
            DecryptionError: the ring lost the number's key.
        """
        if not isinstance(query.route, Route):
            _log(query).warning("call.status_query_failed", reason="no adapter for the route")
            return
        number = decrypt_number(self._ring, query.verification_id, query.encrypted_number)
        now = time.monotonic()
        report = self._provider.fetch_status(
            CallQuery(
                call_id=query.call_id,
                route=query.route,
                number=number,
                bridge=query.bridge,
                provider_id=query.provider_id,
                sent_at_ms=query.sent_at,
            ),
            Deadlines(now + _QUERY_TIMEOUT_S, now + _QUERY_TIMEOUT_S),
        )
        if report is None:
            self._metrics.count_status_query(query.route, _NO_RESULT)
            return
        applied = self._store.apply_report(
            CallUpdate(
                fingerprint=None,
                call_id=query.call_id,
                provider_ids=tuple(known for known in report.ids if known != query.call_id),
                destinations=(),
                route=query.route,
                started_at=report.started_at_ms,
                status=report.status,
                reason=report.reason,
                raw=report.raw,
                duration_s=report.duration_s,
            )
        )
        self._metrics.count_status_query(query.route, applied.outcome)
        _log(query).info(
            "call.status_queried",
            to=mask_number(number),
            outcome=applied.outcome,
            status=applied.call_status,
            provider_status=report.raw,
        )

    def _run_status_query(self, query: StatusQuery) -> None:
        try:
            self.query_status(query)
        except (StoreUnavailable, DecryptionError) as error:
            _log(query).warning("call.status_query_failed", **logs.describe(error))
        except Exception as error:  # noqa: BLE001 - nobody looks at what a thread of the pool raises
            _log(query).error("call.failed_unexpectedly", **logs.describe(error))
        finally:
            self._free.release()

    def _log_notice(self, notice: AuditEntry) -> None:
        """Alarms are errors, for somebody has to look; what an operator did is on record."""
        if notice.event == "breaker.opened":
            self._metrics.count_breaker_opened(notice.details["breaker"])
        is_alarm = notice.event in _ALARMS or "record" in notice.details
        level = logging.ERROR if is_alarm else logging.INFO
        details = {**notice.details, **_record_fields(notice)}
        if "number" in details:
            details["number"] = LogId.from_hash(details["number"])
        _LOG.log(level, notice.event, happened_at=format_utc(notice.at), **details)


def _record_fields(notice: AuditEntry) -> dict[str, str]:
    """Name a record that was set aside by the fields of the log: ``call``, ``number``, ..."""
    record_type, _, record_id = notice.details.get("record", "").partition(":")
    return {record_type: record_id} if record_type in _LOGGED_RECORD_TYPES else {}


def _log(query: StatusQuery) -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = _LOG.bind(
        call=query.call_id,
        verification=query.verification_id,
        number=LogId.from_hash(query.number_hash),
        route=query.route,
    )
    return log
