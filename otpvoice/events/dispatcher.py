"""Tells clients their events: due → take → sign → send → settle.

Every event is told at least once, or given up after a while: a taken one is held by a lease, so
that a process that dies leaves it to others, who send it again under the same id.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from otpvoice import logs
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError
from otpvoice.events.payload import Serialize, build_body, sign_headers
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.logs import ErrorBoundary
from otpvoice.metrics.events import ABANDONED, DELIVERED, DELIVERY_FAILED, DROPPED, EventMetrics
from otpvoice.store.events import Event
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)

MAX_IN_FLIGHT: Final = 8
"""Events under way to one client from one process."""
RETRY_DELAYS_S: Final = (5, 30, 120, 600, 1800)
"""Seconds after the first, second, ... try that failed; after one more it is given up."""
_JITTER: Final = 1.2
"""A pause is up to so many times as long: what failed together is not tried again together."""
CONNECT_TIMEOUT_S: Final = 3.0
"""Seconds to the first byte sent."""
TOTAL_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.25
"""Seconds between two looks at what is due, unless a try ends and there is room for another."""
_HTTP_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one client takes its events."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """``whsec_`` and base64; each signs, so that a client may change from one to the other."""


class EventDispatcher:
    """Tells events until it is told to stop. A slow client delays nobody but itself.

    Args:
        store: where events wait.
        receivers: by client.
        show: the object of the HTTP contract.
        http: sends.
        over_within: seconds to the end of an answer, however slowly it comes.
        metrics: count what comes of it.
    """

    def __init__(
        self,
        store: RedisStore,
        endpoints: Mapping[str, Endpoint],
        serialize: Serialize,
        http: HttpClient,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        metrics: EventMetrics | None = None,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._serialize = serialize
        self._http = http
        self._total_timeout_s = total_timeout_s
        self._metrics = metrics or EventMetrics()
        self._in_flight: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._freed = threading.Event()
        self._attempts = ErrorBoundary("event.iteration_failed")

    def run(self, stopping: threading.Event) -> None:
        """Tells what is due until ``stopping`` is set; what is under way is finished."""
        threads = MAX_IN_FLIGHT * len(self._endpoints)
        with ThreadPoolExecutor(threads, thread_name_prefix="event") as pool:
            while not stopping.is_set():
                self._freed.clear()
                if not self._submit_due(pool, stopping):
                    self._freed.wait(_POLL_S)

    def _submit_due(self, pool: ThreadPoolExecutor, stopping: threading.Event) -> bool:
        """Takes what is due and can be sent at once; whether there was anything."""
        with self._lock:
            free = {client: MAX_IN_FLIGHT - self._in_flight[client] for client in self._endpoints}
        batch = self._attempts.run(lambda: self._store.claim_events(free), None)
        if batch is None:
            return False
        for client, many in batch.dropped.items():
            _LOG.error("event.dropped", client=client, dropped=many)
            self._metrics.count(client, DROPPED, many)
        for event in batch.events:
            with self._lock:
                self._in_flight[event.client] += 1
            pool.submit(self._run_delivery, event, stopping)
        return bool(batch.events)

    def _run_delivery(self, event: Event, stopping: threading.Event) -> None:
        try:
            if stopping.is_set():  # it was asked for before the stop
                self._store.release_event(event)
            else:
                self.deliver(event)
        except StoreUnavailable:
            _log(event).warning("event.lease_abandoned")
        except Exception as error:  # noqa: BLE001 - one event's fault must not end the others'
            _log(event).error("event.failed_unexpectedly", **logs.describe(error))
        finally:
            with self._lock:
                self._in_flight[event.client] -= 1
            self._freed.set()

    def deliver(self, event: Event) -> None:
        """Tries to tell one event, and writes down what came of it.

        Raises:
            StoreUnavailable: its lease decides; the client may be told twice.
        """
        try:
            body = build_body(event, self._serialize)
        except DecryptionError as error:
            # Forgotten for good; or sealed with a key that another process has.
            is_known = event.verification.encrypted_number != b""
            self._acknowledge(event, _retry_delay_ms(event.attempts) if is_known else None)
            _log(event).warning(
                "event.delivery_failed", reason=type(error).__name__, attempts=event.attempts
            )
            return
        response = self._send(event, body)
        retry_in = None if _is_final(response.status) else _retry_delay_ms(event.attempts)
        self._acknowledge(event, retry_in, is_delivered=_is_delivered(response.status))
        _log_delivery(event, response, retry_in)

    def _acknowledge(
        self, event: Event, retry_in_ms: int | None, *, is_delivered: bool = False
    ) -> None:
        """Writes down what came of a try."""
        self._store.ack_event(event, retry_in_ms)
        failure = ABANDONED if retry_in_ms is None else DELIVERY_FAILED
        self._metrics.count(event.client, DELIVERED if is_delivered else failure)

    def _send(self, event: Event, body: bytes) -> HttpResponse | RequestFailed:
        """What came of it. An answer counts by its first line, however it goes on."""
        endpoint, now = self._endpoints[event.client], time.monotonic()
        return self._http.post(
            endpoint.url,
            sign_headers(event.id, body, endpoint.secrets, datetime.now(UTC)),
            body,
            Deadlines(now + CONNECT_TIMEOUT_S, now + self._total_timeout_s),
        )


def _is_delivered(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _is_final(status: int | None) -> bool:
    """Told, or never wanted: 410 is how a receiver says so (Standard Webhooks)."""
    return _is_delivered(status) or status == _HTTP_GONE


def _retry_delay_ms(tries: int) -> int | None:
    """Milliseconds to the next try; None: there is none."""
    if tries > len(RETRY_DELAYS_S):
        return None
    return int(RETRY_DELAYS_S[tries - 1] * random.uniform(1, _JITTER) * 1000)


def _log_delivery(
    event: Event, response: HttpResponse | RequestFailed, retry_in: int | None
) -> None:
    log = _log(event).bind(attempts=event.attempts, status=response.status)
    if _is_delivered(response.status):
        log.info("event.delivered")
        return
    why = response.reason if isinstance(response, RequestFailed) else "refused"
    if retry_in is None:
        log.error("event.abandoned", reason=why)
    else:
        log.warning("event.delivery_failed", reason=why)


def _log(event: Event) -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = _LOG.bind(
        client=event.client,
        verification=event.verification.id,
        sequence=event.verification.version,
        type=event.type,
    )
    return log
