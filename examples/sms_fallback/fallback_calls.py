"""Fallback calls: all requests of an SMS system to otpvoice. This is the file to copy.

A failure of the service never delays or prevents an SMS. There is no fallback call then.
"""

import logging
from collections.abc import Callable
from typing import Final

from otpvoice_client import Client, OtpvoiceError, Verification, VerificationClosed

TTL_S: Final = 300
"""Lifetime of a code, in the SMS system and in the service."""
_LOG: Final = logging.getLogger(__name__)


class FallbackCalls:
    """Calls that speak the code of an SMS if the user has not entered it in time.

    Args:
        otpvoice: the service.
        call_after_s: seconds from the SMS to the call; 20 to 40 suits most systems.
    """

    def __init__(self, otpvoice: Client, call_after_s: int) -> None:
        self._otpvoice = otpvoice
        self._call_after_s = call_after_s

    def schedule(self, number: str, name: str, code: str, login_id: str) -> str | None:
        """Schedule a call with the code of an SMS.

        A new code for the same login replaces the old one, which is then never spoken.

        Returns:
            The id of the verification; None if the service is not available.
        """
        verification = _try(
            "schedule a call",
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
        """Report a right code: no call is placed, and the number's limits are released."""
        _try("approve", lambda: self._otpvoice.approve(verification_id))

    def cancel(self, verification_id: str) -> None:
        """Report an ended login: no call is placed."""
        _try("cancel", lambda: self._otpvoice.cancel(verification_id))

    def call_now(self, verification_id: str) -> None:
        """Place the call now.

        Raises:
            OtpvoiceError: no call can be placed, and the user has to know.
        """
        self._otpvoice.call(verification_id)


def _try(action: str, request: Callable[[], Verification]) -> Verification | None:
    try:
        return request()
    except VerificationClosed:
        return None  # it has ended already, so no call is placed
    except OtpvoiceError as error:
        _LOG.warning("could not %s: %s", action, error)  # the text has no code and no number
        return None
