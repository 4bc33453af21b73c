"""When a request is sent again.

Only a request that does the same thing however often it arrives comes here: it has an
``Idempotency-Key``, or it is repeatable by nature. So what was lost on the way may be repeated.
"""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from otpvoice.client.errors import OtpvoiceError

T = TypeVar("T")

_MAX_DELAYS: Final = (0.25, 1.0)
"""Seconds before the second and third try, at most: at random, so that many do not come at once."""
_MIN_ATTEMPT_TIMEOUT: Final = 0.01
"""Seconds that a try has at least."""


def retry(send: Callable[[float], T], attempt_timeout: float, timeout: float) -> T:
    """What ``send`` returns, after at most three tries.

    Args:
        send: one try; is given the seconds that it has.
        attempt_timeout: seconds for one attempt.
        timeout: seconds for all, with the pauses. A pause that the service asks for is kept; if it
            is too long for that, the error is raised at once.

    Raises:
        OtpvoiceError: of the last try.
    """
    over = time.monotonic() + timeout

    def attempt() -> T:
        return send(max(_MIN_ATTEMPT_TIMEOUT, min(attempt_timeout, over - time.monotonic())))

    for longest in _MAX_DELAYS:
        try:
            return attempt()
        except OtpvoiceError as error:
            pause = (error.retry_after or 0) + random.uniform(0, longest)
            if not error.is_retryable or time.monotonic() + pause >= over:
                raise
        time.sleep(pause)
    return attempt()
