"""The status of the service: alerts about what refuses calls or needs attention."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from otpvoice.core.verification import Route
from otpvoice.store.admin import Breaker, Overview
from otpvoice.store.models import Quarantine

_QUEUE_LATE_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that refuses calls, or that an operator should look at."""

    refuses: bool
    """Whether calls are refused. If not, the alert is a warning."""
    meaning: str
    title: str = ""
    remedy: str = ""
    until_ms: int | None = None


_BREAKERS: Final = MappingProxyType(
    {
        "conversion_breaker area": Alert(
            refuses=True,
            meaning="Numbers with this prefix are refused: few answered calls led to an approval.",
            remedy="If people there need codes, clear the breaker with any of their numbers: "
            "otpvoice limits clear +91… Otherwise add the prefix to limits.deny_prefixes.",
        ),
        "conversion_breaker region": Alert(
            refuses=False,
            meaning="Few answered calls in this region led to an approval. No call is refused.",
            remedy="Run otpvoice verify and check that the code is spoken in full. If you have no "
            "users in the region, remove it from limits.regions.",
        ),
        "conversion_breaker client": Alert(
            refuses=False,
            meaning="Few answered calls for this client led to an approval. No call is refused.",
            remedy="Ask the client's operator what changed. Set deliver_only if the client checks "
            "codes itself and reports no result.",
        ),
        "wrong_code_breaker": Alert(
            refuses=False,
            meaning="Most submitted codes are wrong. New verifications get 3 checks.",
            remedy="Codes may be guessed. Find the client in the log: verification.checked with "
            "valid false. Have that client limit its users' requests.",
        ),
    }
)
"""By setting and scope. An open breaker adds its name and its end."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The whole service now: the store's overview and the alerts."""

    overview: Overview
    alerts: tuple[Alert, ...]
    """Those that refuse calls first."""
    breakers: tuple[Alert, ...]
    """The alerts for open circuit breakers."""
    unavailable: tuple[str, ...]
    """Reasons why every call is refused."""
    max_live_calls: int

    @property
    def refused(self) -> dict[str, int]:
        """Refusals in the last hour, by limit, without zeros."""
        return {limit: count for limit, count in self.overview.refused.items() if count}


def service_status(
    overview: Overview, max_live_calls: int, routes: tuple[Route, ...]
) -> ServiceStatus:
    """Combine the store's overview with the settings."""
    all_closed = {*routes} <= {*overview.closed_routes}
    unavailable = {
        "no dialer is running": not overview.dialers,
        "all routes are closed": all_closed,
    }
    breakers = tuple(_breaker_alert(breaker) for breaker in overview.open_breakers)
    alerts = [*_call_alerts(overview, all_closed=all_closed), *breakers]
    alerts += _record_alerts(overview.quarantine)
    alerts.sort(key=lambda each: not each.refuses)
    reasons = tuple(reason for reason, is_so in unavailable.items() if is_so)
    return ServiceStatus(overview, tuple(alerts), breakers, reasons, max_live_calls)


def _breaker_alert(breaker: Breaker) -> Alert:
    alert = _BREAKERS[" ".join(breaker.name.split()[:2])]
    return replace(alert, title=breaker.name, until_ms=breaker.open_until)


def _call_alerts(overview: Overview, *, all_closed: bool) -> Iterator[Alert]:
    if not overview.dialers:
        yield Alert(
            refuses=True,
            title="No dialer is running",
            meaning="No dialer has sent a heartbeat for 30 s, so calls are refused.",
            remedy="Start one: otpvoice dialer, or otpvoice serve.",
        )
    for route in overview.closed_routes:
        yield Alert(
            refuses=all_closed,
            title=f"Route {route} is closed",
            meaning="Calls by this route failed. One call probes it again within a minute.",
            remedy="Find the cause in route.closed in the dialer's log.",
        )
    for limit in overview.limits:
        if limit.until_ms:
            meaning = f"{limit.used} of {limit.allowed} are used, so further calls are refused."
            yield Alert(refuses=True, title=limit.title, meaning=meaning, until_ms=limit.until_ms)
    if overview.overdue_ms > _QUEUE_LATE_MS:
        yield Alert(
            refuses=False,
            title="The queue is late",
            meaning=f"The oldest call that is ready has waited {overview.overdue_ms // 1000} s.",
            remedy="After 60 s, creates of its client are refused (over_capacity). Start another "
            "dialer.",
        )


def _record_alerts(quarantine: Quarantine) -> Iterator[Alert]:
    if quarantine.quarantined:
        yield Alert(
            refuses=False,
            title=f"{quarantine.quarantined} unreadable records were quarantined in 15 minutes",
            meaning=f"The newest: {quarantine.records[-1]}." if quarantine.records else "",
            remedy="List them with otpvoice doctor, and find what else writes to this store.",
        )
    if quarantine.undialable:
        yield Alert(
            refuses=False,
            title=f"{quarantine.undialable} calls could not be dialed in 15 minutes",
            meaning=f"The newest: {quarantine.calls[-1]}." if quarantine.calls else "",
            remedy="Deploy the same settings to the API and to all dialers.",
        )
