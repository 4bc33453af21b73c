"""Whether callbacks find us: by the outside's address, to this service, with our secrets.

Nothing is reported in these messages: the first proves nothing, the others say nothing.
"""

import json
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from otpvoice.cli.doctor.connectivity import connectivity_finding
from otpvoice.cli.doctor.findings import Finding, advice, failure, ok
from otpvoice.http_client.client import HttpClient, RequestFailed
from otpvoice.providers.base import Deadlines
from otpvoice.settings import Settings

_TIMEOUT_S: Final = 5.0
"""Seconds for one message."""


@dataclass(frozen=True, slots=True)
class _WebhookResponse:
    status: int | None
    """None: no answer."""
    from_this_service: bool
    """A problem document for this very request."""
    reason: str = ""


def webhook_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """What a callback would meet."""
    public_url = settings.server.public_url
    todo = "mend DNS, firewall, certificate or public_url: callbacks and clients come by it"
    found, reached = connectivity_finding("public address", public_url, trusted, todo)
    yield found
    if not reached:
        return
    http = HttpClient(connections=1, tls=trusted)
    url = f"{public_url}/webhooks/{settings.provider.name}"
    found, is_ours = _unauthenticated_finding(_post(http, url))
    yield found
    if not is_ours:
        return
    if urlsplit(public_url).scheme == "https" or _is_loopback(public_url):
        yield from _secret_findings(settings, http, url)
    else:
        yield advice(
            "webhook secrets", "they were not tried over plain http", "see server.public_url"
        )


def _unauthenticated_finding(response: _WebhookResponse) -> tuple[Finding, bool]:
    """Nobody's message has to be refused, by us."""
    subject = "webhook address"
    if response.from_this_service and response.status == 401:
        return ok(subject, "this service answers there, and refuses strangers"), True
    if response.from_this_service:
        found = f"this service answers HTTP {response.status} there, not 401"
        return failure(subject, found, "have otpvoice api run as these settings say"), False
    if response.status is None:
        found = f"no answer ({response.reason})"
    elif 300 <= response.status < 400:
        found = f"HTTP {response.status}: it leads elsewhere, and no callback follows"
    else:
        found = f"HTTP {response.status}, not by this service"
    todo = "lead server.public_url to otpvoice api, path and headers unchanged"
    return failure(subject, found, todo), False


def _secret_findings(settings: Settings, http: HttpClient, url: str) -> Iterator[Finding]:
    """A message with a right secret and nothing in it is unreadable, 400; with a wrong one 401."""
    provider = settings.provider
    for i, secret in enumerate(provider.webhook_secret):
        response = _post(http, url, {"Authorization": f"Bearer {secret}"})
        yield _secret_finding(
            f"provider.webhook_secret[{i}]", response, "let proxies pass Authorization on"
        )
    for i, token in enumerate(provider.webhook_path_token):
        response = _post(http, f"{url}/{token}")
        yield _secret_finding(
            f"provider.webhook_path_token[{i}]", response, "let proxies pass all paths on"
        )


def _secret_finding(subject: str, response: _WebhookResponse, otherwise: str) -> Finding:
    if response.from_this_service and response.status == 400:
        return ok(subject, "the service that runs knows it")
    status = f"HTTP {response.status}" if response.status else response.reason
    todo = f"deploy these settings to every otpvoice api, and {otherwise}"
    return failure(subject, f"is not known to the service that runs ({status})", todo)


def _post(http: HttpClient, url: str, headers: Mapping[str, str] | None = None) -> _WebhookResponse:
    request_id = f"doctor-{uuid.uuid4().hex}"
    finish_by = time.monotonic() + _TIMEOUT_S
    all_headers = {"Request-Id": request_id, **(headers or {})}
    response = http.post(url, all_headers, b"", Deadlines(finish_by, finish_by))
    if isinstance(response, RequestFailed):
        return _WebhookResponse(None, from_this_service=False, reason=response.reason)
    return _WebhookResponse(response.status, _is_problem_of(response.body, request_id))


def _is_problem_of(body: bytes, request_id: str) -> bool:
    try:
        document: Any = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("instance") == f"urn:request:{request_id}"


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
