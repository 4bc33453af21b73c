"""Checks of the provider and of the webhook that receives its callbacks. Places no call."""

import ssl
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from otpvoice.cli.doctor.connectivity import LOOPBACK, connectivity_finding
from otpvoice.cli.doctor.findings import Finding, advice, failure, ok, warning
from otpvoice.core.phone import mask_number
from otpvoice.core.verification import Route
from otpvoice.http_client import Deadlines, HttpClient, RequestFailed, parse_proxy
from otpvoice.providers.message_body import decode_object
from otpvoice.providers.mobtexting.queries import AccountStatus, fetch_balance, try_status_query
from otpvoice.settings import Settings

_LOW_CREDITS: Final = 100
"""A call costs about half a credit, or one."""
_WEBHOOK_TIMEOUT_S: Final = 5.0
_LIVE_REMEDY: Final = "cannot be verified without a call: otpvoice doctor --live +91…"


def provider_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield what can be verified without a call: address, token, credit and status queries."""
    provider = settings.provider
    todo = "correct provider.base_url, or allow this machine to connect"
    if provider.proxy:
        todo = "correct provider.proxy or provider.base_url, or have the proxy allow it"
    finding, is_reached = connectivity_finding(
        "provider address", provider.base_url, trusted, todo, provider.proxy
    )
    yield finding
    if is_reached:
        http = HttpClient(connections=1, tls=trusted, proxy=parse_proxy(provider.proxy))
        account = fetch_balance(provider.base_url, provider.token, http)
        yield account_finding(account)
        if account.status == 200:
            yield from _check_status_queries(settings, http)
    now = datetime.now(ZoneInfo(provider.timezone))
    yield ok("provider.timezone", f"{provider.timezone}, where it is {now:%H:%M}")
    yield _unverified_finding(settings)


def account_finding(account: AccountStatus) -> Finding:
    """Return the finding for the response to a balance query."""
    detail = account.detail
    if account.status == 200:
        return _balance_finding(account)
    if account.status is None:
        todo = "correct provider.base_url: this is not the provider's API, or it is down"
        return failure("provider address", f"sends no valid response ({detail})", todo)
    if account.status in {401, 403}:
        return failure("provider.token", f"is refused ({detail})", "correct provider.token")
    if account.status == 402:
        return failure("provider balance", f"there is no credit ({detail})", "top up the account")
    todo = "correct provider.base_url"
    return failure("provider address", f"sends an unexpected response ({detail})", todo)


def _balance_finding(account: AccountStatus) -> Finding:
    subject = "provider balance"
    try:
        left = float(account.credits or "")
    except ValueError:
        found = "the token is accepted; the response has no credits"
        return advice(subject, found, "see the remaining credits in the provider's portal")
    found = f"the token is accepted, {account.credits} credits left"
    if left <= 0:
        return failure(subject, found, "top up the account: every call is refused")
    if left < _LOW_CREDITS:
        return warning(subject, found, "top up the account")
    return ok(subject, found)


def _check_status_queries(settings: Settings, http: HttpClient) -> Iterator[Finding]:
    """Yield whether calls without a callback can be queried."""
    provider = settings.provider
    today = datetime.now(ZoneInfo(provider.timezone)).date()
    for route in provider.routes:
        subject = f"status query {route}"
        account = try_status_query(provider.base_url, provider.token, route, today, http)
        if account.status == 200:
            yield ok(subject, "calls without a callback can be queried")
        elif account.status == 404 and route is Route.OBD:
            found = f"an unknown call returns {account.detail}; a known call may be found"
            yield advice(subject, found, _LIVE_REMEDY)
        else:
            found = f"calls cannot be queried ({account.detail})"
            todo = "have the token allow it: without a callback, calls stay unknown"
            yield warning(subject, found, todo)


def _unverified_finding(settings: Settings) -> Finding:
    """Return the advice about settings that only a real call can verify."""
    provider = settings.provider
    flows = ", ".join(dict.fromkeys(flow.id for flow in provider.flows.values()))
    webhook = "webhook_id" if provider.webhook_id else "the webhook subscription"
    bridge = mask_number(f"+{provider.bridge}")
    found = f"whether flow {flows}, bridge {bridge}, {webhook} and provider.timezone are right"
    return advice("before a call", found, _LIVE_REMEDY)


def webhook_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield whether callbacks reach this service at its public address, with its secrets.

    The messages that are sent report nothing: the first has no secret, the others no content.
    """
    public_url = settings.server.public_url
    todo = "correct DNS, firewall, certificate or public_url: callbacks and clients use it"
    finding, is_reached = connectivity_finding("public address", public_url, trusted, todo)
    yield finding
    if not is_reached:
        return
    http = HttpClient(connections=1, tls=trusted)
    url = f"{public_url}/webhooks/{settings.provider.name}"
    subject = "webhook address"
    status, other = _post(http, url, {})
    if status is None:
        todo = "route server.public_url to otpvoice api, path and headers unchanged"
        yield failure(subject, other, todo)
    elif status != 401:
        found = f"this service responds with HTTP {status}, not 401"
        yield failure(subject, found, "run otpvoice api with these settings")
    else:
        yield ok(subject, "this service responds, and refuses unauthenticated callbacks")
        parts = urlsplit(public_url)
        if parts.scheme == "https" or parts.hostname in LOOPBACK:
            yield from _webhook_secret_findings(settings, http, url)
        else:
            found = "they were not tried over plain http"
            yield advice("webhook secrets", found, "see server.public_url")


def _webhook_secret_findings(settings: Settings, http: HttpClient, url: str) -> Iterator[Finding]:
    """Send each secret with an empty message: 400 if the service knows it, otherwise 401."""
    secrets, tokens = settings.provider.webhook_secret, settings.provider.webhook_path_token
    for name, address, headers, forwarded in (
        *(
            (f"secret[{i}]", url, {"Authorization": f"Bearer {secret}"}, "Authorization")
            for i, secret in enumerate(secrets)
        ),
        *(
            (f"path_token[{i}]", f"{url}/{token}", dict[str, str](), "every path")
            for i, token in enumerate(tokens)
        ),
    ):
        subject = f"provider.webhook_{name}"
        status, other = _post(http, address, headers)
        if status == 400:
            yield ok(subject, "the running service accepts it")
        else:
            found = f"the running service does not accept it ({other or f'HTTP {status}'})"
            todo = (
                f"deploy these settings to every otpvoice api, and have proxies forward {forwarded}"
            )
            yield failure(subject, found, todo)


def _post(http: HttpClient, url: str, headers: Mapping[str, str]) -> tuple[int | None, str]:
    """Send an empty callback.

    Return the status if this service responds, because the response is a problem document for this
    very request. Otherwise return None and what happened instead.
    """
    request_id = f"doctor-{uuid.uuid4().hex}"
    all_headers = {"Request-Id": request_id, **headers}
    response = http.post(url, all_headers, b"", Deadlines.within(_WEBHOOK_TIMEOUT_S))
    if isinstance(response, RequestFailed):
        return None, f"no response ({response.reason})"
    if decode_object(response.body).get("instance") == f"urn:request:{request_id}":
        return response.status, ""
    is_redirect = 300 <= response.status < 400
    origin = "a redirect, which no callback follows" if is_redirect else "not from this service"
    return None, f"HTTP {response.status}, {origin}"
