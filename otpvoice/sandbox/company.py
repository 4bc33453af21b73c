"""The company as a whole: what one sandbox server holds in memory."""

from collections.abc import Callable
from typing import TypeVar

from otpvoice.sandbox.call_request import Account
from otpvoice.sandbox.callbacks import Courier
from otpvoice.sandbox.changes import Changes
from otpvoice.sandbox.config import SandboxConfig
from otpvoice.sandbox.network import Network
from otpvoice.sandbox.schedule import Schedule

T = TypeVar("T")


class Company:
    """Network, courier and their clockwork. ``close`` ends every thread of it."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.schedule = Schedule(config.callback_threads)
        self._changed = Changes()
        self._stopped = False
        self.courier = Courier(config, self.schedule, self._changed)
        self.network = Network(config, self.schedule, self._changed, self.courier.report)
        self.account = Account(config.flows, config.sounds, self.courier.webhooks)

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Waits for something to be true of calls, ledger or deliveries; whether it became so.

        ``condition`` is asked again after every step of a call and every delivery, while nothing
        else moves. ``stop`` ends the waiting.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or condition(), seconds)
            return condition()

    def look(self, at: Callable[[], T]) -> T:
        """What ``at`` finds while nothing else moves."""
        with self._changed:
            return at()

    def news(self, known: int, seconds: float) -> int | None:
        """Waits for a change, so many seconds; how many there were by now, None after ``stop``.

        ``known``: as many as the caller has seen.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._changed.count > known, seconds)
            return None if self._stopped else self._changed.count

    def stop(self) -> None:
        """Lets go who waits: requests that hang are answered, calls and callbacks go no further."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self.schedule.stop()

    def close(self) -> None:
        """Stops, and ends the threads."""
        self.stop()
        self.schedule.close()
