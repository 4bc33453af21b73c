"""Every number and table that the functions decide by, rendered as the Lua table ``POLICY``.

The functions compare and set. What they compare with stands here, in :mod:`otpvoice.core.limits`
and in :mod:`otpvoice.core.verification`. Names that end in ``_ms`` are milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from msgspec import structs

from otpvoice.core.limits import (
    CALLS_PER_DAY,
    DAY_MS,
    LIMITS,
    NO_LIMITS,
    UNLIMITED,
    CallLimits,
    LimitSettings,
    Quota,
    Ratio,
    labeled_quotas,
    limits_of,
    longest_window_ms,
)
from otpvoice.core.lines import CallerLines, all_bridges
from otpvoice.core.speech import DENIAL_KEY
from otpvoice.core.verification import CALL_TRANSITIONS, MAX_DECLINES, CallStatus, RedialReason
from otpvoice.store import SCHEMAS, SHOWN_CALL_FIELDS, SHOWN_FIELDS

_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000

LEASE_MS: Final = 20_000
"""Length of a claim: longer than all of a dialer's deadlines together."""
EVENT_LEASE_MS: Final = 20_000
"""Length of a delivery attempt: longer than the deadlines of its request."""
CAPTURE_TTL_MS: Final = 15 * _MINUTE_MS
"""How long the captured exchanges of a live test call are kept."""
LINE_PROBE_PERCENT: Final = 5
"""The share of calls that all weak caller lines of a client get together."""
STATS_BUCKET_MS: Final = 5 * _MINUTE_MS
NEWEST_MAX: Final = 10_000
"""How many of the newest verifications operators can list."""
ANSWER_BOUNDS_S: Final = (5, 10, 15, 20, 30, 45, 60)
"""Upper bounds of the slots for the time from sending a call to its answer."""
APPROVAL_BOUNDS_S: Final = (15, 30, 45, 60, 90, 120, 180, 300)
"""Upper bounds of the slots for the time from create to approval."""

_CONSTANTS: Final[Mapping[str, object]] = MappingProxyType(
    {
        "call_transitions": CALL_TRANSITIONS,
        # Only a call that was never sent may get these, or one that its provider canceled.
        "unsent_only_statuses": {CallStatus.QUEUED, CallStatus.CANCELED, CallStatus.EXPIRED},
        "max_declines": MAX_DECLINES,
        "declines_window_ms": _HOUR_MS,
        "denial_key": DENIAL_KEY,
        # The clock
        "clock_write_interval_ms": _SECOND_MS,
        "clock_ttl_ms": DAY_MS,
        # Dialers run functions every second: a longer step means that the clock was set forward.
        "clock_max_step_ms": 5 * _SECOND_MS,
        # The lead over the server's clock shrinks by the passed time divided by this.
        "clock_lead_divisor": 10,
        # Dialing
        "lease_ms": LEASE_MS,
        # A dialer without a heartbeat for this long does not count as running.
        "dialer_liveness_ms": 30 * _SECOND_MS,
        # A dialable call that has waited this long shows that the service is over capacity.
        "queue_overdue_ms": _MINUTE_MS,
        # A claim may come later than a call may be queued for, and still leave time to ring.
        "claim_slack_ms": 15 * _SECOND_MS,
        # Many postponed calls or clients must not keep the server busy: the next claim continues.
        "claim_max_candidates": 50,
        "sweep_max_records": 100,
        "wake_max_tokens": 100,
        "wake_ttl_ms": _MINUTE_MS,
        "waiting_for_route_ttl_ms": 10 * _MINUTE_MS,
        "client_queue_ttl_ms": _HOUR_MS,
        # A lock outlives its call, because keys expire by the server's clock, which may be ahead.
        "number_lock_ttl_ms": DAY_MS,
        # Routes: each closing lasts twice as long as the one before, up to the longest.
        # Consecutive requests, over different numbers, whose failure closes a route.
        "route_max_failures": 5,
        "route_pause_ms": 10 * _SECOND_MS,
        "route_max_pause_ms": _MINUTE_MS,
        "route_state_ttl_ms": _HOUR_MS,
        # Caller lines: an answer rate is that of about this many calls, and means nothing before
        # the best line would have had this many of them answered. A line with fewer than this
        # percentage of the best line's answers is weak; all weak lines get this share of the calls.
        "line_memory": 100,
        "line_min_answered": 15,
        "line_weak_percent": 60,
        "line_probe_percent": LINE_PROBE_PERCENT,
        "line_ttl_ms": 7 * DAY_MS,
        # Call reports
        "first_status_query_ms": 3 * _SECOND_MS,
        # Time between two status queries for one call.
        "status_query_interval_ms": 15 * _SECOND_MS,
        # Requests that cancel one call at its provider.
        "max_cancels": 3,
        # How far the start that a provider reports may differ from ours.
        "start_slack_ms": 2 * _MINUTE_MS,
        "callback_memory_ms": DAY_MS,
        # The provider's reply, which names the id, is recorded within seconds of the request.
        "early_report_ttl_ms": _MINUTE_MS,
        "capture_ttl_ms": CAPTURE_TTL_MS,
        "capture_max_exchanges": 20,
        # Records
        "gap_memory_ms": DAY_MS,
        # An ended verification without a call and without an approval is kept this long only, so
        # that endless creates do not fill the memory.
        "unused_retention_ms": _HOUR_MS,
        "number_max_ended": 20,
        "idempotency_ttl_ms": DAY_MS,
        # A client that requests nothing new with ever new keys must not fill the memory.
        "idempotency_max_per_verification": 100,
        "refusal_ttl_ms": DAY_MS,
        # Refused numbers without a record must not fill the memory while all are tried.
        "refusal_max_unknown_numbers": 10_000,
        "quarantine_ttl_ms": 7 * DAY_MS,
        "quarantine_max_entries": 1_000,
        "quarantine_max_texts": 100,
        "quarantine_recent_ms": 15 * _MINUTE_MS,
        "quarantine_max_reported": 10,
        "audit_ttl_ms": 7 * DAY_MS,
        "audit_max_entries": 1_000,
        "audit_batch": 100,
        # Delivery of events
        "event_lease_ms": EVENT_LEASE_MS,
        "event_ttl_ms": DAY_MS,
        "event_max_pending": 10_000,
        "silent_events": {"call.queued", "call.dialing"},
        # Redis's default for the longest value in a hash with the compact encoding.
        "max_compact_length": 64,
        # Counting
        "counter_buckets": 60,
        "conversion_min_ended": 20,
        "conversion_open_ms": 30 * _MINUTE_MS,
        "wrong_code_min_checks": 200,
        # While the wrong-code breaker is open, new verifications start with this many checks.
        "wrong_code_checks": 3,
        # Statistics
        "stats_bucket_ms": STATS_BUCKET_MS,
        "stats_ttl_ms": 26 * _HOUR_MS,
        # The list of the newest verifications, for operators: 34 bytes for each.
        "newest_max": NEWEST_MAX,
        "newest_ttl_ms": 7 * DAY_MS,
        # 64 areas with all their fields; further areas count as "other".
        "stats_max_area_fields": 256,
        "answer_bounds_s": ANSWER_BOUNDS_S,
        "approval_bounds_s": APPROVAL_BOUNDS_S,
        "records": SCHEMAS,
        "shown_fields": SHOWN_FIELDS,
        "shown_call_fields": SHOWN_CALL_FIELDS,
    }
)


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """What the settings decide for the functions. No request carries it."""

    routes: tuple[str, ...] = ("obd", "c2c")
    """In the order in which they are tried."""
    route_regions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The regions that a route is limited to, by its name."""
    client_lines: Mapping[str, CallerLines] = field(default_factory=dict)
    """The lines of each client that has several."""
    route_lines: Mapping[str, CallerLines] = field(default_factory=dict)
    """The lines of each route that has its own."""
    max_redials: int = 0
    """Further calls of a verification after one that did not reach the person."""
    redial_after: frozenset[RedialReason] = frozenset(RedialReason)
    """The ends of a call that a redial follows."""
    callback_timeout_ms: int = 60_000
    """Time from placing a call to the first status query."""
    retention_ms: int = 7 * DAY_MS
    """How long a provider's id of a call is known. A verification has a retention of its own."""
    denial_block_ms: int = _HOUR_MS
    """How long a number is not called after a denial; 0: it is not blocked."""
    limits: CallLimits = NO_LIMITS
    clients_with_events: frozenset[str] = frozenset()
    """Clients of ``limits`` that receive events."""

    @property
    def sibling_lines(self) -> list[str]:
        """The caller lines that have others with them."""
        lines = (*self.client_lines.values(), *self.route_lines.values())
        return all_bridges(each for each in lines if len(each.bridges) > 1)

    def render_lua(self) -> str:
        """Return the Lua text that defines ``POLICY``.

        A quota is ``{label, count, window_ms}``. A quota of a client or of the whole service also
        has the ``name`` of its counter. A breaker is ``{percent, window_ms}`` or false.
        """
        names = [field.name for field in structs.fields(LimitSettings)]
        policy = {
            **{name: _limit(name, getattr(self.limits, name)) for name in names},
            "routes": self.routes,
            "route_regions": self.route_regions,
            "client_lines": {name: _lines(each) for name, each in self.client_lines.items()},
            "route_lines": {name: _lines(each) for name, each in self.route_lines.items()},
            "max_redials": self.max_redials,
            "redial_after": self.redial_after,
            "callback_timeout_ms": self.callback_timeout_ms,
            "retention_ms": self.retention_ms,
            "denial_block_ms": self.denial_block_ms,
            "call_memory_ms": _call_memory_ms(self.limits),
            "every_client": _counters("day", _daily(self.limits.calls_per_day)),
            "limit_names": [*LIMITS],
            "clients": {name: self._client(name) for name in self.limits.clients},
        }
        return f"local POLICY = {{ {_constants()}, {_members(policy)} }}\n"

    def _client(self, name: str) -> dict[str, object]:
        limits = self.limits.clients[name]
        calls = labeled_quotas("calls_per_client", limits.calls)
        return {
            "counters": [
                *_counters(f"client {name}", calls),
                *_counters(f"day of client {name}", _daily(limits.calls_per_day)),
            ],
            "deliver_only": limits.deliver_only,
            "has_events": name in self.clients_with_events,
        }


def _lines(lines: CallerLines) -> dict[str, object]:
    return {
        "all": lines.bridges,
        "regions": lines.by_region(),
        "caller_id": lines.caller_id or None,
    }


def to_lua(value: object) -> str:
    """Render a value as a Lua literal; None as false, a set as ``{member = true}``.

    Raises:
        TypeError: the value has no form in Lua.
    """
    match value:
        case None | bool():
            text = str(bool(value)).lower()
        case int():
            text = str(value)
        case str():
            text = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case Ratio(_, percent, window_ms):
            text = to_lua({"percent": percent, "window_ms": window_ms})
        case Mapping():
            text = f"{{ {_members(value)} }}"
        case set() | frozenset():
            text = to_lua({str(each): True for each in sorted(value)})
        case list() | tuple():
            text = "{ " + ", ".join(map(to_lua, value)) + " }"
        case _:
            raise TypeError(f"{type(value).__name__} has no form in Lua")
    return text


def _members(values: Mapping[Any, object]) -> str:
    return ", ".join(f"[{to_lua(str(key))}] = {to_lua(each)}" for key, each in values.items())


@cache
def _constants() -> str:
    return _members(_CONSTANTS)


def _limit(name: str, value: object) -> object:
    return _labeled(labeled_quotas(name, value)) if isinstance(value, tuple) else value


def _labeled(quotas: Mapping[str, Quota]) -> list[dict[str, object]]:
    return [
        {"label": label, "count": quota.count, "window_ms": quota.window_ms}
        for label, quota in quotas.items()
    ]


def _counters(name: str, quotas: Mapping[str, Quota]) -> list[dict[str, object]]:
    return [{"name": name, **quota} for quota in _labeled(quotas)]


def _call_memory_ms(limits: CallLimits) -> int:
    """Return how long a number's calls are remembered."""
    names = limits_of("number", "prefix")
    exact = (name for name in names if LIMITS[name].counting in {"call times", "members"})
    return longest_window_ms(limits, exact)


def _daily(count: int | None) -> dict[str, Quota]:
    if count is None or count == UNLIMITED:
        return {}
    return {CALLS_PER_DAY: Quota("", count, DAY_MS)}
