"""The dialer's periodic work: heartbeat, expiry, audit log, status queries and cancellations."""

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger

from otpvoice import logs, tracing
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError, KeyRing, LogId, decrypt_number, mask_number
from otpvoice.core.verification import CallReason, CallStatus, format_utc
from otpvoice.http_client import Deadlines
from otpvoice.logs import ErrorBoundary
from otpvoice.metrics import DialerMetrics, breaker_scope
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.canceling import CancelingProvider
from otpvoice.providers.routes import Route
from otpvoice.store.models import AuditEntry, CallUpdate, StatusQuery
from otpvoice.store.redis_store import RedisStore

_LOG: Final[FilteringBoundLogger] = structlog.get_logger(__name__)

_INTERVAL_S: Final = 1.0
"""Seconds between two iterations."""
_QUERY_TIMEOUT_S: Final = 5.0
"""Seconds for one status query, response included."""
_QUERY_THREADS: Final = 4
_LOGGED_RECORD_TYPES: Final = frozenset({"call", "verification", "number"})
_ALARMS: Final = frozenset({"breaker.opened", "clock.moved_back", "route.closed"})
"""Audit entries that an operator has to act on."""
_LEVELS: Final = {"call.denied": logging.WARNING}
_NO_RESULT: Final = "nothing"
"""Metric outcome of a status query whose response reports no end of the call."""


class MaintenanceLoop:
    """A loop that maintains the queue and queries calls without a callback, every second."""

    def __init__(
        self,
        dialer_id: str,
        store: RedisStore,
        routes: Mapping[str, Route],
        ring: KeyRing,
        metrics: DialerMetrics | None = None,
    ) -> None:
        self._dialer_id = dialer_id
        self._store = store
        self._routes = routes
        self._ring = ring
        self._metrics = metrics or DialerMetrics()
        self._running: list[Future[None]] = []
        self._boundary = ErrorBoundary("dialer.iteration_failed")

    def run(self, stopping: threading.Event) -> None:
        """Iterate until ``stopping`` is set, and finish the status queries in progress."""
        with ThreadPoolExecutor(_QUERY_THREADS, thread_name_prefix="status-query") as pool:
            while not stopping.is_set():
                swept = self._boundary.run(self._sweep, default=False)
                queried = self._boundary.run(lambda: self._start_queries(pool), default=False)
                if not swept and not queried:
                    stopping.wait(_INTERVAL_S)

    def _sweep(self) -> bool:
        """Send a heartbeat, expire records, log audit entries; return whether more work is due."""
        swept = self._store.sweep(self._dialer_id)
        for entry in swept.audit_entries:
            self._log_audit_entry(entry)
        return swept.has_more

    def _start_queries(self, pool: ThreadPoolExecutor) -> bool:
        """Claim one due query for each free thread; return whether more of both may be left.

        No query waits in this process, because a provider that hangs would let the line grow while
        other dialers are idle.
        """
        self._running = [each for each in self._running if not each.done()]
        free = _QUERY_THREADS - len(self._running)
        queries = self._store.due_status_queries(free) if free else []
        self._running += [pool.submit(self._run_status_query, query) for query in queries]
        return 0 < free == len(queries)

    def query_status(self, query: StatusQuery) -> None:
        """Fetch a call's status from the provider and apply it; first cancel it, if it should be.

        Raises:
            StoreUnavailable: the query is repeated later.
            DecryptionError: the key ring lacks the key of the number.
        """
        route = self._routes.get(query.route)
        if route is None:
            _log(query).warning("call.status_query_failed", reason="no adapter for the route")
            return
        number = decrypt_number(self._ring, query.verification_id, query.encrypted_number)
        call = CallQuery(
            call_id=query.call_id,
            mode=route.mode,
            number=number,
            bridge=query.bridge,
            provider_id=query.provider_id,
            sent_at_ms=query.sent_at,
        )
        deadlines = Deadlines.within(_QUERY_TIMEOUT_S)
        if query.should_cancel and self._cancel(route, query, call, deadlines):
            return
        report = route.provider.fetch_status(call, deadlines)
        if report is None:
            self._metrics.status_queries(query.route, _NO_RESULT).inc()
            tracing.describe({"otpvoice.outcome": _NO_RESULT})
            return
        applied = self._store.apply_report(_call_update(query, report))
        self._metrics.status_queries(query.route, applied.outcome).inc()
        tracing.describe(
            {"otpvoice.outcome": applied.outcome, "otpvoice.status": applied.call_status}
        )
        _log(query).info(
            "call.status_queried",
            to=mask_number(number),
            outcome=applied.outcome,
            status=applied.call_status,
            provider_status=report.raw,
            declines=applied.declines,
        )

    def _cancel(
        self, route: Route, query: StatusQuery, call: CallQuery, deadlines: Deadlines
    ) -> bool:
        """Cancel a call at its provider; return whether the provider confirmed it."""
        provider = route.provider
        is_canceled = isinstance(provider, CancelingProvider) and provider.cancel(call, deadlines)
        outcome = "unconfirmed"
        if is_canceled:
            canceled = CallUpdate(
                fingerprint=None,
                call_id=query.call_id,
                status=CallStatus.CANCELED,
                reason=CallReason.ENDED_FIRST,
                raw=None,
                duration_s=None,
            )
            outcome = self._store.apply_report(canceled).outcome
        _log(query).info("call.cancel_requested", to=mask_number(call.number), outcome=outcome)
        return is_canceled

    def _run_status_query(self, query: StatusQuery) -> None:
        span = {
            "otpvoice.call": query.call_id,
            "otpvoice.verification": query.verification_id,
            "otpvoice.route": query.route,
        }
        try:
            with tracing.continue_trace("query status", "CONSUMER", query.traceparent, span):
                self.query_status(query)
        except (StoreUnavailable, DecryptionError) as error:
            _log(query).warning("call.status_query_failed", **logs.describe(error))
        except Exception as error:  # noqa: BLE001 - errors in the pool's threads are raised nowhere
            _log(query).error("call.failed_unexpectedly", **logs.describe(error))

    def _log_audit_entry(self, entry: AuditEntry) -> None:
        """Log alarms as errors, denials as warnings, and what an operator did as information."""
        if entry.event == "breaker.opened":
            self._metrics.opened(*breaker_scope(entry.details["breaker"])).inc()
        if entry.event == "route.closed":
            self._metrics.closings(entry.details["route"]).inc()
        is_alarm = entry.event in _ALARMS or "record" in entry.details
        level = logging.ERROR if is_alarm else _LEVELS.get(entry.event, logging.INFO)
        details: dict[str, Any] = {**entry.details, **_record_fields(entry)}
        if "number" in details:
            details["number"] = LogId.from_hash(details["number"])
        _LOG.log(level, entry.event, happened_at=format_utc(entry.at), **details)


def _call_update(query: StatusQuery, report: CallReport) -> CallUpdate:
    return CallUpdate(
        fingerprint=None,
        call_id=query.call_id,
        provider_ids=tuple(known for known in report.ids if known != query.call_id),
        started_at=report.started_at_ms,
        status=report.status,
        reason=report.reason,
        raw=report.raw,
        duration_s=report.duration_s,
        key=report.key,
        closes_route=report.closes_route,
    )


def _record_fields(entry: AuditEntry) -> dict[str, str]:
    """Return the log field that names a quarantined record, such as ``call``."""
    record_type, _, record_id = entry.details.get("record", "").partition(":")
    return {record_type: record_id} if record_type in _LOGGED_RECORD_TYPES else {}


def _log(query: StatusQuery) -> FilteringBoundLogger:
    return _LOG.bind(
        call=query.call_id,
        verification=query.verification_id,
        number=LogId.from_hash(query.number_hash),
        route=query.route,
    )
