"""What one real call shows about a provider's documentation, for ``otpvoice doctor --live``.

A kind of provider has a table of checks, each of which is a row of its page. The service works
whichever way a check turns out; a ``different`` one says how.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import CapturedResponse
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.exchange_capture import CapturedCallback


class CheckStatus(StrEnum):
    """What a call showed about one check."""

    CONFIRMED = "confirmed"
    DIFFERENT = "different"
    NOT_OBSERVED = "not observed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check and its outcome. Holds no number and no code."""

    name: str
    expectation: str
    status: CheckStatus
    observation: str


@dataclass(frozen=True, kw_only=True)
class CapturedEvidence:
    """Everything that a provider sent about one call."""

    query: CallQuery
    """Identifies the call, with its id in the reply as ``provider_id``."""
    status: CallStatus
    reply: CapturedResponse | None
    callback: CapturedCallback | None
    callback_at_ms: int | None
    query_responses: Sequence[CapturedResponse] = field(default=(), repr=False)
    """Responses to status queries after the call."""
    query_report: CallReport | None = None
    """The call that the status queries found."""
