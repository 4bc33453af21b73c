"""The dialer: any number of them, on any number of machines, claim from the same queue.

What keeps a call from ringing twice: only the holder of a claim sends, after its mark, one request,
and a request that may have reached the provider is never repeated. What keeps it from being lost:
a claim is a lease, and a lapsed one goes back to the queue (not marked) or to ``unknown`` (marked).
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from otpvoice import logs
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError, KeyRing, LogId, decrypt_number, decrypt_speech
from otpvoice.core.phone import mask_number
from otpvoice.core.speech import DEFAULT_FLOW, CodeFormat, Flow, format_code, seconds_until_code
from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.dialer.maintenance import MaintenanceLoop
from otpvoice.dialer.placement import next_untried_route, placement_result
from otpvoice.http_client import Deadlines
from otpvoice.logs import ErrorBoundary
from otpvoice.metrics.dialer import DialerMetrics
from otpvoice.providers.base import (
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
    Provider,
)
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.store.models import CallResult, Claim, RecordResult
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)

SEND_WITHIN_S: Final = 5.0
"""Seconds from the claim to the first byte sent; later it is given up, unsent."""
END_WITHIN_S: Final = 13.0
"""Seconds from the claim to the end of the request, whatever the provider does."""
_MAX_SLEEP_S: Final = 0.5
"""Seconds between two looks at a quiet queue: a stop waits so long. A due call cuts it short."""
_STORE_RETRY_S: Final = 0.25
"""Seconds between two tries while the store is away."""
_SIMULATED_DURATION_S: Final = 12
"""Seconds that a call to a test number is said to have taken: a name, and a code spoken twice."""
_RECORD_RETRY_S: Final = 60.0
"""Seconds that an outcome, known to nobody else, is offered to a store that is away."""


@dataclass(frozen=True, slots=True)
class DialingRules:
    """How calls are placed. Durations in milliseconds."""

    threads: int
    """Calls in flight in this process."""
    max_live_calls: int
    """Calls that may be live at once, over all dialers."""
    live_for_ms: int
    """How long a placed call may ring or talk."""
    call_gaps_ms: Sequence[int]
    """After the first, second and every later call to a number."""
    routes: Sequence[Route]
    code_format: CodeFormat


class Undialable(Exception):
    """A call that this process cannot place, because its settings lack what the call needs."""


class BackgroundTask(Protocol):
    """What runs beside dialing, and ends with it."""

    def run(self, stopping: threading.Event) -> None:
        """Works until ``stopping`` is set, and finishes what is under way."""


class Dialer:
    """Places calls until :meth:`stop`.

    Args:
        store: the queue.
        waiting_store: the same, over a client of its own that may block longer.
        provider: the telephone company.
        ring: opens what is to be spoken.
        flows: by client and locale. A call's record has the id of its flow; their texts say
            how long it takes to hear the code.
        rules: how calls are placed.
        beside: what else this process does meanwhile.
        metrics: count what it does.
    """

    def __init__(
        self,
        store: RedisStore,
        blocking_store: RedisStore,
        provider: Provider,
        ring: KeyRing,
        flows: Mapping[str, Mapping[str, Flow]],
        rules: DialingRules,
        background_tasks: Sequence[BackgroundTask] = (),
        metrics: DialerMetrics | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._store = store
        self._blocking_store = blocking_store
        self._provider = provider
        self._ring = ring
        self._capture = ExchangeCapture(store, ring)
        self._flows = flows
        self._texts = {
            flow.id: flow.text for each in flows.values() for flow in each.values() if flow.text
        }
        self._rules = rules
        self._metrics = metrics or DialerMetrics()
        self._background_tasks = (
            MaintenanceLoop(self.id, store, provider, ring, self._metrics),
            *background_tasks,
        )
        self._stopping = threading.Event()
        self._slots = threading.Semaphore(rules.threads)
        self._attempts = ErrorBoundary("dialer.iteration_failed")

    def run(self) -> None:
        """Dials until :meth:`stop`; calls in flight are finished and recorded first.

        All parts end together: half a dialer would be heard of and call nobody, or call unheard of.
        """
        _LOG.info("dialer.started", dialer=self.id, threads=self._rules.threads)
        with ThreadPoolExecutor(
            len(self._background_tasks), thread_name_prefix="background"
        ) as pool:
            parts = [
                pool.submit(self._run_background_task, part) for part in self._background_tasks
            ]
            try:
                self._dial_until_stopped()
            finally:
                self.stop()
        _LOG.info("dialer.stopped", dialer=self.id)
        for part in parts:
            part.result()  # raises what ended it, if anything did

    def stop(self) -> None:
        """Claim and send nothing more; what was claimed and not sent goes back to the queue."""
        self._stopping.set()

    def _run_background_task(self, task: BackgroundTask) -> None:
        try:
            task.run(self._stopping)
        finally:
            self.stop()

    def _dial_until_stopped(self) -> None:
        with ThreadPoolExecutor(self._rules.threads, thread_name_prefix="call") as pool:
            while not self._stopping.is_set():
                self._slots.acquire()  # may have waited until a call was over
                if self._stopping.is_set() or not self._submit_next(pool):
                    self._slots.release()

    def _submit_next(self, pool: ThreadPoolExecutor) -> bool:
        """Claims the next due call for a free thread, or waits for one; whether it found one."""
        began = time.monotonic()
        claim = self._attempts.run(lambda: self._store.claim(self._rules.max_live_calls), None)
        if claim is None:
            self._stopping.wait(_STORE_RETRY_S)
        elif isinstance(claim, int):
            self._sleep(claim)
        else:
            pool.submit(self._run_call, claim, began)
            return True
        return False

    def _sleep(self, milliseconds: int) -> None:
        longest = int(_MAX_SLEEP_S * 1000)
        wait = (longest if milliseconds < 0 else min(longest, milliseconds)) / 1000
        if wait <= 0 or self._stopping.is_set():
            return
        if not self._attempts.run(lambda: self._blocking_store.wait(wait), default=False):
            self._stopping.wait(_STORE_RETRY_S)

    def _run_call(self, claim: Claim, began: float) -> None:
        try:
            if self._stopping.is_set():  # it was asked for before the stop
                self._return_to_queue(claim)
            else:
                self.dial(claim, Deadlines(began + SEND_WITHIN_S, began + END_WITHIN_S))
        except StoreUnavailable:
            _log(claim).warning("call.lease_abandoned")
        except Exception as error:  # noqa: BLE001 - one call's fault must not end the others'
            _log(claim).error("call.failed_unexpectedly", **logs.describe(error))
        finally:
            self._slots.release()

    def dial(self, claim: Claim, deadlines: Deadlines) -> None:
        """Places one claimed call, if it is still to be placed; to a test number it only says so.

        Raises:
            StoreUnavailable: the lease decides what becomes of the call.
        """
        log = _log(claim)
        if claim.is_test:
            simulated = self._store.complete_test_call(claim, _SIMULATED_DURATION_S)
            log.info("call.simulated" if simulated else "call.skipped")
            return
        try:
            order = self._build_call(claim)
        except (DecryptionError, Undialable) as error:
            self._fail_call(claim, error)
            return
        log = log.bind(to=mask_number(order.number))
        code_spoken_after_s = self._code_spoken_after_s(order)
        if not self._store.mark_sent(
            claim, self._rules.live_for_ms, self._rules.call_gaps_ms, code_spoken_after_s
        ):
            log.info("call.skipped")
            return
        if self._stopping.is_set():
            self._return_to_queue(claim)
            return
        with self._capture.capturing(claim.call_id) if claim.is_live_test else nullcontext():
            placement = self._place(order, deadlines)
        result = placement_result(placement, claim, self._rules.routes)
        recorded = self._record(claim, result)
        _log_placement(log, placement, status=recorded.status)
        if recorded.route_change == "closed":
            self._metrics.count_route_closed(claim.route)
        if recorded.route_change:
            emit = log.error if recorded.route_change == "closed" else log.info
            emit(f"route.{recorded.route_change}", detail=placement.detail)

    def _fail_call(self, claim: Claim, error: DecryptionError | Undialable) -> None:
        """End a call that the settings of this process do not allow to dial.

        The call ends ``failed`` and does not return to the queue. The next route takes over from
        one that this process does not know.
        """
        _log(claim).error("call.undialable", reason=str(error))
        is_known = isinstance(claim.route, Route)
        next_route = None if is_known else next_untried_route(claim, self._rules.routes)
        failed = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, next_route=next_route)
        self._record(claim, failed)
        self._store.report_undialable(claim, str(error))

    def _return_to_queue(self, claim: Claim) -> None:
        """Queue a call that was not sent again at once, so that it does not wait for its lease."""
        self._store.record_result(claim, CallResult(CallStatus.QUEUED, is_unsent=True))
        _log(claim).info("call.returned_to_queue")

    def _place(self, order: OutboundCall, deadlines: Deadlines) -> PlacementResult:
        began = time.monotonic()
        placement = self._provider.place(order, deadlines)
        self._metrics.observe_placement(order.route, placement.outcome, time.monotonic() - began)
        return placement

    def _build_call(self, claim: Claim) -> OutboundCall:
        if not isinstance(claim.route, Route):
            raise Undialable(f"no adapter for the route {claim.route}")
        code, name = decrypt_speech(self._ring, claim.verification_id, claim.encrypted_speech)
        return OutboundCall(
            call_id=claim.call_id,
            route=claim.route,
            number=decrypt_number(self._ring, claim.verification_id, claim.encrypted_number),
            bridge=claim.bridge,
            flow_id=self._flow_id(claim),
            name=name,
            code=format_code(code, self._rules.code_format),
        )

    def _code_spoken_after_s(self, order: OutboundCall) -> int | None:
        text = self._texts.get(order.flow_id)
        return seconds_until_code(text, order.code, order.name) if text else None

    def _flow_id(self, claim: Claim) -> str:
        """Return the stored id; look it up only for a record of a release that stored none.

        Raises:
            Undialable: the record has no flow, and the settings do not have its client.
        """
        if claim.flow_id:
            return claim.flow_id
        flows = self._flows.get(claim.client)
        if flows is None:
            raise Undialable(f"no flow in the record, and no client {claim.client} in the settings")
        return flows.get(claim.locale, flows[DEFAULT_FLOW]).id

    def _record(self, claim: Claim, result: CallResult) -> RecordResult:
        deadline = time.monotonic() + _RECORD_RETRY_S
        while True:
            try:
                return self._store.record_result(claim, result)
            except StoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_STORE_RETRY_S)


def _log(claim: Claim) -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = _LOG.bind(
        call=claim.call_id,
        verification=claim.verification_id,
        client=claim.client,
        number=LogId.from_hash(claim.number_hash),
        route=claim.route,
    )
    return log


def _log_placement(
    log: structlog.typing.FilteringBoundLogger, placement: PlacementResult, **details: object
) -> None:
    emit: Callable[..., object] = log.info
    if placement.outcome is PlacementOutcome.MISCONFIGURED:
        emit = log.error
    elif placement.outcome is not PlacementOutcome.ACCEPTED:
        emit = log.warning
    emit("call.sent", outcome=placement.outcome, detail=placement.detail, **details)
