"""How the service stands right now: what refuses, what waits, how far limits are used up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from otpvoice.core.limits import CallLimits, limit_capacities
from otpvoice.core.verification import Route
from otpvoice.store.admin import LimitUsage, Overview
from otpvoice.store.breaker_help import help_for
from otpvoice.store.models import Quarantine


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that refuses, or that somebody should look at."""

    refuses: bool
    title: str
    until_ms: int | None = None
    meaning: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """How far one limit is used up."""

    title: str
    used: int
    allowed: int | None
    """None for what does not count, as a block."""
    until_ms: int | None
    """Until when it refuses; None when it does not."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The whole service now."""

    overview: Overview
    alerts: tuple[Alert, ...]
    limits: tuple[LimitStatus, ...]
    max_live_calls: int
    """So many may be live."""

    @property
    def refused(self) -> dict[str, int]:
        """By limit, in the last hour; only those that refused."""
        return {setting: many for setting, many in self.overview.refused.items() if many}


def service_status(
    overview: Overview, limits: CallLimits, max_live_calls: int, routes: tuple[Route, ...]
) -> ServiceStatus:
    """What the store overlooks, beside what the settings allow."""
    used = tuple(limit_statuses(overview.limits, limits, overview.now))
    troubles = [
        *_unavailable_alerts(overview, routes),
        *_breaker_alerts(overview),
        *_exhausted_limit_alerts(used),
        *_queue_alerts(overview),
    ]
    troubles += _quarantine_alerts(overview.quarantine)
    troubles.sort(key=lambda each: not each.refuses)
    return ServiceStatus(overview, tuple(troubles), used, max_live_calls)


def limit_statuses(
    uses: Iterable[LimitUsage], limits: CallLimits, now_ms: int
) -> Iterator[LimitStatus]:
    """What the store counted beside what the settings allow."""
    allowed = limit_capacities(limits)
    for use in uses:
        title = f"{use.client}: {use.limit}" if use.client else use.limit
        until = use.blocked_until if use.blocked_until > now_ms else None
        yield LimitStatus(title, use.used, allowed.get((use.client, use.limit)), until)


def _unavailable_alerts(overview: Overview, routes: tuple[Route, ...]) -> Iterator[Alert]:
    if not overview.dialers:
        yield Alert(
            refuses=True,
            title="No dialer",
            meaning="None was heard of for 30 s: no call is dialed, and none is taken on.",
            remedy="Start one: otpvoice dialer, or otpvoice serve.",
        )
    for route in overview.closed_routes:
        yield Alert(
            refuses={*routes} <= {*overview.closed_routes},
            title=f"Route {route} is closed",
            meaning="The provider failed by it; one call tries it again within minutes.",
            remedy="route.closed in the dialer's log says why.",
        )


def _breaker_alerts(overview: Overview) -> Iterator[Alert]:
    for breaker in overview.open_breakers:
        found = help_for(breaker)
        yield Alert(
            found.blocks_calls, breaker.name, breaker.open_until, found.meaning, found.resolution
        )


def _exhausted_limit_alerts(used: Iterable[LimitStatus]) -> Iterator[Alert]:
    for each in used:
        if each.until_ms:
            told = f"{each.used} of {each.allowed} are used up: further calls are refused."
            yield Alert(refuses=True, title=each.title, until_ms=each.until_ms, meaning=told)


def _queue_alerts(overview: Overview) -> Iterator[Alert]:
    if overview.overdue_ms > 15_000:
        means = f"The oldest call that could be dialed has waited {overview.overdue_ms // 1000} s."
        to_do = "Over 60 s its client's creates are refused (over_capacity): start another dialer."
        yield Alert(refuses=False, title="The queue is behind", meaning=means, remedy=to_do)


def _quarantine_alerts(found: Quarantine) -> Iterator[Alert]:
    if found.quarantined:
        yield Alert(
            refuses=False,
            title=f"{found.quarantined} unreadable records were set aside in 15 minutes",
            meaning=f"The newest: {found.records[-1]}." if found.records else "",
            remedy="otpvoice doctor lists them. Find what else writes to this store.",
        )
    if found.undialable:
        yield Alert(
            refuses=False,
            title=f"{found.undialable} calls of the last 15 minutes could not be dialed",
            meaning=f"The newest: {found.calls[-1]}." if found.calls else "",
            remedy="Deploy the same settings to the API and all dialers.",
        )
