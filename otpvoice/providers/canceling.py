"""Port for telephone companies that can cancel a call which they have accepted."""

from typing import Protocol, runtime_checkable

from otpvoice.http_client import Deadlines
from otpvoice.providers.base import CallQuery, Provider


@runtime_checkable
class CancelingProvider(Provider, Protocol):
    """A provider that can cancel a call which it has accepted and nobody has answered."""

    def cancel(self, query: CallQuery, deadlines: Deadlines) -> bool:
        """Send at most one request that cancels the call, within the deadlines; raises nothing.

        Return whether the provider confirmed it: the phone rings no more. Otherwise nothing is
        known about the call; it may have been answered, or have ended.
        """
        ...
