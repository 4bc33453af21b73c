"""Limits: who may be called how often, as they are written and as the store is told of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_QUOTA: Final = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})([smhd])", re.ASCII)
_RATIO: Final = re.compile(r"([1-9][0-9]?|100)%/([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DAY: Final = 86_400_000
"""Milliseconds."""

LIMITS: Final = (
    "calls_per_number", "all_calls_per_number", "wrong_codes_per_number", "unverified_per_prefix",
    "calls_per_ip", "calls_per_client", "calls_per_day", "conversion_breaker", "call_gap", "block",
)  # fmt: skip
"""Everything that refuses for a while, by the setting's name; a block is an operator's word."""

WRONG_CODES: Final = "wrong_codes_per_number"
"""The one limit of guesses; the others are of calls."""


@dataclass(frozen=True, slots=True)
class Quota:
    """So many within a window that slides."""

    name: str
    """As it was written: ``3/10m``."""
    count: int
    window: int
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of what happened within a window that slides."""

    name: str
    """As it was written: ``15%/1h``."""
    percent: int
    window: int
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
    clients: Mapping[str, ClientLimits] = field(default_factory=dict)
    conversion_breaker: Ratio | None = None
    """Fewer of the answered approved: the area is refused."""
    wrong_code_breaker: Ratio | None = None
    """More of the checks wrong: new verifications have fewer checks."""


@dataclass(frozen=True, slots=True)
class Label:
    """A limit as refusals name it, and its quota."""

    text: str
    quota: Quota


def labels(setting: str, quotas: tuple[Quota, ...]) -> Iterator[Label]:
    """Each quota under the setting's name, with its window where there are several."""
    for quota in quotas:
        yield Label(setting if len(quotas) == 1 else f"{setting} {quota.name}", quota)


def setting_of(label: str) -> str:
    """The setting behind a label: ``calls_per_number 3/10m`` → ``calls_per_number``."""
    return label.partition(" ")[0]
