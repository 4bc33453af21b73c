"""Delivers events about verifications to clients: claim, sign, send, acknowledge.

Each event is delivered at least once, or abandoned after the last retry. A claimed event is held by
a lease. If its dispatcher dies, another one sends it again under the same id. Events are signed as
Standard Webhooks (standardwebhooks.com).
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from standardwebhooks import Webhook
from structlog.typing import FilteringBoundLogger

from otpvoice import logs, tracing
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError
from otpvoice.core.verification import Verification, format_utc
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.logs import ErrorBoundary
from otpvoice.metrics import EventOutcome, LabeledCounter, event_counter
from otpvoice.store.models import Event
from otpvoice.store.redis_store import RedisStore

_LOG: Final[FilteringBoundLogger] = structlog.get_logger(__name__)

Serialize = Callable[[Verification], object]
"""Renders a verification as in the HTTP contract, as an app may see it."""

MAX_IN_FLIGHT: Final = 8
"""Deliveries in flight to one client from one process."""
RETRY_DELAYS_S: Final = (5, 30, 120, 600, 1800)
"""Seconds after the first, second, ... failed delivery. After one more the event is abandoned."""
_JITTER: Final = 1.2
"""A retry delay is up to so many times as long, so that deliveries spread after an outage."""
CONNECT_TIMEOUT_S: Final = 3.0
"""Seconds to the first byte sent."""
TOTAL_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.25
"""Seconds between two polls for due events. The end of a delivery starts the next poll."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A client's address for events."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """``whsec_`` and base64. Each secret signs, so that a client can rotate its secret."""


class EventDispatcher:
    """A background task that delivers events. A slow client does not delay the others.

    Args:
        endpoints: by client.
        serialize: renders a verification as in the HTTP contract.
        total_timeout_s: seconds until a delivery is over.
        outcomes: counts deliveries and dropped events; see ``event_counter``.
    """

    def __init__(
        self,
        store: RedisStore,
        endpoints: Mapping[str, Endpoint],
        serialize: Serialize,
        http: HttpClient,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        outcomes: LabeledCounter | None = None,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._serialize = serialize
        self._http = http
        self._total_timeout_s = total_timeout_s
        self._outcomes = outcomes or event_counter()
        self._in_flight: list[tuple[str, Future[None]]] = []
        """The client of each delivery, and the delivery."""
        self._freed = threading.Event()
        self._boundary = ErrorBoundary("event.iteration_failed")

    def run(self, stopping: threading.Event) -> None:
        """Deliver due events until ``stopping`` is set, and finish the deliveries in flight."""
        threads = MAX_IN_FLIGHT * len(self._endpoints)
        with ThreadPoolExecutor(threads, thread_name_prefix="event") as pool:
            while not stopping.is_set():
                self._freed.clear()
                if not self._submit_due(pool, stopping):
                    self._freed.wait(_POLL_S)

    def _submit_due(self, pool: ThreadPoolExecutor, stopping: threading.Event) -> bool:
        """Claim the due events for which threads are free; return whether there were any."""
        self._in_flight = [each for each in self._in_flight if not each[1].done()]
        busy = Counter(client for client, _ in self._in_flight)
        free = {client: MAX_IN_FLIGHT - busy[client] for client in self._endpoints}
        batch = self._boundary.run(lambda: self._store.claim_events(free), None)
        if batch is None:
            return False
        for client, dropped in batch.dropped.items():
            _LOG.error("event.dropped", client=client, dropped=dropped)
            self._outcomes(client, EventOutcome.DROPPED).inc(dropped)
        for event in batch.events:
            delivery = pool.submit(self._run_delivery, event, stopping)
            delivery.add_done_callback(lambda _: self._freed.set())
            self._in_flight.append((event.client, delivery))
        return bool(batch.events)

    def _run_delivery(self, event: Event, stopping: threading.Event) -> None:
        try:
            with _span_of(event):
                if stopping.is_set():  # claimed before the stop
                    self._store.ack_event(event, 0, was_sent=False)
                else:
                    self.deliver(event)
        except StoreUnavailable:
            _log(event).warning("event.lease_abandoned")
        except Exception as error:  # noqa: BLE001 - an error in one event must not end the others
            _log(event).error("event.failed_unexpectedly", **logs.describe(error))

    def deliver(self, event: Event) -> None:
        """Deliver one event once, and acknowledge the outcome in the store.

        Raises:
            StoreUnavailable: the event's lease expires, and the event may be delivered twice.
        """
        retry_in_ms = _retry_delay_ms(event.attempts)
        log = _log(event).bind(attempts=event.attempts)
        try:
            body = _build_body(event, self._serialize)
        except DecryptionError as error:
            # The number was erased, or it is encrypted with a key that only other processes have.
            is_erased = event.verification.encrypted_number == b""
            self._acknowledge(event, None if is_erased else retry_in_ms)
            log.warning("event.delivery_failed", reason=type(error).__name__)
            return
        response = self._send(event, body)
        log = log.bind(status=response.status)
        if response.status is not None and 200 <= response.status < 300:
            self._acknowledge(event, None, EventOutcome.DELIVERED)
            log.info("event.delivered")
            return
        if response.status == HTTPStatus.GONE:
            retry_in_ms = None
        self._acknowledge(event, retry_in_ms)
        reason = response.reason if isinstance(response, RequestFailed) else "refused"
        if retry_in_ms is None:
            log.error("event.abandoned", reason=reason)
        else:
            log.warning("event.delivery_failed", reason=reason)

    def _acknowledge(
        self, event: Event, retry_in_ms: int | None, outcome: EventOutcome | None = None
    ) -> None:
        """Acknowledge a delivery, or by default a failure: the last one without a retry."""
        self._store.ack_event(event, retry_in_ms)
        failure = EventOutcome.ABANDONED if retry_in_ms is None else EventOutcome.FAILED
        self._outcomes(event.client, outcome or failure).inc()

    def _send(self, event: Event, body: bytes) -> HttpResponse | RequestFailed:
        """Send one request, signed with each secret. The status line decides, whatever follows."""
        endpoint, now = self._endpoints[event.client], time.monotonic()
        sent_at = datetime.now(UTC)  # of this attempt, because receivers reject old timestamps
        signatures = [
            Webhook(secret).sign(event.id, sent_at, body.decode()) for secret in endpoint.secrets
        ]
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        if traceparent := tracing.traceparent():
            headers["traceparent"] = traceparent
        deadlines = Deadlines(now + CONNECT_TIMEOUT_S, now + self._total_timeout_s)
        return self._http.post(endpoint.url, headers, body, deadlines)


def _build_body(event: Event, serialize: Serialize) -> bytes:
    """Return the body of an event, which is the same for every attempt.

    Raises:
        DecryptionError: the number was erased, or the key ring lacks its key.
    """
    verification = event.verification
    return msgspec.json.encode(
        {
            "type": event.type,
            "timestamp": format_utc(verification.now),
            "sequence": verification.version,
            "data": serialize(verification),
        }
    )


def _retry_delay_ms(attempts: int) -> int | None:
    """Return the delay before the next attempt, or None after the last one."""
    if attempts > len(RETRY_DELAYS_S):
        return None
    return int(RETRY_DELAYS_S[attempts - 1] * random.uniform(1, _JITTER) * 1000)


def _span_of(event: Event) -> AbstractContextManager[None]:
    attributes: tracing.Attributes = {
        "otpvoice.client": event.client,
        "otpvoice.verification": event.verification.id,
        "otpvoice.type": event.type,
        "otpvoice.sequence": event.verification.version,
        "otpvoice.attempts": event.attempts,
    }
    return tracing.continue_trace(
        f"deliver {event.type}", "PRODUCER", event.traceparent, attributes
    )


def _log(event: Event) -> FilteringBoundLogger:
    return _LOG.bind(
        client=event.client,
        verification=event.verification.id,
        sequence=event.verification.version,
        type=event.type,
    )
