"""What a dialer does beside dialing: it sweeps, and asks the provider about calls without news."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from otpvoice import logs
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError, KeyRing, LogId
from otpvoice.core.phone import mask_number
from otpvoice.core.service import decrypt_number
from otpvoice.core.verification import Route
from otpvoice.logs.attempts import Attempts
from otpvoice.metrics.dialer import DialerMetrics
from otpvoice.providers.base import CallQuery, Deadlines, Provider
from otpvoice.store.models import Notice, Pull, Report
from otpvoice.store.redis_store import RedisStore

_LOG = structlog.get_logger(__name__)

_ROUND: Final = 1.0
"""Seconds between two rounds."""
_PULL_WITHIN: Final = 5.0
"""Seconds for one question and its answer."""
_PULLERS: Final = 4
_LOGGED_KINDS: Final = frozenset({"call", "verification", "number"})
_ALARMS: Final = frozenset({"breaker.opened", "clock.went_back"})
"""Notices that an operator has to act on."""
_NOTHING: Final = "nothing"
"""The provider told no end of the call."""


class Keeper:
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
        dialer: str,
        store: RedisStore,
        provider: Provider,
        ring: KeyRing,
        metrics: DialerMetrics | None = None,
    ) -> None:
        self._dialer = dialer
        self._store = store
        self._provider = provider
        self._ring = ring
        self._metrics = metrics or DialerMetrics()
        self._free = threading.Semaphore(_PULLERS)
        self._attempts = Attempts("dialer.round_failed")

    def run(self, stopping: threading.Event) -> None:
        """Rounds until ``stopping`` is set; questions under way are finished."""
        with ThreadPoolExecutor(_PULLERS, thread_name_prefix="pull") as pool:
            while not stopping.is_set():
                swept = self._attempts.run(self._sweep, otherwise=False)
                pulled = self._attempts.run(partial(self._pull, pool), otherwise=False)
                if not swept and not pulled:
                    stopping.wait(_ROUND)

    def _sweep(self) -> bool:
        """Send a heartbeat, end what is over and log notices; return whether there is more."""
        swept = self._store.sweep(self._dialer)
        for notice in swept.notices:
            self._tell(notice)
        return swept.more

    def _pull(self, pool: ThreadPoolExecutor) -> bool:
        """Takes as many questions as there are free threads; whether there may be more of both.

        No question waits in a line of ours: a provider that hangs would make it grow, and another
        dialer may be free.
        """
        free = 0
        while self._free.acquire(blocking=False):
            free += 1
        pulls: list[Pull] = []
        try:
            pulls = self._store.pulls(free) if free else []
        finally:
            for _ in range(free - len(pulls)):
                self._free.release()
        for pull in pulls:
            pool.submit(self._ask_quietly, pull)
        return 0 < free == len(pulls)

    def ask(self, pull: Pull) -> None:
        """Asks the provider how one call ended, and applies what it says.

        Raises:
            StoreUnavailable: it is asked again later.
            DecryptionError: the ring lost the number's key.
        """
        if not isinstance(pull.route, Route):
            _log(pull).warning("call.not_pulled", why="no adapter for the route")
            return
        number = decrypt_number(self._ring, pull.verification_id, pull.encrypted_number)
        now = time.monotonic()
        report = self._provider.fetch_status(
            CallQuery(
                call_id=pull.call_id,
                route=pull.route,
                number=number,
                bridge=pull.bridge,
                provider_id=pull.provider_id,
                sent_at_ms=pull.sent_at,
            ),
            Deadlines(now + _PULL_WITHIN, now + _PULL_WITHIN),
        )
        if report is None:
            self._metrics.pulled(pull.route, _NOTHING)
            return
        settled = self._store.settle(
            Report(
                fingerprint=None,
                call_id=pull.call_id,
                provider_ids=tuple(known for known in report.ids if known != pull.call_id),
                lines=(),
                route=pull.route,
                started_at=report.started_at_ms,
                status=report.status,
                reason=report.reason,
                raw=report.raw,
                duration=report.duration_s,
            )
        )
        self._metrics.pulled(pull.route, settled.news)
        _log(pull).info(
            "call.pulled",
            to=mask_number(number),
            news=settled.news,
            status=settled.call_status,
            raw=report.raw,
        )

    def _ask_quietly(self, pull: Pull) -> None:
        try:
            self.ask(pull)
        except (StoreUnavailable, DecryptionError) as error:
            _log(pull).warning("call.not_pulled", **logs.told(error))
        except Exception as error:  # noqa: BLE001 - nobody looks at what a thread of the pool raises
            _log(pull).error("call.fault", **logs.told(error))
        finally:
            self._free.release()

    def _tell(self, notice: Notice) -> None:
        """Alarms are errors, for somebody has to look; what an operator did is on record."""
        if notice.event == "breaker.opened":
            self._metrics.breaker_opened(notice.details["breaker"])
        is_alarm = notice.event in _ALARMS or "record" in notice.details
        level = logging.ERROR if is_alarm else logging.INFO
        happened_at = datetime.fromtimestamp(notice.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        details = {**notice.details, **_record_of(notice)}
        if "number" in details:
            details["number"] = LogId.from_hash(details["number"])
        _LOG.log(level, notice.event, happened_at=happened_at, **details)


def _record_of(notice: Notice) -> dict[str, str]:
    """Name a record that was set aside by the fields of the log: ``call``, ``number``, ..."""
    kind, _, record_id = notice.details.get("record", "").partition(":")
    return {kind: record_id} if kind in _LOGGED_KINDS else {}


def _log(pull: Pull) -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = _LOG.bind(
        call=pull.call_id,
        verification=pull.verification_id,
        number=LogId.from_hash(pull.number_name),
        route=pull.route,
    )
    return log
