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
from otpvoice.events.payload import Show, body_of, headers_of
from otpvoice.http_client.client import HttpClient, HttpResponse, RequestFailed
from otpvoice.logs.attempts import Attempts
from otpvoice.metrics.events import DROPPED, FAILED, GIVEN_UP, TOLD, EventMetrics
from otpvoice.providers.base import Deadlines
from otpvoice.store.events import Event
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)

AT_ONCE: Final = 8
"""Events under way to one client from one process."""
PAUSES: Final = (5, 30, 120, 600, 1800)
"""Seconds after the first, second, ... try that failed; after one more it is given up."""
_JITTER: Final = 1.2
"""A pause is up to so many times as long: what failed together is not tried again together."""
CONNECTED_WITHIN: Final = 3.0
"""Seconds to the first byte sent."""
OVER_WITHIN: Final = 10.0
_ROUND: Final = 0.25
"""Seconds between two looks at what is due, unless a try ends and there is room for another."""
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where one client takes its events."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """``whsec_`` and base64; each signs, so that a client may change from one to the other."""


class Courier:
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
        receivers: Mapping[str, Receiver],
        show: Show,
        http: HttpClient,
        over_within: float = OVER_WITHIN,
        metrics: EventMetrics | None = None,
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._show = show
        self._http = http
        self._over_within = over_within
        self._metrics = metrics or EventMetrics()
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._freed = threading.Event()
        self._attempts = Attempts("event.round_failed")

    def run(self, stopping: threading.Event) -> None:
        """Tells what is due until ``stopping`` is set; what is under way is finished."""
        threads = AT_ONCE * len(self._receivers)
        with ThreadPoolExecutor(threads, thread_name_prefix="event") as pool:
            while not stopping.is_set():
                self._freed.clear()
                if not self._hand_over(pool, stopping):
                    self._freed.wait(_ROUND)

    def _hand_over(self, pool: ThreadPoolExecutor, stopping: threading.Event) -> bool:
        """Takes what is due and can be sent at once; whether there was anything."""
        with self._lock:
            free = {client: AT_ONCE - self._under_way[client] for client in self._receivers}
        taken = self._attempts.run(lambda: self._store.take_events(free), None)
        if taken is None:
            return False
        for client, many in taken.dropped.items():
            _LOG.error("event.too_many", client=client, dropped=many)
            self._metrics.count(client, DROPPED, many)
        for event in taken.events:
            with self._lock:
                self._under_way[event.client] += 1
            pool.submit(self._work, event, stopping)
        return bool(taken.events)

    def _work(self, event: Event, stopping: threading.Event) -> None:
        try:
            if stopping.is_set():  # it was asked for before the stop
                self._store.return_event(event)
            else:
                self.tell(event)
        except StoreUnavailable:
            _log(event).warning("event.left_to_its_lease")
        except Exception as error:  # noqa: BLE001 - one event's fault must not end the others'
            _log(event).error("event.fault", **logs.told(error))
        finally:
            with self._lock:
                self._under_way[event.client] -= 1
            self._freed.set()

    def tell(self, event: Event) -> None:
        """Tries to tell one event, and writes down what came of it.

        Raises:
            StoreUnavailable: its lease decides; the client may be told twice.
        """
        try:
            body = body_of(event, self._show)
        except DecryptionError as error:
            # Forgotten for good; or sealed with a key that another process has.
            is_known = event.verification.encrypted_number != b""
            self._settle(event, _pause_after(event.tries) if is_known else None)
            _log(event).warning("event.not_told", why=type(error).__name__, tries=event.tries)
            return
        answer = self._send(event, body)
        retry_in = None if _is_over(answer.status) else _pause_after(event.tries)
        self._settle(event, retry_in, is_told=_is_told(answer.status))
        _report(event, answer, retry_in)

    def _settle(self, event: Event, retry_in: int | None, *, is_told: bool = False) -> None:
        """Writes down what came of a try."""
        self._store.settle_event(event, retry_in)
        missed = GIVEN_UP if retry_in is None else FAILED
        self._metrics.count(event.client, TOLD if is_told else missed)

    def _send(self, event: Event, body: bytes) -> HttpResponse | RequestFailed:
        """What came of it. An answer counts by its first line, however it goes on."""
        receiver, now = self._receivers[event.client], time.monotonic()
        return self._http.post(
            receiver.url,
            headers_of(event.id, body, receiver.secrets, datetime.now(UTC)),
            body,
            Deadlines(now + CONNECTED_WITHIN, now + self._over_within),
        )


def _is_told(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _is_over(status: int | None) -> bool:
    """Told, or never wanted: 410 is how a receiver says so (Standard Webhooks)."""
    return _is_told(status) or status == _GONE


def _pause_after(tries: int) -> int | None:
    """Milliseconds to the next try; None: there is none."""
    if tries > len(PAUSES):
        return None
    return int(PAUSES[tries - 1] * random.uniform(1, _JITTER) * 1000)


def _report(event: Event, answer: HttpResponse | RequestFailed, retry_in: int | None) -> None:
    log = _log(event).bind(tries=event.tries, status=answer.status)
    if _is_told(answer.status):
        log.info("event.told")
        return
    why = answer.reason if isinstance(answer, RequestFailed) else "refused"
    if retry_in is None:
        log.error("event.given_up", why=why)
    else:
        log.warning("event.not_told", why=why)


def _log(event: Event) -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = _LOG.bind(
        client=event.client,
        verification=event.verification.id,
        sequence=event.verification.version,
        type=event.type,
    )
    return log
