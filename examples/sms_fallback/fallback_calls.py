"""The call in reserve: what an SMS system asks of otpvoice. This is the file to copy.

Nothing here ever stands in the way of the SMS: while the service is away, there is no reserve.
"""

import logging
from collections.abc import Callable
from typing import Final

from otpvoice.client import Client, OtpvoiceError, Verification, VerificationClosed

TTL_S: Final = 300
"""Seconds that a code lives, in the SMS system and in the service."""
_LOG: Final = logging.getLogger(__name__)


class FallbackCalls:
    """Calls that come when an SMS does not.

    Args:
        otpvoice: the service.
        call_after: seconds that an SMS is given; 20 to 40 suits most.
    """

    def __init__(self, otpvoice: Client, call_after_s: int) -> None:
        self._otpvoice = otpvoice
        self._call_after_s = call_after_s

    def schedule(self, number: str, name: str, code: str, login_id: str) -> str | None:
        """A call that will speak the SMS's own code; its verification's id, None if there is none.

        Another ``code`` for the same login supersedes the one before: that is never spoken again.
        """
        verification = _try(
            "hold a call",
            lambda: self._otpvoice.create(
                number,
                name=name,
                code=code,
                call_after=self._call_after_s,
                ttl=TTL_S,
                reference=login_id,
            ),
        )
        return verification.id if verification else None

    def approve(self, verification_id: str) -> None:
        """We have checked the code ourselves: no call, and the number's limits are given back."""
        _try("approve", lambda: self._otpvoice.approve(verification_id))

    def cancel(self, verification_id: str) -> None:
        """The person gave up: no call."""
        _try("cancel", lambda: self._otpvoice.cancel(verification_id))

    def call_now(self, verification_id: str) -> None:
        """The person will not wait for the SMS.

        Raises:
            OtpvoiceError: this time it matters to the person that there is no call, and why.
        """
        self._otpvoice.call(verification_id)


def _try(action: str, request: Callable[[], Verification]) -> Verification | None:
    try:
        return request()
    except VerificationClosed:
        return None  # it has ended already, so that nothing rings
    except OtpvoiceError as error:
        _LOG.warning("could not %s: %s", action, error)  # its text holds no code and no number
        return None
