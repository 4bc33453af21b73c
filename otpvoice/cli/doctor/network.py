"""Checks over the network: providers, webhooks and event URLs. They place no call."""

import socket
import ssl
import uuid
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from otpvoice.diagnostics import LOOPBACK, Finding, Level, advice, failure, ok, warning
from otpvoice.diagnostics.network import (
    TIMEOUT_S,
    connectivity_finding,
    is_address,
    is_public,
)
from otpvoice.http_client import Deadlines, HttpClient, RequestFailed, parse_proxy
from otpvoice.providers.checks import Checks, WebhookCredential
from otpvoice.providers.message_body import decode_object
from otpvoice.settings import Settings


def provider_findings(accounts: Iterable[Checks], trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield what can be verified without a call: address, credentials, and what the kind knows."""
    for account in accounts:
        yield from _account_findings(account, trusted)
        yield callback_finding(account)
        yield from account.unverified_findings()


def _account_findings(account: Checks, trusted: ssl.SSLContext) -> Iterator[Finding]:
    table, proxy = account.table, account.section.proxy
    todo = f"correct {table}.base_url, or allow this machine to connect"
    if proxy:
        todo = f"correct {table}.proxy or {table}.base_url, or have the proxy allow it"
    reached = connectivity_finding(f"{table} address", account.api_url, trusted, todo, proxy)
    yield reached
    if reached.level is not Level.FAILURE:
        http = HttpClient(connections=1, tls=trusted, proxy=parse_proxy(proxy))
        yield from account.account_findings(http)


def callback_finding(account: Checks) -> Finding:
    """Return whether the provider can send its callbacks to ``public_url``, unread by others."""
    subject, parts = f"{account.table} callbacks", urlsplit(account.public_url)
    host, todo = parts.hostname or "", "set server.public_url to an https address of the internet"
    if urlsplit(account.api_url).hostname in LOOPBACK:
        return ok(subject, f"a provider on this machine reaches {host}")
    effect = "no callback arrives"
    if account.fetches_code:
        effect += ", and calls stay silent"
    if host in LOOPBACK or (is_address(host) and not is_public(host)):
        return failure(subject, f"{host} is not in the internet, so {effect}", todo)
    if parts.scheme != "https":
        report = failure if account.fetches_code else warning
        content = "the code and results" if account.fetches_code else "numbers and results"
        return report(subject, f"{host} is reached over plain http, which shows {content}", todo)
    if not is_public(host):
        found = f"from here, {host} has no public address"
        return warning(subject, found, f"verify that the internet reaches it, otherwise {effect}")
    return ok(subject, f"{host} is public, and https")


def webhook_findings(
    settings: Settings, accounts: Iterable[Checks], trusted: ssl.SSLContext
) -> Iterator[Finding]:
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
    for account in accounts:
        url = f"{public_url}/webhooks/{account.name}"
        is_first = settings.first_provider and settings.first_provider.name == account.name
        of = "" if is_first else f" of {account.name}"
        finding = _webhook_finding(http, url, f"webhook address{of}")
        yield finding
        if account.fetches_code:
            yield _documents_finding(http, f"{public_url}/calls/{account.name}", account.name)
        credentials = [*account.webhook_credentials()]
        if finding.level is Level.OK and credentials:
            parts = urlsplit(public_url)
            if parts.scheme == "https" or parts.hostname in LOOPBACK:
                yield from _webhook_secret_findings(account.table, credentials, http, url)
            else:
                found = "they were not tried over plain http"
                yield advice("webhook secrets", found, "see server.public_url")


def _webhook_finding(http: HttpClient, url: str, subject: str) -> Finding:
    status, other = _send(http, "POST", url)
    if status is None:
        todo = "route server.public_url to otpvoice api, path and headers unchanged"
        return failure(subject, other, todo)
    if status != 401:
        found = f"this service responds with HTTP {status}, not 401"
        return failure(subject, found, "run otpvoice api with these settings")
    return ok(subject, "this service responds, and refuses unauthenticated callbacks")


def _documents_finding(http: HttpClient, url: str, name: str) -> Finding:
    """Return whether the provider can fetch what its calls speak.

    Documents are fetched by POST, so a GET of this service is refused and leaves no trace.
    """
    subject = f"documents of {name}"
    status, other = _send(http, "GET", f"{url}/doctor/key")
    if status is None:
        todo = "route /calls/ of server.public_url to otpvoice api, path and headers unchanged"
        return failure(subject, f"calls stay silent: {other}", todo)
    if status != 405:
        found = f"calls stay silent: this service responds with HTTP {status}, not 405"
        return failure(subject, found, "run otpvoice api with these settings")
    return ok(subject, "this service responds where the provider fetches what calls speak")


def _webhook_secret_findings(
    table: str, credentials: Iterable[WebhookCredential], http: HttpClient, url: str
) -> Iterator[Finding]:
    """Send each secret with an empty message: 400 if the service knows it, otherwise 401."""
    for each in credentials:
        subject = f"{table}.{each.setting}"
        status, other = _send(http, "POST", f"{url}{each.path}", each.headers)
        if status == 400:
            yield ok(subject, "the running service accepts it")
        else:
            found = f"the running service does not accept it ({other or f'HTTP {status}'})"
            todo = "deploy these settings to every otpvoice api, and have proxies forward"
            yield failure(subject, found, f"{todo} {each.forwarded}")


def _send(
    http: HttpClient,
    method: Literal["GET", "POST"],
    url: str,
    headers: Mapping[str, str] | None = None,
) -> tuple[int | None, str]:
    """Send a request without content.

    Return the status if this service responds, because the response is a problem document for this
    very request. Otherwise return None and what happened instead.
    """
    request_id = f"doctor-{uuid.uuid4().hex}"
    all_headers = {"Request-Id": request_id, **(headers or {})}
    deadlines = Deadlines.within(TIMEOUT_S)
    if method == "POST":
        response = http.post(url, all_headers, b"", deadlines)
    else:
        response = http.get(url, all_headers, deadlines)
    if isinstance(response, RequestFailed):
        return None, f"no response ({response.reason})"
    if decode_object(response.body).get("instance") == f"urn:request:{request_id}":
        return response.status, ""
    is_redirect = 300 <= response.status < 400
    origin = "a redirect, which no callback follows" if is_redirect else "not from this service"
    return None, f"HTTP {response.status}, {origin}"


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
