"""Whether the telephone company can be reached, knows us, has been paid, and can be asked."""

import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from otpvoice.cli.doctor.connectivity import connectivity_finding
from otpvoice.cli.doctor.findings import Finding, advice, failure, ok, warning
from otpvoice.core.phone import mask_number
from otpvoice.core.verification import Route
from otpvoice.http_client.client import HttpClient
from otpvoice.http_client.proxy import parse_proxy
from otpvoice.providers.mobtexting.account import AccountStatus, fetch_balance, try_status_query
from otpvoice.settings import Settings

_LOW_CREDITS: Final = 100
"""Credits: a call costs about half of one, or one."""


def provider_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """As far as it can be known without a call."""
    provider = settings.provider
    todo = "correct provider.base_url, or let this machine out"
    if provider.proxy:
        todo = "correct provider.proxy or provider.base_url, or have the proxy allow it"
    found, reached = connectivity_finding(
        "provider address", provider.base_url, trusted, todo, provider.proxy
    )
    yield found
    if reached:
        http = HttpClient(connections=1, tls=trusted, proxy=parse_proxy(provider.proxy))
        account = fetch_balance(provider.base_url, provider.token, http)
        yield account_finding(account)
        if account.status == 200:
            yield from _check_status_queries(settings, http)
    yield _time_zone(provider.timezone)
    yield unverified_finding(settings)


def account_finding(account: AccountStatus) -> Finding:
    """What the answer to the question for the balance says."""
    subject, detail = "provider.token", account.detail
    if account.status == 200:
        return _balance(account)
    if account.status is None:
        todo = "correct provider.base_url: this is not the provider's API, or it is down"
        return failure("provider address", f"gives no answer that can be read ({detail})", todo)
    if account.status in {401, 403}:
        return failure(subject, f"is refused ({detail})", "correct provider.token")
    if account.status == 402:
        return failure("provider balance", f"there is no credit ({detail})", "top the account up")
    todo = "correct provider.base_url"
    return failure("provider address", f"answers strangely ({detail})", todo)


def _balance(account: AccountStatus) -> Finding:
    subject = "provider balance"
    try:
        left = float(account.credits or "")
    except ValueError:
        todo = "see in the provider's portal how much is left"
        return advice(subject, "the token is known; credits are not told readably", todo)
    found = f"the token is known, {account.credits} credits left"
    if left <= 0:
        return failure(subject, found, "top the account up: no call is taken")
    if left < _LOW_CREDITS:
        return warning(subject, found, "top the account up")
    return ok(subject, found)


def _check_status_queries(settings: Settings, http: HttpClient) -> Iterator[Finding]:
    """How a call ended is asked when no callback comes."""
    provider = settings.provider
    today = datetime.now(ZoneInfo(provider.timezone)).date()
    for route in provider.routes:
        subject = f"asking about {route}"
        account = try_status_query(provider.base_url, provider.token, route, today, http)
        if account.status == 200:
            yield ok(subject, "calls can be asked about where no callback comes")
        elif account.status == 404 and route is Route.OBD:
            found = f"an unknown call is {account.detail}: a known one may be told"
            yield advice(subject, found, _LIVE_REMEDY)
        else:
            found = f"calls can not be asked about ({account.detail})"
            todo = "have the token allowed to: without a callback, calls stay unknown"
            yield warning(subject, found, todo)


_LIVE_REMEDY: Final = "can not be known before a call: otpvoice doctor --live +91…"


def _time_zone(zone: str) -> Finding:
    now = datetime.now(ZoneInfo(zone))
    return ok("provider.timezone", f"{zone}, where it is {now:%H:%M} now")


def unverified_finding(settings: Settings) -> Finding:
    """What the provider tells nobody who does not call."""
    provider = settings.provider
    flows = ", ".join(dict.fromkeys(flow.id for flow in provider.flows.values()))
    webhook = "webhook_id" if provider.webhook_id else "the subscription of a webhook"
    bridge = mask_number(f"+{provider.bridge}")
    found = f"whether flow {flows}, bridge {bridge}, {webhook} and provider.timezone are right"
    return advice("before a call", found, _LIVE_REMEDY)
