"""Limits: who may be called how often, as they are written and as the store is told of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_QUOTA: Final = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})([smhd])", re.ASCII)
_RATIO: Final = re.compile(r"([1-9][0-9]?|100)%/([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DAY_MS: Final = 86_400_000
"""Milliseconds."""

LIMIT_MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "calls_per_number": "The number was called too often without an approval.",
        "all_calls_per_number": "The number was called too often.",
        "wrong_codes_per_number": "Too many wrong codes were handed in for the number.",
        "unverified_per_prefix": "Too many numbers like this one were called without an approval.",
        "calls_per_ip": "Too many calls were asked for from this address without an approval.",
        "calls_per_client": "This client asked for too many calls in so short a time.",
        "calls_per_day": "The day's calls are used up.",
        "creates_per_ip": "Too many verifications were created for this address.",
        "creates_per_client": "This client created too many verifications.",
        "pending_per_number": (
            "Too many verifications of this number are pending. Calls were sent for all of them."
        ),
        "attempts_per_verification": "This verification has used up its call attempts.",
        "conversion_breaker": "Too few of the calls to numbers like this one led to an approval.",
        "call_gap": "The number was called moments ago, and the next call would come too late.",
        "block": "The number is not called, at the wish of who answers there.",
    }
)
"""Each limit that refuses for a while, by its setting's name, with the text of its refusal.

``block`` has no setting: operators set it."""

WRONG_CODES: Final = "wrong_codes_per_number"
"""The one limit of guesses; the others are of calls."""


@dataclass(frozen=True, slots=True)
class Quota:
    """So many within a window that slides."""

    text: str
    """As it was written: ``3/10m``."""
    count: int
    window_ms: int
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of what happened within a window that slides."""

    text: str
    """As it was written: ``15%/1h``."""
    percent: int
    window_ms: int
    """Milliseconds."""


def parse_quota(text: str) -> Quota:
    """``"3/10m"``: three within ten minutes; units are s, m, h and d.

    Raises:
        ValueError: not written so.
    """
    found = _QUOTA.fullmatch(text)
    if not found:
        raise ValueError('must be "count/window" like "3/10m", units s, m, h or d')
    count, length, unit = found.groups()
    return Quota(text, int(count), int(length) * _UNITS[unit])


def parse_ratio(text: str) -> Ratio | None:
    """``"15%/1h"``: fifteen percent within an hour; ``"off"``: None.

    Raises:
        ValueError: not written so.
    """
    if text == "off":
        return None
    found = _RATIO.fullmatch(text)
    if not found:
        raise ValueError('must be "percent/window" like "15%/1h", or "off"')
    percent, length, unit = found.groups()
    return Ratio(text, int(percent), int(length) * _UNITS[unit])


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What one client's calls count in besides the limits of numbers and addresses."""

    calls: tuple[Quota, ...] = ()
    calls_per_day: int | None = None
    """Its own, within that of the whole service."""
    deliver_only: bool = False
    """Checks codes itself and reports nothing, so that no approval is ever known."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Every limit of calls and of guesses. What is empty or None does not limit."""

    calls_per_number: tuple[Quota, ...] = ()
    """Without an approval."""
    all_calls_per_number: tuple[Quota, ...] = ()
    wrong_codes_per_number: tuple[Quota, ...] = ()
    approval_clears_wrong_codes: bool = False
    unverified_per_prefix: tuple[Quota, ...] = ()
    """Distinct numbers without an approval."""
    calls_per_ip: tuple[Quota, ...] = ()
    """Without an approval."""
    calls_per_day: int | None = None
    creates_per_ip: tuple[Quota, ...] = ()
    creates_per_client: tuple[Quota, ...] = ()
    """Verifications that begin, whatever becomes of them; the same for each client."""
    pending_per_number: int | None = None
    """Of one client."""
    attempts_per_verification: int | None = None
    """Call records of one verification, refused ones and next routes included."""
    clients: Mapping[str, ClientLimits] = field(default_factory=dict)
    conversion_breaker: Ratio | None = None
    """Fewer of the answered approved: the area is refused."""
    wrong_code_breaker: Ratio | None = None
    """More of the checks wrong: new verifications have fewer checks."""


@dataclass(frozen=True, slots=True)
class LabeledQuota:
    """A limit as refusals name it, and its quota."""

    label: str
    quota: Quota


def labeled_quotas(setting: str, quotas: tuple[Quota, ...]) -> Iterator[LabeledQuota]:
    """Each quota under the setting's name, with its window where there are several."""
    for quota in quotas:
        yield LabeledQuota(setting if len(quotas) == 1 else f"{setting} {quota.text}", quota)


def setting_name(label: str) -> str:
    """The setting behind a label: ``calls_per_number 3/10m`` → ``calls_per_number``."""
    return label.partition(" ")[0]


CALLS_PER_DAY: Final = "calls_per_day"
"""Of a client, or of the whole service."""
_NUMBER_LIMITS: Final = (
    "calls_per_number",
    "all_calls_per_number",
    "wrong_codes_per_number",
    "unverified_per_prefix",
)


def limit_capacities(limits: CallLimits) -> Iterator[tuple[tuple[str | None, str], int]]:
    """Whose limit and its label, as the store names them, and how much it allows.

    None for whom: it is a number's, or the whole service's.
    """
    for setting in _NUMBER_LIMITS:
        for label in labeled_quotas(setting, getattr(limits, setting)):
            yield (None, label.label), label.quota.count
    if limits.calls_per_day is not None:
        yield (None, CALLS_PER_DAY), limits.calls_per_day
    for client, own in limits.clients.items():
        if limits.pending_per_number is not None:
            yield (client, "pending_per_number"), limits.pending_per_number
        for label in labeled_quotas("creates_per_client", limits.creates_per_client):
            yield (client, label.label), label.quota.count
        for label in labeled_quotas("calls_per_client", own.calls):
            yield (client, label.label), label.quota.count
        if own.calls_per_day is not None:
            yield (client, CALLS_PER_DAY), own.calls_per_day
