"""Checks over the network: provider, webhook, event URLs and certificates. They place no call."""

import socket
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from otpvoice.cli.doctor import LOOPBACK, Finding, Level, advice, failure, ok, warning
from otpvoice.cli.doctor.accounts import MobtextingAccount, mobtexting_accounts
from otpvoice.core.keys import mask_number
from otpvoice.http_client import (
    Deadlines,
    Exchange,
    HttpClient,
    ProxyError,
    RequestFailed,
    parse_proxy,
)
from otpvoice.providers.message_body import decode_object
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.queries import AccountStatus, fetch_balance, try_status_query
from otpvoice.settings import Settings
from otpvoice.settings.routing import providers_by_name

_TIMEOUT_S: Final = 5.0
"""For a request, or for the name, the connection and TLS together."""
_DAY_S: Final = 86_400
_EXPIRY_WARNING_S: Final = 14 * _DAY_S
"""Minimum remaining life of a certificate; for a short-lived one, a sixth of its life."""
_LOW_CREDITS: Final = 100
"""A call costs about half a credit, or one."""
_LIVE_REMEDY: Final = "cannot be verified without a call: otpvoice doctor --live +91…"


def provider_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield what can be verified without a call: address, token, credit and status queries."""
    for account in mobtexting_accounts(settings):
        yield from _account_findings(account, trusted)


def _account_findings(account: MobtextingAccount, trusted: ssl.SSLContext) -> Iterator[Finding]:
    provider, table = account.settings, account.table
    todo = f"correct {table}.base_url, or allow this machine to connect"
    if provider.proxy:
        todo = f"correct {table}.proxy or {table}.base_url, or have the proxy allow it"
    reached = connectivity_finding(
        f"{table} address", provider.base_url, trusted, todo, provider.proxy
    )
    yield reached
    if reached.level is not Level.FAILURE:
        http = HttpClient(connections=1, tls=trusted, proxy=parse_proxy(provider.proxy))
        balance = fetch_balance(provider.base_url, provider.token, http)
        yield account_finding(balance, table)
        if balance.status == 200:
            yield from _check_status_queries(account, http)
    now = datetime.now(ZoneInfo(provider.timezone))
    yield ok(f"{table}.timezone", f"{provider.timezone}, where it is {now:%H:%M}")
    # Only a real call can verify the rest.
    flows = ", ".join(dict.fromkeys(flow.id for flow in provider.flows.values()))
    webhook = "webhook_id" if provider.webhook_id else "the webhook subscription"
    bridge = mask_number(f"+{provider.bridge}")
    found = f"whether flow {flows}, bridge {bridge}, {webhook} and {table}.timezone are right"
    yield advice("before a call", found, _LIVE_REMEDY)


_ACCOUNT_FAILURES: Final = {
    None: (
        *("provider address", "sends no valid response"),
        "correct provider.base_url: this is not the provider's API, or it is down",
    ),
    401: ("provider.token", "is refused", "correct provider.token"),
    402: ("provider balance", "there is no credit", "top up the account"),
    403: ("provider.token", "is refused", "correct provider.token"),
}
"""Subject, observation and remedy, by the HTTP status of the response to a balance query."""
_OTHER_FAILURE: Final = (
    *("provider address", "sends an unexpected response"),
    "correct provider.base_url",
)


def account_finding(account: AccountStatus, table: str = "provider") -> Finding:
    """Return the finding for the response to a balance query. ``table``: the section's name."""
    if account.status != 200:
        subject, found, todo = _ACCOUNT_FAILURES.get(account.status, _OTHER_FAILURE)
        subject, todo = (text.replace("provider", table, 1) for text in (subject, todo))
        return failure(subject, f"{found} ({account.detail})", todo)
    subject = f"{table} balance"
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


def _check_status_queries(of: MobtextingAccount, http: HttpClient) -> Iterator[Finding]:
    """Yield whether calls without a callback can be queried."""
    provider = of.settings
    today = datetime.now(ZoneInfo(provider.timezone)).date()
    for mode in of.modes:
        subject = f"status query {mode}"
        account = try_status_query(provider.base_url, provider.token, mode, today, http)
        if account.status == 200:
            yield ok(subject, "calls without a callback can be queried")
        elif account.status == 404 and mode == Mode.OBD:
            found = f"an unknown call returns {account.detail}; a known call may be found"
            yield advice(subject, found, _LIVE_REMEDY)
        else:
            found = f"calls cannot be queried ({account.detail})"
            todo = "have the token allow it: without a callback, calls stay unknown"
            yield warning(subject, found, todo)


def webhook_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield whether callbacks reach this service at its public address, with its secrets.

    The messages that are sent report nothing: the first has no secret, the others no content.
    """
    public_url = settings.server.public_url
    todo = "correct DNS, firewall, certificate or public_url: callbacks and clients use it"
    reached = connectivity_finding("public address", public_url, trusted, todo)
    yield reached
    if reached.level is Level.FAILURE:
        return
    http = HttpClient(connections=1, tls=trusted)
    accounts = {account.name: account for account in mobtexting_accounts(settings)}
    for name in providers_by_name(settings):
        url = f"{public_url}/webhooks/{name}"
        is_first = settings.first_provider and settings.first_provider.name == name
        finding = _webhook_finding(http, url, "webhook address" + f" of {name}" * (not is_first))
        yield finding
        if finding.level is Level.OK and name in accounts:
            parts = urlsplit(public_url)
            if parts.scheme == "https" or parts.hostname in LOOPBACK:
                yield from _webhook_secret_findings(accounts[name], http, url)
            else:
                found = "they were not tried over plain http"
                yield advice("webhook secrets", found, "see server.public_url")


def _webhook_finding(http: HttpClient, url: str, subject: str) -> Finding:
    status, other = _post(http, url, {})
    if status is None:
        todo = "route server.public_url to otpvoice api, path and headers unchanged"
        return failure(subject, other, todo)
    if status != 401:
        found = f"this service responds with HTTP {status}, not 401"
        return failure(subject, found, "run otpvoice api with these settings")
    return ok(subject, "this service responds, and refuses unauthenticated callbacks")


def _webhook_secret_findings(
    account: MobtextingAccount, http: HttpClient, url: str
) -> Iterator[Finding]:
    """Send each secret with an empty message: 400 if the service knows it, otherwise 401."""
    secrets, tokens = account.settings.webhook_secret, account.settings.webhook_path_token
    for name, address, headers, forwarded in (
        *(
            (f"secret[{i}]", url, {"Authorization": f"Bearer {secret}"}, "Authorization")
            for i, secret in enumerate(secrets)
        ),
        *(
            (f"path_token[{i}]", f"{url}/{token}", {}, "every path")
            for i, token in enumerate(tokens)
        ),
    ):
        subject = f"{account.table}.webhook_{name}"
        status, other = _post(http, address, headers)
        if status == 400:
            yield ok(subject, "the running service accepts it")
        else:
            found = f"the running service does not accept it ({other or f'HTTP {status}'})"
            todo = "deploy these settings to every otpvoice api, and have proxies forward"
            yield failure(subject, found, f"{todo} {forwarded}")


def _post(http: HttpClient, url: str, headers: Mapping[str, str]) -> tuple[int | None, str]:
    """Send an empty callback.

    Return the status if this service responds, because the response is a problem document for this
    very request. Otherwise return None and what happened instead.
    """
    request_id = f"doctor-{uuid.uuid4().hex}"
    all_headers = {"Request-Id": request_id, **headers}
    response = http.post(url, all_headers, b"", Deadlines.within(_TIMEOUT_S))
    if isinstance(response, RequestFailed):
        return None, f"no response ({response.reason})"
    if decode_object(response.body).get("instance") == f"urn:request:{request_id}":
        return response.status, ""
    is_redirect = 300 <= response.status < 400
    origin = "a redirect, which no callback follows" if is_redirect else "not from this service"
    return None, f"HTTP {response.status}, {origin}"


def connectivity_finding(
    subject: str, url: str, trusted: ssl.SSLContext, todo: str, proxy: str = ""
) -> Finding:
    """Connect to an address, and check the certificate of an https address.

    Args:
        subject: of the finding, which is a failure only if the address is not reached.
        url: the address.
        trusted: certificate authorities.
        todo: the remedy if the address is not reached.
        proxy: the address of a proxy to connect through; empty for none.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        exchange = Exchange(Deadlines.within(_TIMEOUT_S), parse_proxy(proxy))
        with closing(exchange.connect(host, port)) as plain:
            if parts.scheme != "https":
                return ok(subject, f"{host} responds")
            with trusted.wrap_socket(plain, server_hostname=host) as encrypted:
                certificate = encrypted.getpeercert() or {}
    except Exception as error:  # noqa: BLE001 - whatever failed, the address was not reached
        return failure(subject, _failure_reason(error, host, port), todo)
    return _certificate_finding(subject, host, certificate)


def _certificate_finding(subject: str, host: str, certificate: Mapping[str, object]) -> Finding:
    begins, ends = (
        ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter")
    )
    left = ends - time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(ends))
    found = f"{host} responds, its certificate expires on {day}, in {left / _DAY_S:.0f} days"
    is_late = left < min(_EXPIRY_WARNING_S, (ends - begins) / 6)
    return warning(subject, found, "renew it") if is_late else ok(subject, found)


def _failure_reason(error: Exception, host: str, port: int) -> str:
    """Return the reason, with no more of the address than host and port."""
    match error:
        case socket.gaierror():
            reason = f"the name {host} cannot be resolved"
        case ssl.SSLCertVerificationError():
            reason = f"the certificate of {host} is refused ({error.verify_message.rstrip('.')})"
        case ssl.SSLError():
            reason = f"{host}:{port} does not complete the TLS handshake ({error.reason})"
        case TimeoutError():
            reason = f"{host}:{port} did not respond in time"
        case ConnectionRefusedError():
            reason = f"{host}:{port} refuses the connection"
        case _:
            detail = str(error) if isinstance(error, ProxyError) else type(error).__name__
            reason = f"{host}:{port} cannot be reached ({detail})"
    return reason


def event_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield whether each client's ``event_url`` can be reached; sends no event."""
    for name, client in settings.clients.items():
        if client.event_url:
            yield from event_url_findings(f"clients.{name}.event_url", client.event_url)
            todo = "have the client fix it, or correct event_url; its events are kept for a day"
            yield connectivity_finding(
                f"events of {name}", client.event_url, trusted, todo, settings.events.proxy
            )


def event_url_findings(name: str, url: str) -> Iterator[Finding]:
    """Yield a failure for an address that is meaningful only to this machine or its cloud."""
    kinds = {"is_link_local": "link-local", "is_multicast": "multicast", "is_reserved": "reserved"}
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname or "", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # connectivity_finding() reports it
    for *_, where in found:
        address = ip_address(str(where[0]).partition("%")[0])
        for kind, word in kinds.items():
            if getattr(address, kind):
                text = f"resolves to {address}, a {word} address, as cloud metadata services have"
                yield failure(name, text, "set the address of the client's own server")
                return
