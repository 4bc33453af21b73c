"""The company as a whole: what one sandbox server holds in memory."""

from collections.abc import Callable
from threading import Condition

from otpvoice.sandbox.call_request import Account
from otpvoice.sandbox.callbacks import Courier
from otpvoice.sandbox.config import SandboxConfig
from otpvoice.sandbox.network import Network
from otpvoice.sandbox.schedule import Schedule


class Company:
    """Network, courier and their clockwork. ``close`` ends every thread of it."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.schedule = Schedule(config.callback_threads)
        self._changed = Condition()
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
