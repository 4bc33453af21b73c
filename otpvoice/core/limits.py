"""The table of all limits. Settings, store functions, messages and reports are derived from it.

To add a limit, add a field with a :class:`Limit` to :class:`LimitSettings`, its Lua if it counts in
a new way, a line of ``config/otpvoice.toml`` and of ``docs/errors.md``, and tests.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, get_args

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


def _quotas(*texts: str) -> tuple[Quota, ...]:
    return tuple(parse_quota(text) for text in texts)


class Scope(StrEnum):
    """What a limit counts for."""

    NUMBER = "number"
    PREFIX = "prefix"
    ADDRESS = "address"
    CLIENT = "client"
    SERVICE = "service"
    VERIFICATION = "verification"


class Counting(StrEnum):
    """How the store counts for a limit, and what its windows are."""

    CALL_TIMES = "call_times"
    """Times of calls in the number's record: exact."""
    MEMBERS = "members"
    """A sorted set of distinct calls or numbers: exact."""
    COUNTER = "counter"
    """A counter with sixty buckets for each window."""
    RECORDS = "records"
    """Records that exist now: no window."""
    OUTCOMES = "outcomes"
    """Results of calls, for a circuit breaker."""
    TIME = "time"
    """A time until which calls are refused: nothing is counted."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that can refuse a request."""

    scope: Scope
    counting: Counting
    message: str
    """Why a request is refused, for the client."""
    released_by: str = ""
    """What releases capacity before the window ends."""


_UNSENT: Final = "a call that is never sent"
_UNSENT_OR_APPROVED: Final = f"{_UNSENT}, or an approval of the number"
_FAILED_OR_APPROVED: Final = f"{_UNSENT} unless its verification is canceled, or an approval"


class LimitSettings(Struct, frozen=True, kw_only=True):
    """The limits of ``[limits]`` with their defaults. An empty value is no limit."""

    calls_per_number: Annotated[
        tuple[Quota, ...],
        Limit(
            Scope.NUMBER,
            Counting.CALL_TIMES,
            "The number was called too often without an approval.",
            _UNSENT_OR_APPROVED,
        ),
    ] = _quotas("3/10m", "5/24h")
    all_calls_per_number: Annotated[
        tuple[Quota, ...],
        Limit(Scope.NUMBER, Counting.CALL_TIMES, "The number was called too often.", _UNSENT),
    ] = _quotas("20/24h")
    wrong_codes_per_number: Annotated[
        tuple[Quota, ...],
        Limit(
            Scope.NUMBER,
            Counting.COUNTER,
            "Too many wrong codes were submitted for the number.",
            "an approval of the number, if approval_clears_wrong_codes is true",
        ),
    ] = _quotas("15/1h", "50/24h")
    unverified_per_prefix: Annotated[
        tuple[Quota, ...],
        Limit(
            Scope.PREFIX,
            Counting.MEMBERS,
            "Too many numbers like this one were called without an approval.",
            _FAILED_OR_APPROVED,
        ),
    ] = _quotas("5/10m", "20/24h")
    calls_per_ip: Annotated[
        tuple[Quota, ...],
        Limit(
            Scope.ADDRESS,
            Counting.MEMBERS,
            "Too many calls were requested from this address without an approval.",
            _FAILED_OR_APPROVED,
        ),
    ] = _quotas("30/1h", "100/24h")
    calls_per_client: Annotated[
        tuple[Quota, ...],
        Limit(
            Scope.CLIENT,
            Counting.COUNTER,
            "This client requested too many calls in a short time.",
            _UNSENT,
        ),
    ] = _quotas("60/1m")
    calls_per_day: Annotated[
        int,
        Meta(ge=1),
        Limit(Scope.SERVICE, Counting.COUNTER, "The calls of this day are used up.", _UNSENT),
    ] = 10_000
    creates_per_ip: Annotated[
        tuple[Quota, ...],
        Limit(
            Scope.ADDRESS,
            Counting.COUNTER,
            "Too many verifications were created for this address.",
        ),
    ] = _quotas("60/1h")
    creates_per_client: Annotated[
        tuple[Quota, ...],
        Limit(Scope.CLIENT, Counting.COUNTER, "This client created too many verifications."),
    ] = _quotas("600/1m")
    pending_per_number: Annotated[
        int,
        Meta(ge=1, le=50),
        Limit(
            Scope.NUMBER,
            Counting.RECORDS,
            "Too many verifications of this number are pending, and calls were sent for all.",
            "the end of a verification",
        ),
    ] = 5
    attempts_per_verification: Annotated[
        int,
        Meta(ge=1, le=50),
        Limit(
            Scope.VERIFICATION,
            Counting.RECORDS,
            "This verification has used up its call attempts.",
        ),
    ] = 6
    conversion_breaker: Annotated[
        Ratio | None,
        Limit(
            Scope.PREFIX,
            Counting.OUTCOMES,
            "Too few of the calls to numbers like this one led to an approval.",
        ),
    ] = parse_ratio("15%/1h")
    wrong_code_breaker: Annotated[
        Ratio | None, Meta(description="It refuses nothing: new verifications have fewer checks.")
    ] = parse_ratio("60%/10m")
    approval_clears_wrong_codes: bool = False


def _limit_of(field: structs.FieldInfo) -> Limit | None:
    return next((each for each in get_args(field.type) if isinstance(each, Limit)), None)


LIMITS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        **{
            field.name: limit
            for field in structs.fields(LimitSettings)
            if (limit := _limit_of(field)) is not None
        },
        "call_gap": Limit(
            Scope.NUMBER,
            Counting.TIME,
            "The number was called moments ago, and the next call would come too late.",
            "an approval of the number",
        ),
        "block": Limit(
            Scope.NUMBER,
            Counting.TIME,
            "The operator has blocked calls to this number.",
            "otpvoice limits unblock",
        ),
    }
)
"""All limits by name. ``block`` has no setting, because operators set it for one number."""

WRONG_CODES: Final = "wrong_codes_per_number"
"""The only limit of checks. All others limit calls or creates."""
CALLS_PER_DAY: Final = "calls_per_day"


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits of one client. Calls also count for the limits of all clients."""

    calls: tuple[Quota, ...] = ()
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


@dataclass(frozen=True, slots=True)
class LabeledQuota:
    """A quota under the name that refusals, commands and the console show."""

    label: str
    quota: Quota


def labeled_quotas(setting: str, quotas: tuple[Quota, ...]) -> Iterator[LabeledQuota]:
    """Label each quota with the setting's name, and with its text if there are several."""
    for quota in quotas:
        yield LabeledQuota(setting if len(quotas) == 1 else f"{setting} {quota.text}", quota)


def setting_name(label: str) -> str:
    """Return the setting of a label: ``calls_per_number`` of ``calls_per_number 3/10m``."""
    return label.partition(" ")[0]


def limit_capacities(limits: CallLimits) -> Mapping[tuple[str | None, str], int]:
    """Return how much each limit allows, by client and label as the store reports them.

    The client is None for limits that all clients share.
    """
    capacities: dict[tuple[str | None, str], int] = {(None, CALLS_PER_DAY): limits.calls_per_day}
    for name, value in structs.asdict(limits).items():
        if isinstance(value, tuple):
            capacities |= {
                (None, each.label): each.quota.count for each in labeled_quotas(name, value)
            }
    for client, own in limits.clients.items():
        capacities[client, "pending_per_number"] = limits.pending_per_number
        for each in (
            *labeled_quotas("creates_per_client", limits.creates_per_client),
            *labeled_quotas("calls_per_client", own.calls),
        ):
            capacities[client, each.label] = each.quota.count
        if own.calls_per_day is not None:
            capacities[client, CALLS_PER_DAY] = own.calls_per_day
    return capacities
