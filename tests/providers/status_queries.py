"""Status queries of Mobtexting with scripted responses."""

from zoneinfo import ZoneInfo

from providers.samples import INDIA

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.mobtexting.callback import CallbackFormat
from otpvoice.providers.mobtexting.queries import fetch_report


def fetch(query: CallQuery, *bodies: bytes, zone: ZoneInfo = INDIA) -> CallReport | None:
    """Search these bodies, one for each request; further ones are empty."""
    left = iter(bodies)
    return fetch_report(query, lambda _: HttpResponse(200, next(left, b"")), CallbackFormat(zone))


def status_of(report: CallReport | None) -> CallStatus | None:
    """Return the status, if there is a report."""
    return report.status if report else None
