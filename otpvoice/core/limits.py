"""The table of all limits. Settings, store functions, messages and reports are derived from it.

To add a limit, add it to :class:`LimitSettings` and :data:`LIMITS`, its Lua if it counts in a new
way, a line to ``config/otpvoice.toml`` and ``docs/errors.md``, and tests.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, structs

DAY_MS: Final = 86_400_000
UNLIMITED: Final = sys.maxsize
"""A count that is never reached."""

_QUOTA: Final = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})([smhd])", re.ASCII)
_RATIO: Final = re.compile(r"([1-9][0-9]?|100)%/([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}


@dataclass(frozen=True, slots=True)
class Quota:
    """A count within a sliding window."""

    text: str
    """As in the settings: ``3/10m``."""
    count: int
    window_ms: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of the events within a sliding window."""

    text: str
    """As in the settings: ``15%/1h``."""
    percent: int
    window_ms: int


def parse_quota(text: str) -> Quota:
    """Parse ``3/10m``: three within ten minutes.

    Raises:
        ValueError: the text has another form.
    """
    match = _QUOTA.fullmatch(text)
    if not match:
        raise ValueError('must be "count/window" like "3/10m", units s, m, h or d')
    count, length, unit = match.groups()
    return Quota(text, int(count), int(length) * _UNITS_MS[unit])


def parse_ratio(text: str) -> Ratio | None:
    """Parse ``15%/1h``: fifteen percent within an hour. ``off`` is None.

    Raises:
        ValueError: the text has another form.
    """
    if text == "off":
        return None
    match = _RATIO.fullmatch(text)
    if not match:
        raise ValueError('must be "percent/window" like "15%/1h", or "off"')
    percent, length, unit = match.groups()
    return Ratio(text, int(percent), int(length) * _UNITS_MS[unit])


Quotas = tuple[Quota, ...]


def _quotas(*texts: str) -> Quotas:
    return tuple(parse_quota(text) for text in texts)


Breaker = Annotated[Ratio | None, Meta(description="None: off")]


class LimitSettings(Struct, frozen=True, kw_only=True):
    """The limits of ``[limits]`` with their defaults. An empty value is no limit."""

    calls_per_number: Quotas = _quotas("3/10m", "5/24h")
    all_calls_per_number: Quotas = _quotas("20/24h")
    wrong_codes_per_number: Quotas = _quotas("15/1h", "50/24h")
    unverified_per_prefix: Quotas = _quotas("5/10m", "20/24h")
    calls_per_ip: Quotas = _quotas("30/1h", "100/24h")
    calls_per_client: Quotas = _quotas("60/1m")
    calls_per_day: Annotated[int, Meta(ge=1)] = 10_000
    creates_per_ip: Quotas = _quotas("60/1h")
    creates_per_client: Quotas = _quotas("600/1m")
    pending_per_number: Annotated[int, Meta(ge=1, le=50)] = 5
    attempts_per_verification: Annotated[int, Meta(ge=1, le=50)] = 6
    conversion_breaker: Breaker = parse_ratio("15%/1h")
    wrong_code_breaker: Breaker = parse_ratio("60%/10m")
    """It refuses nothing: new verifications have fewer checks."""
    approval_clears_wrong_codes: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that can refuse a request."""

    scope: Literal["number", "prefix", "address", "client", "service", "verification"]
    counting: Literal["call times", "members", "counter", "records", "results", "end time"]
    """How the store counts: exactly by the times of calls or by the members of a sorted set; with
    a counter of sixty buckets a window; or without a window.
    """
    message: str
    """Why a request is refused, for the client."""
    released_by: str = ""
    """What releases capacity before the window ends."""


_UNSENT: Final = "a call that is never sent"
_UNSENT_OR_APPROVAL: Final = f"{_UNSENT}, or an approval of the number"
_UNCANCELED_OR_APPROVAL: Final = f"{_UNSENT} unless its verification is canceled, or an approval"

# fmt: off
LIMITS: Final[Mapping[str, Limit]] = MappingProxyType({
    "calls_per_number": Limit("number", "call times",
        "The number was called too often without an approval.", _UNSENT_OR_APPROVAL),
    "all_calls_per_number": Limit("number", "call times",
        "The number was called too often.", _UNSENT),
    "wrong_codes_per_number": Limit("number", "counter",
        "Too many wrong codes were submitted for the number.",
        "an approval of the number, if approval_clears_wrong_codes is true"),
    "unverified_per_prefix": Limit("prefix", "members",
        "Too many numbers like this one were called without an approval.", _UNCANCELED_OR_APPROVAL),
    "calls_per_ip": Limit("address", "members",
        "Too many calls were requested from this address without an approval.",
        _UNCANCELED_OR_APPROVAL),
    "calls_per_client": Limit("client", "counter",
        "This client requested too many calls in a short time.", _UNSENT),
    "calls_per_day": Limit("service", "counter",
        "The calls of this day are used up.", _UNSENT),
    "creates_per_ip": Limit("address", "counter",
        "Too many verifications were created for this address."),
    "creates_per_client": Limit("client", "counter",
        "This client created too many verifications."),
    "pending_per_number": Limit("number", "records",
        "Too many verifications of this number are pending, and calls were sent for all.",
        "the end of a verification"),
    "attempts_per_verification": Limit("verification", "records",
        "This verification has used up its call attempts."),
    "conversion_breaker": Limit("prefix", "results",
        "Too few of the calls to numbers like this one led to an approval."),
    "call_gap": Limit("number", "end time",
        "The number was called moments ago, and the next call would come too late.",
        "an approval of the number"),
    "block": Limit("number", "end time",
        "The operator has blocked calls to this number.", "otpvoice limits unblock"),
    "denial_block": Limit("number", "end time",
        "The person who answers this number denied having asked for a call, so it is not called "
        "for a while.", "otpvoice limits unblock"),
})
# fmt: on
"""All limits by name. ``block`` has no setting, because operators set it for one number."""

WRONG_CODES: Final = "wrong_codes_per_number"
"""The only limit of checks. All others limit calls or creates."""
CALLS_PER_DAY: Final = "calls_per_day"
DENIAL_BLOCK: Final = "denial_block"


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits of one client. Calls also count for the limits of all clients."""

    calls: Quotas = ()
    calls_per_day: int | None = None
    deliver_only: bool = False
    """The client checks codes itself and reports no approvals, so limits ignore approvals."""


class CallLimits(LimitSettings, frozen=True, kw_only=True):
    """The common limits and those of each client."""

    clients: Mapping[str, ClientLimits] = MappingProxyType({})


NO_LIMITS: Final = CallLimits(
    calls_per_number=(),
    all_calls_per_number=(),
    wrong_codes_per_number=(),
    unverified_per_prefix=(),
    calls_per_ip=(),
    calls_per_client=(),
    calls_per_day=UNLIMITED,
    creates_per_ip=(),
    creates_per_client=(),
    pending_per_number=UNLIMITED,
    attempts_per_verification=UNLIMITED,
    conversion_breaker=None,
    wrong_code_breaker=None,
)


def labeled_quotas(setting: str, quotas: Quotas) -> dict[str, Quota]:
    """Return quotas by the labels that refusals, commands and the console show.

    A label is the setting's name, followed by the quota's text if there are several.
    """
    if len(quotas) == 1:
        return {setting: quotas[0]}
    return {f"{setting} {quota.text}": quota for quota in quotas}


def setting_name(label: str) -> str:
    """Return the setting of a label: ``calls_per_number`` of ``calls_per_number 3/10m``."""
    return label.partition(" ")[0]


def limits_of(*scopes: str) -> list[str]:
    """Return the names of the limits that count for these scopes."""
    return [name for name, limit in LIMITS.items() if limit.scope in scopes]


def longest_window_ms(limits: LimitSettings, names: Iterable[str]) -> int:
    """Return the longest window of these limits, at least a day."""
    values: Iterator[object] = (getattr(limits, name, None) for name in names)
    quotas = (quota for value in values if isinstance(value, tuple) for quota in value)
    windows: list[int] = [quota.window_ms for quota in quotas]
    return max([DAY_MS, *windows])


class LimitStatus(Struct, frozen=True):
    """One limit: how much is used and allowed, and until when it refuses."""

    client: str | None
    """The client whose limit it is. None for limits of numbers and of the whole service."""
    limit: str
    used: int
    allowed: int | None
    """None for what does not count, such as a block."""
    until_ms: int
    """The end of the refusal. 0 while the limit does not refuse."""

    @property
    def title(self) -> str:
        """``login: calls_per_client`` for a client's limit, the limit alone for the others."""
        return f"{self.client}: {self.limit}" if self.client else self.limit

    @property
    def count(self) -> str:
        """``3/5``, or ``-`` for what does not count."""
        return "-" if self.allowed is None else f"{self.used}/{self.allowed}"


def limit_capacities(limits: CallLimits) -> Mapping[tuple[str | None, str], int]:
    """Return how much each limit allows, by client and label as the store reports them.

    The client is None for limits that all clients share.
    """
    capacities: dict[tuple[str | None, str], int] = {(None, CALLS_PER_DAY): limits.calls_per_day}

    def add(client: str | None, setting: str, quotas: Quotas) -> None:
        for label, quota in labeled_quotas(setting, quotas).items():
            capacities[client, label] = quota.count

    for setting, value in structs.asdict(limits).items():
        if isinstance(value, tuple):
            add(None, setting, value)
    for client, own in limits.clients.items():
        capacities[client, "pending_per_number"] = limits.pending_per_number
        add(client, "creates_per_client", limits.creates_per_client)
        add(client, "calls_per_client", own.calls)
        if own.calls_per_day is not None:
            capacities[client, CALLS_PER_DAY] = own.calls_per_day
    return capacities
