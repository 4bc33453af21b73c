"""How much each limit that counts allows."""

from collections.abc import Iterator
from typing import Final

from otpvoice.core.limits import CallLimits, labels

CALLS_PER_DAY: Final = "calls_per_day"
"""Of a client, or of the whole service."""
_OF_NUMBERS: Final = (
    "calls_per_number",
    "all_calls_per_number",
    "wrong_codes_per_number",
    "unverified_per_prefix",
)


def allowances(limits: CallLimits) -> Iterator[tuple[tuple[str | None, str], int]]:
    """Whose limit and its label, as the store names them, and how much it allows.

    None for whom: it is a number's, or the whole service's.
    """
    for setting in _OF_NUMBERS:
        for label in labels(setting, getattr(limits, setting)):
            yield (None, label.text), label.quota.count
    if limits.calls_per_day is not None:
        yield (None, CALLS_PER_DAY), limits.calls_per_day
    for client, own in limits.clients.items():
        if limits.pending_per_number is not None:
            yield (client, "pending_per_number"), limits.pending_per_number
        for label in labels("creates_per_client", limits.creates_per_client):
            yield (client, label.text), label.quota.count
        for label in labels("calls_per_client", own.calls):
            yield (client, label.text), label.quota.count
        if own.calls_per_day is not None:
            yield (client, CALLS_PER_DAY), own.calls_per_day
