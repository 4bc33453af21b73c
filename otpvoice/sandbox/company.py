"""The company as a whole: what one sandbox server holds in memory."""

from collections.abc import Callable
from typing import TypeVar

from otpvoice.sandbox.call_request import Account
from otpvoice.sandbox.callbacks import CallbackSender
from otpvoice.sandbox.changes import ChangeCondition
from otpvoice.sandbox.config import SandboxConfig
from otpvoice.sandbox.network import PhoneNetwork
from otpvoice.sandbox.schedule import Scheduler

T = TypeVar("T")


class Sandbox:
    """Network, courier and their clockwork. ``close`` ends every thread of it."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.scheduler = Scheduler(config.callback_threads)
        self._changes = ChangeCondition()
        self._stopped = False
        self.callbacks = CallbackSender(config, self.scheduler, self._changes)
        self.network = PhoneNetwork(config, self.scheduler, self._changes, self.callbacks.send)
        self.account = Account(config.flows, config.sounds, self.callbacks.webhooks)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Waits for something to be true of calls, ledger or deliveries; whether it became so.

        ``condition`` is asked again after every step of a call and every delivery, while nothing
        else moves. ``stop`` ends the waiting.
        """
        with self._changes:
            self._changes.wait_for(lambda: self._stopped or condition(), timeout_s)
            return condition()

    def read(self, snapshot: Callable[[], T]) -> T:
        """What ``at`` finds while nothing else moves."""
        with self._changes:
            return snapshot()

    def wait_for_change(self, seen_count: int, timeout_s: float) -> int | None:
        """Waits for a change, so many seconds; how many there were by now, None after ``stop``.

        ``known``: as many as the caller has seen.
        """
        with self._changes:
            self._changes.wait_for(
                lambda: self._stopped or self._changes.count > seen_count, timeout_s
            )
            return None if self._stopped else self._changes.count

    def stop(self) -> None:
        """Lets go who waits: requests that hang are answered, calls and callbacks go no further."""
        with self._changes:
            self._stopped = True
            self._changes.notify_all()
        self.scheduler.stop()

    def close(self) -> None:
        """Stops, and ends the threads."""
        self.stop()
        self.scheduler.close()
