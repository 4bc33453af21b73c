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

from otpvoice.cli.doctor.findings import Finding, advice, failure, ok
from otpvoice.cli.doctor.reach import reach_findings
from otpvoice.http_client.client import HttpClient, NoReply
from otpvoice.providers.base import Deadlines
from otpvoice.settings import Settings

_WITHIN: Final = 5.0
"""Seconds for one message."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None
    """None: no answer."""
    is_ours: bool
    """A problem document for this very request."""
    why: str = ""


def webhook_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """What a callback would meet."""
    public_url = settings.server.public_url
    todo = "mend DNS, firewall, certificate or public_url: callbacks and clients come by it"
    found, reached = reach_findings("public address", public_url, trusted, todo)
    yield found
    if not reached:
        return
    http = HttpClient(connections=1, tls=trusted)
    url = f"{public_url}/webhooks/{settings.provider.name}"
    found, is_ours = _stranger(_post(http, url))
    yield found
    if not is_ours:
        return
    if urlsplit(public_url).scheme == "https" or _is_here(public_url):
        yield from _secrets(settings, http, url)
    else:
        yield advice(
            "webhook secrets", "they were not tried over plain http", "see server.public_url"
        )


def _stranger(answer: _Answer) -> tuple[Finding, bool]:
    """Nobody's message has to be refused, by us."""
    subject = "webhook address"
    if answer.is_ours and answer.status == 401:
        return ok(subject, "this service answers there, and refuses strangers"), True
    if answer.is_ours:
        found = f"this service answers HTTP {answer.status} there, not 401"
        return failure(subject, found, "have otpvoice api run as these settings say"), False
    if answer.status is None:
        found = f"no answer ({answer.why})"
    elif 300 <= answer.status < 400:
        found = f"HTTP {answer.status}: it leads elsewhere, and no callback follows"
    else:
        found = f"HTTP {answer.status}, not by this service"
    todo = "lead server.public_url to otpvoice api, path and headers unchanged"
    return failure(subject, found, todo), False


def _secrets(settings: Settings, http: HttpClient, url: str) -> Iterator[Finding]:
    """A message with a right secret and nothing in it is unreadable, 400; with a wrong one 401."""
    provider = settings.provider
    for i, secret in enumerate(provider.webhook_secret):
        answer = _post(http, url, {"Authorization": f"Bearer {secret}"})
        yield _known(f"provider.webhook_secret[{i}]", answer, "let proxies pass Authorization on")
    for i, token in enumerate(provider.webhook_path_token):
        answer = _post(http, f"{url}/{token}")
        yield _known(f"provider.webhook_path_token[{i}]", answer, "let proxies pass all paths on")


def _known(subject: str, answer: _Answer, otherwise: str) -> Finding:
    if answer.is_ours and answer.status == 400:
        return ok(subject, "the service that runs knows it")
    told = f"HTTP {answer.status}" if answer.status else answer.why
    todo = f"deploy these settings to every otpvoice api, and {otherwise}"
    return failure(subject, f"is not known to the service that runs ({told})", todo)


def _post(http: HttpClient, url: str, headers: Mapping[str, str] | None = None) -> _Answer:
    asked_as = f"doctor-{uuid.uuid4().hex}"
    over_by = time.monotonic() + _WITHIN
    sent = {"Request-Id": asked_as, **(headers or {})}
    reply = http.post(url, sent, b"", Deadlines(over_by, over_by))
    if isinstance(reply, NoReply):
        return _Answer(None, is_ours=False, why=reply.why)
    return _Answer(reply.status, _is_problem_of(reply.body, asked_as))


def _is_problem_of(body: bytes, asked_as: str) -> bool:
    try:
        said: Any = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("instance") == f"urn:request:{asked_as}"


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
