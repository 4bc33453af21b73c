"""Rules between settings, and the requirements of production."""

import base64
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from otpvoice.core.limits import Quota
from otpvoice.core.verification import queue_margin_s
from otpvoice.sections import FieldProblem
from otpvoice.setting_types import EVENT_SECRET, WHSEC_PREFIX
from otpvoice.settings.credentials import credential_fields
from otpvoice.settings.hook_kinds import SIGNING_KINDS, STANDARD_WEBHOOKS
from otpvoice.settings.routing import default_provider, routing_errors
from otpvoice.settings.schema import Client, Settings
from otpvoice.settings.speech_rules import speech_errors, speech_warnings

MIN_PRODUCTION_CODE_LENGTH: Final = 5
"""NIST SP 800-63B-4, section 3.1.3, recommends six digits."""
_NEEDS_TLS: Final = "production needs an https:// URL"
_HOOK_FIELDS: Final = frozenset({"hook_secret", "hook_texts", "default_region", "call_after"})
_SAMPLE: Final = "SAMPLE-REPLACE-ME"
"""Every secret of the sample file begins with it, also in base64; event secrets have no hyphens."""
_SAMPLE_HASH: Final = "0" * 64


def cross_field_errors(settings: Settings) -> Iterator[FieldProblem]:
    """Yield every violation of a rule between settings."""
    yield from _repeated("secrets.keys", [key.id for key in settings.secrets.keys])
    yield from _provider_errors(settings)
    # Of quotas with equal windows only the smaller one could ever refuse.
    detail = "has the window of one before it; only the smaller count would hold"
    for table, section in settings.tables().items():
        for name, value in structs.asdict(section).items():
            if isinstance(value, tuple) and value and isinstance(value[0], Quota):
                windows = [quota.window_ms for quota in value]
                yield from _repeated(f"{table}.{name}", windows, detail)
    yield from _client_errors(settings)
    for name, detail in settings.redis.problems():
        yield f"redis.{name}", detail
    if settings.server.production:
        yield from _production_errors(settings)


def _provider_errors(settings: Settings) -> Iterator[FieldProblem]:
    if settings.first_provider:
        yield from _repeated("provider.routes", settings.first_provider.routes)
    yield from _repeated("dialer.routes", settings.dialer.routes)
    routing = (*routing_errors(settings),)
    yield from routing or (*_line_errors(settings), *speech_errors(settings))
    for table, provider in settings.provider_tables().items():
        for name, detail in provider.problems():
            yield f"{table}.{name}", detail


def _line_errors(settings: Settings) -> Iterator[FieldProblem]:
    """Yield lines that contradict each other, and numbers shown instead of several lines."""
    sections = settings.provider_tables() | {
        f"clients.{name}": client for name, client in settings.clients.items()
    }
    for table, section in sections.items():
        yield from _repeated(f"{table}.bridges", section.bridges)
        if section.bridge and section.bridges:
            yield f"{table}.bridges", "cannot be set together with bridge: put all lines in bridges"
        inherited = default_provider(settings).bridges if isinstance(section, Client) else ()
        has_several = not section.bridge and len(section.bridges or inherited) > 1
        if section.caller_id and has_several:
            detail = "has no use with several lines: people see the number of the line that calls"
            yield f"{table}.caller_id", detail


def setting_warnings(settings: Settings) -> Iterator[str]:
    """Yield what is allowed but probably not intended."""
    for table, provider in settings.provider_tables().items():
        yield from provider.warnings(table)
    if not settings.clients:
        yield "no [clients.<name>] is set: every request will be 401"
    yield from dict.fromkeys(speech_warnings(settings))


def is_sample_secret(secret: str | bytes) -> bool:
    """Return whether a secret or a key hash is the one of the sample file."""
    text = base64.urlsafe_b64encode(secret).decode() if isinstance(secret, bytes) else secret
    return text.startswith((_SAMPLE, f"{WHSEC_PREFIX}SAMPLE")) or text == _SAMPLE_HASH


def _repeated(name: str, words: Sequence[object], detail: str = "") -> Iterator[FieldProblem]:
    for i, word in enumerate(words):
        if word in words[:i]:
            yield f"{name}[{i}]", detail or f"{word} is already in the list"


def _client_errors(settings: Settings) -> Iterator[FieldProblem]:
    owners: dict[str, str] = {}
    for name, client in settings.clients.items():
        for i, key_hash in enumerate(client.key_sha256):
            owner = owners.setdefault(key_hash, name)
            if owner != name:
                detail = f"is a key of the client {owner} too; it must belong to one client"
                yield f"clients.{name}.key_sha256[{i}]", detail
        if client.deliver_only and client.calls_per_day is None:
            detail = "is missing: a deliver_only client needs it, because few other limits hold"
            yield f"clients.{name}.calls_per_day", detail
        if client.event_url and not client.event_secret:
            yield f"clients.{name}.event_secret", "is missing: events to event_url are signed"
        if client.event_secret and not client.event_url:
            yield f"clients.{name}.event_url", "is missing: event_secret has nothing to sign"
        if client.event_url and settings.server.production and not _is_private(client.event_url):
            yield f"clients.{name}.event_url", _NEEDS_TLS
        ttl_s = client.ttl or settings.verification.ttl
        max_delay_s = ttl_s - queue_margin_s(settings.verification.min_remaining_life, ttl_s)
        for field, detail in _hook_errors(client, max_delay_s):
            yield f"clients.{name}.{field}", detail


def _hook_errors(client: Client, max_delay_s: float) -> Iterator[FieldProblem]:
    if client.hook is None:
        for field in structs.fields(Client):
            is_set = getattr(client, field.name) != field.default
            if field.name in _HOOK_FIELDS and is_set:
                yield field.name, "has no use without hook, the kind of identity server"
        return
    if client.hook not in SIGNING_KINDS and client.hook_secret:
        text = "does not sign its requests. Configure it to send this client's API key"
        yield "hook_secret", f"has no use: {client.hook} {text}"
    if client.hook in SIGNING_KINDS and not client.hook_secret:
        yield "hook_secret", f"is missing: {client.hook} signs its requests with it"
    if client.hook in STANDARD_WEBHOOKS:
        yield from _malformed_hook_secrets(client)
    if client.call_after > max_delay_s:
        text = "or the code expires before the call can speak it (see ttl, min_remaining_life)"
        yield "call_after", f"must be at most {max_delay_s:g}, {text}"


def _malformed_hook_secrets(client: Client) -> Iterator[FieldProblem]:
    for i, secret in enumerate(client.hook_secret):
        try:
            EVENT_SECRET.parse_text(secret)
        except ValueError as error:
            detail = f"must be {EVENT_SECRET.expected_format}, as {client.hook} shows it"
            yield f"hook_secret[{i}]", f"{detail}: {error}" if str(error) else detail


def _production_errors(settings: Settings) -> Iterator[FieldProblem]:
    limits = settings.limits
    if not settings.server.public_url.startswith("https://"):
        yield "server.public_url", _NEEDS_TLS
    for table, provider in settings.provider_tables().items():
        for name, detail in provider.production_problems(table):
            yield f"{table}.{name}", detail
    if settings.verification.code_length < MIN_PRODUCTION_CODE_LENGTH:
        text = "with fewer, the permitted guesses of one day find one code in a few hundred"
        least = f"production needs at least {MIN_PRODUCTION_CODE_LENGTH} digits"
        yield "verification.code_length", f"{least}: {text}"
    if not limits.wrong_codes_per_number:
        text = "production needs a limit, because each new verification brings new guesses"
        remedy = 'remove the line for the default or set one like ["15/1h", "50/24h"]'
        yield "limits.wrong_codes_per_number", f"{text}; {remedy}"
    if not (limits.conversion_breaker or limits.wrong_code_breaker):
        text = "with both off, nothing stops a flood of calls that lead to no approval"
        remedy = 'remove the line or set "15%/1h"'
        needs = "production needs this breaker or limits.wrong_code_breaker"
        yield "limits.conversion_breaker", f"{needs}: {text}; {remedy}"
    for name, kind, secret in credential_fields(settings):
        if not kind.is_url and is_sample_secret(secret):
            yield name, "production needs a secret of its own: this is the sample's"


def _is_private(url: str) -> bool:
    """Return whether the request is unreadable on the network: TLS, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}
