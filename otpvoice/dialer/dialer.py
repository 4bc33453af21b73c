"""The dialer. Any number of dialers, on any number of machines, claim calls from one queue.

No call is placed twice: the holder of a claim writes the sent mark and then sends one request, and
a request that may have reached the provider is never repeated. No call is lost: a claim is a lease,
and an expired lease returns an unmarked call to the queue and makes a marked call ``unknown``.
"""

import logging
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from otpvoice import logs, tracing
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError, KeyRing, LogId, mask_number
from otpvoice.core.phone import serving_routes
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.dialer.maintenance import MaintenanceLoop
from otpvoice.dialer.placement import CallBuilder, Undialable, next_untried_route, placement_result
from otpvoice.http_client import Deadlines
from otpvoice.logs import ErrorBoundary
from otpvoice.metrics import DialerMetrics
from otpvoice.providers.answering import AnsweringProvider
from otpvoice.providers.base import OutboundCall, PlacementOutcome, PlacementResult
from otpvoice.providers.canceling import CancelingProvider
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.providers.routes import Route
from otpvoice.store.models import CallResult, Claim, RecordResult
from otpvoice.store.redis_store import RedisStore

_LOG: Final[FilteringBoundLogger] = structlog.get_logger(__name__)

SEND_WITHIN_S: Final = 5.0
"""Seconds from the claim to the first byte sent. A later request is not sent at all."""
END_WITHIN_S: Final = 13.0
"""Seconds from the claim to the end of the request."""
_MAX_SLEEP_S: Final = 0.5
"""Longest wait on an idle queue, and so the longest delay of a stop. A due call ends the wait."""
_STORE_RETRY_S: Final = 0.25
"""Seconds between two attempts while the store is unavailable."""
_SIMULATED_DURATION_S: Final = 12
"""Recorded duration of a simulated call: a name, and a code spoken twice."""
_RECORD_RETRY_S: Final = 60.0
"""Seconds for recording a result while the store is unavailable: only this dialer knows it."""
_RECORD_RETRY_AT_STOP_S: Final = 5.0
"""The same after the stop, so that the dialer ends within 20 seconds. Then the lease decides."""
_LOG_LEVELS: Final = {
    PlacementOutcome.ACCEPTED: logging.INFO,
    PlacementOutcome.LINE_REFUSED: logging.ERROR,
    PlacementOutcome.MISCONFIGURED: logging.ERROR,
}


@dataclass(frozen=True, slots=True)
class DialingRules:
    """Settings for placing calls."""

    threads: int
    """Maximum number of calls in flight in this process."""
    max_live_calls: int
    """Maximum number of live calls, over all dialers."""
    call_gaps_ms: Sequence[int]
    """Call gaps after the first, the second and every later call to a number."""
    routes: Sequence[str]
    """In the order in which they are tried."""
    route_regions: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The regions that a route is limited to, by its name."""

    def routes_for(self, claim: Claim) -> tuple[str, ...]:
        """Return the routes that call a claimed call's number."""
        return serving_routes(self.routes, self.route_regions, claim.region)


class BackgroundTask(Protocol):
    """Work that runs in a thread of the dialer, such as delivering events."""

    def run(self, stopping: threading.Event) -> None:
        """Run until ``stopping`` is set, and finish the work in progress."""


class Dialer:
    """A process that places calls until :meth:`stop`.

    Args:
        blocking_store: the same store over a client of its own, which may block longer.
        routes: by name, all by which this process can place calls.
        background_tasks: run in threads of this process, in addition to the maintenance loop.
    """

    def __init__(
        self,
        store: RedisStore,
        blocking_store: RedisStore,
        routes: Mapping[str, Route],
        ring: KeyRing,
        rules: DialingRules,
        background_tasks: Sequence[BackgroundTask] = (),
        metrics: DialerMetrics | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._store = store
        self._blocking_store = blocking_store
        self._routes = routes
        self._capture = ExchangeCapture(store, ring)
        self._calls = CallBuilder(ring, routes)
        self._cancelable_routes = _routes_of(routes, CancelingProvider)
        self._fetching_routes = _routes_of(routes, AnsweringProvider)
        self._rules = rules
        self._metrics = metrics or DialerMetrics()
        self._background_tasks = (
            MaintenanceLoop(self.id, store, routes, ring, self._metrics),
            *background_tasks,
        )
        self._stopping = threading.Event()
        self._slots = threading.Semaphore(rules.threads)
        self._boundary = ErrorBoundary("dialer.iteration_failed")

    def run(self) -> None:
        """Place calls until :meth:`stop`, and finish and record the calls in flight.

        All tasks stop together. Otherwise a dialer could send heartbeats without placing calls, or
        place calls without heartbeats.
        """
        _LOG.info("dialer.started", dialer=self.id, threads=self._rules.threads)
        tasks = self._background_tasks
        with ThreadPoolExecutor(len(tasks), thread_name_prefix="background") as pool:
            running = [pool.submit(task.run, self._stopping) for task in tasks]
            for each in running:
                each.add_done_callback(lambda _: self.stop())
            try:
                self._dial_until_stopped()
            finally:
                self.stop()
        _LOG.info("dialer.stopped", dialer=self.id)
        for each in running:
            each.result()  # raises the error that ended the task, if there was one

    def stop(self) -> None:
        """Stop claiming and sending. Calls that are claimed but not sent return to the queue."""
        self._stopping.set()

    def _dial_until_stopped(self) -> None:
        with ThreadPoolExecutor(self._rules.threads, thread_name_prefix="call") as pool:
            while not self._stopping.is_set():
                self._slots.acquire()  # waits while all threads are busy
                if self._stopping.is_set() or not self._submit_next(pool):
                    self._slots.release()

    def _submit_next(self, pool: ThreadPoolExecutor) -> bool:
        """Claim the next due call for a free thread, or wait; return whether a call was due."""
        began = time.monotonic()
        claim = self._boundary.run(lambda: self._store.claim(self._rules.max_live_calls), None)
        if claim is None:
            self._stopping.wait(_STORE_RETRY_S)
        elif isinstance(claim, int):
            self._sleep(claim)
        else:
            call = pool.submit(self._run_call, claim, began)
            call.add_done_callback(lambda _: self._slots.release())
            return True
        return False

    def _sleep(self, milliseconds: int) -> None:
        wait = _MAX_SLEEP_S if milliseconds < 0 else min(_MAX_SLEEP_S, milliseconds / 1000)
        if wait <= 0 or self._stopping.is_set():
            return
        if not self._boundary.run(lambda: self._blocking_store.wait(wait), default=False):
            self._stopping.wait(_STORE_RETRY_S)

    def _run_call(self, claim: Claim, began: float) -> None:
        try:
            with _span_of(claim):
                if self._stopping.is_set():  # claimed before the stop
                    self._return_to_queue(claim)
                else:
                    self.dial(claim, Deadlines(began + SEND_WITHIN_S, began + END_WITHIN_S))
        except StoreUnavailable:
            _log(claim).warning("call.lease_abandoned")
        except Exception as error:  # noqa: BLE001 - an error in one call must not end the others
            _log(claim).error("call.failed_unexpectedly", **logs.describe(error))

    def dial(self, claim: Claim, deadlines: Deadlines) -> None:
        """Place one claimed call if it is still wanted. Simulate a call to a test number.

        Raises:
            StoreUnavailable: the call's lease expires and decides its status.
        """
        log = _log(claim)
        if claim.is_test:
            simulated = self._store.complete_test_call(claim, _SIMULATED_DURATION_S)
            log.info("call.simulated" if simulated else "call.skipped")
            return
        try:
            call = self._calls.build(claim)
            code_spoken_after_s = self._calls.seconds_until_code(call)
        except (DecryptionError, Undialable) as error:
            self._fail_call(claim, error)
            return
        log = log.bind(to=mask_number(call.number))
        if not self._mark_sent(claim, call, code_spoken_after_s):
            log.info("call.skipped")
            return
        if self._stopping.is_set():
            self._return_to_queue(claim)
            return
        with self._capture.capturing(claim.call_id) if claim.is_live_test else nullcontext():
            placement = self._place(call, deadlines)
        provider = self._routes[call.route].provider_name
        tracing.describe({"otpvoice.provider": provider, "otpvoice.outcome": placement.outcome})
        if placement.outcome is not PlacementOutcome.ACCEPTED:
            tracing.fail(placement.outcome)
        recorded = self._record(
            claim, placement_result(placement, claim, self._rules.routes_for(claim))
        )
        if recorded.route_change == "closed":
            self._metrics.closings(claim.route).inc()
        _log_placement(log, placement, recorded)

    def _mark_sent(self, claim: Claim, call: OutboundCall, code_spoken_after_s: int | None) -> bool:
        """Mark the call as sent; return whether it is still wanted."""
        return self._store.mark_sent(
            claim,
            self._routes[call.route].live_for_s * 1000,
            self._rules.call_gaps_ms,
            code_spoken_after_s,
            call.gate,
            can_cancel=call.route in self._cancelable_routes,
            fetches_speech=call.route in self._fetching_routes,
        )

    def _fail_call(self, claim: Claim, error: DecryptionError | Undialable) -> None:
        """End a call as ``failed``, because the settings of this process do not allow dialing it.

        The call does not return to the queue. If it is undialable by its route, a new call on the
        next one follows.
        """
        _log(claim).error("call.undialable", reason=str(error))
        is_of_route = isinstance(error, Undialable)
        routes = self._rules.routes_for(claim) if is_of_route else ()
        next_route = next_untried_route(claim, routes)
        failed = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, next_route=next_route)
        self._record(claim, failed)
        self._store.report_undialable(claim, str(error))

    def _return_to_queue(self, claim: Claim) -> None:
        """Return an unsent call to the queue now, instead of when its lease expires."""
        self._store.record_result(claim, CallResult(CallStatus.QUEUED, is_unsent=True))
        _log(claim).info("call.returned_to_queue")

    def _place(self, call: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        began = time.monotonic()
        placement = self._routes[call.route].provider.place(call, deadlines)
        self._metrics.requests(call.route, placement.outcome).inc()
        self._metrics.durations(call.route).observe(time.monotonic() - began)
        return placement

    def _record(self, claim: Claim, result: CallResult) -> RecordResult:
        began = time.monotonic()
        while True:
            try:
                return self._store.record_result(claim, result)
            except StoreUnavailable:
                is_stopping = self._stopping.is_set()
                limit = _RECORD_RETRY_AT_STOP_S if is_stopping else _RECORD_RETRY_S
                if time.monotonic() > began + limit:
                    raise
                time.sleep(_STORE_RETRY_S)


def _log(claim: Claim) -> FilteringBoundLogger:
    return _LOG.bind(
        call=claim.call_id,
        verification=claim.verification_id,
        client=claim.client,
        number=LogId.from_hash(claim.number_hash),
        route=claim.route,
    )


def _span_of(claim: Claim) -> AbstractContextManager[None]:
    attributes = {
        "otpvoice.call": claim.call_id,
        "otpvoice.verification": claim.verification_id,
        "otpvoice.client": claim.client,
        "otpvoice.route": claim.route,
    }
    return tracing.continue_trace(f"dial {claim.route}", "CONSUMER", claim.traceparent, attributes)


def _log_placement(
    log: FilteringBoundLogger, placement: PlacementResult, recorded: RecordResult
) -> None:
    level = _LOG_LEVELS.get(placement.outcome, logging.WARNING)
    outcome, detail = placement.outcome, placement.detail
    log.log(level, "call.sent", outcome=outcome, detail=detail, status=recorded.status)
    if recorded.route_change:
        emit = log.error if recorded.route_change == "closed" else log.info
        emit(f"route.{recorded.route_change}", detail=detail)


def _routes_of(routes: Mapping[str, Route], protocol: type) -> frozenset[str]:
    """Return the names of the routes whose provider implements a protocol."""
    return frozenset(name for name, route in routes.items() if isinstance(route.provider, protocol))
