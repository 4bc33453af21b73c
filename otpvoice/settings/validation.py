"""What fields have to be to each other, and what production asks of them."""

import base64
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from otpvoice.core.limits import Quota
from otpvoice.settings.parsers import WHSEC_PREFIX
from otpvoice.settings.schema import Settings

FieldProblem = tuple[str, str]
"""The dotted name of a field, and what is wrong with it."""

SAMPLE: Final = "SAMPLE-REPLACE-ME"
"""How every secret of the sample file begins; base64 of 32 bytes can be legible too."""
SAMPLE_EVENT_KEY: Final = f"{WHSEC_PREFIX}SAMPLE"
"""How the sample's secret of events begins."""
MIN_PRODUCTION_CODE_LENGTH: Final = 5
"""Digits of a code that production accepts. NIST SP 800-63B-4, section 3.1.3, asks for six."""
SAMPLE_HASH: Final = "0" * 64
"""The API key hash of the sample file: no known key has it."""


def cross_field_errors(settings: Settings) -> Iterator[FieldProblem]:
    """Every rule between fields that does not hold."""
    yield from _repeated("secrets.keys", [key.id for key in settings.secrets.keys])
    yield from _repeated("provider.routes", settings.provider.routes)
    yield from _reused_client_keys(settings)
    yield from _duplicate_windows(settings)
    yield from _unbounded_clients(settings)
    yield from _incomplete_event_settings(settings)
    yield from _misplaced_sentinel_login(settings)
    if settings.server.production:
        yield from _production_errors(settings)


def setting_warnings(settings: Settings) -> Iterator[str]:
    """What is allowed and yet hardly meant."""
    if not _has_webhook_secret(settings):
        yield (
            "neither provider.webhook_secret nor provider.webhook_path_token is set: "
            "every callback will be 401"
        )
    if not settings.clients:
        yield "no [clients.<name>] is set: every request will be 401"


def _repeated(name: str, words: Sequence[str]) -> Iterator[FieldProblem]:
    for i, word in enumerate(words):
        if word in words[:i]:
            yield f"{name}[{i}]", f"{word!s} stands in the list already"


def _reused_client_keys(settings: Settings) -> Iterator[FieldProblem]:
    owners: dict[str, str] = {}
    for name, client in settings.clients.items():
        for i, key_hash in enumerate(client.key_sha256):
            owner = owners.setdefault(key_hash, name)
            if owner != name:
                detail = f"is a key of the client {owner} too; it must belong to one client"
                yield f"clients.{name}.key_sha256[{i}]", detail


def _duplicate_windows(settings: Settings) -> Iterator[FieldProblem]:
    """Quotas of one window say the same thing twice, and would be counted twice."""
    for name, section in (
        ("limits", settings.limits),
        *((f"clients.{name}", client) for name, client in settings.clients.items()),
    ):
        for setting in structs.fields(type(section)):
            value = getattr(section, setting.name)
            quotas = value if isinstance(value, tuple) else ()
            windows = [quota.window_ms for quota in quotas if isinstance(quota, Quota)]
            for i, window in enumerate(windows):
                if window in windows[:i]:
                    detail = "has the window of one before it; the smaller count would hold alone"
                    yield f"{name}.{setting.name}[{i}]", detail


def _unbounded_clients(settings: Settings) -> Iterator[FieldProblem]:
    for name, client in settings.clients.items():
        if client.deliver_only and client.calls_per_day is None:
            detail = "a deliver_only client needs it: without approvals, little else bounds it"
            yield f"clients.{name}.calls_per_day", detail


def _incomplete_event_settings(settings: Settings) -> Iterator[FieldProblem]:
    for name, client in settings.clients.items():
        if client.event_url and not client.event_secret:
            yield f"clients.{name}.event_secret", "is missing: events to event_url are signed"
        if client.event_secret and not client.event_url:
            yield f"clients.{name}.event_url", "is missing: event_secret has nothing to sign"


def _misplaced_sentinel_login(settings: Settings) -> Iterator[FieldProblem]:
    redis = settings.redis
    if redis.url.startswith("redis+sentinel://"):
        return
    for name in ("sentinel_username", "sentinel_password"):
        if getattr(redis, name):
            yield f"redis.{name}", "has no use: redis.url is not a redis+sentinel:// URL"


def _has_webhook_secret(settings: Settings) -> bool:
    return bool(settings.provider.webhook_secret or settings.provider.webhook_path_token)


def _production_errors(settings: Settings) -> Iterator[FieldProblem]:
    if not _has_webhook_secret(settings):
        yield (
            "provider.webhook_secret",
            "production needs it, or provider.webhook_path_token: every callback would be 401",
        )
    if not settings.server.public_url.startswith("https://"):
        yield "server.public_url", "production needs an https:// URL"
    if not settings.provider.base_url.startswith("https://"):
        yield (
            "provider.base_url",
            (
                "production needs an https:// URL, because codes travel over it; "
                "to use the sandbox, set server.production = false"
            ),
        )
    yield from _guessing_errors(settings)
    for name, client in settings.clients.items():
        if client.event_url and not _is_private(client.event_url):
            yield f"clients.{name}.event_url", "production needs an https:// URL"
    for name, secret in _secrets(settings):
        if secret.startswith((SAMPLE, SAMPLE_EVENT_KEY)) or secret == SAMPLE_HASH:
            yield name, "production needs a secret of its own: this is the sample's"


def _guessing_errors(settings: Settings) -> Iterator[FieldProblem]:
    """Yield the settings that leave the guessing of codes or the cost of calls without a bound."""
    limits = settings.limits
    if settings.verification.code_length < MIN_PRODUCTION_CODE_LENGTH:
        yield (
            "verification.code_length",
            (
                f"production needs at least {MIN_PRODUCTION_CODE_LENGTH} digits: with fewer, "
                "the permitted guesses of one day find one code in a few hundred"
            ),
        )
    if not limits.wrong_codes_per_number:
        yield (
            "limits.wrong_codes_per_number",
            (
                "production needs a limit, because each new verification brings new guesses; "
                'remove the line for the default or set one like ["15/1h", "50/24h"]'
            ),
        )
    if limits.conversion_breaker is None and limits.wrong_code_breaker is None:
        yield (
            "limits.conversion_breaker",
            (
                "production needs this breaker or limits.wrong_code_breaker: with both "
                "off, nothing stops a flood of calls that lead to no approval; remove the line or "
                'set "15%/1h"'
            ),
        )


def _is_private(url: str) -> bool:
    """Return whether nobody on the way can read it: TLS, or an address of this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """The name and the text of every secret that the sample could have left behind."""
    ring, provider = settings.secrets.keys, settings.provider
    yield from _indexed("secrets.keys", [_text(key.key) for key in ring])
    yield "secrets.number_key", _text(settings.secrets.number_key)
    yield from _indexed("secrets.admin_key_sha256", settings.secrets.admin_key_sha256)
    yield "provider.token", provider.token
    yield from _indexed("provider.webhook_secret", provider.webhook_secret)
    yield from _indexed("provider.webhook_path_token", provider.webhook_path_token)
    yield "provider.validation_key", provider.validation_key
    for name, client in settings.clients.items():
        yield from _indexed(f"clients.{name}.key_sha256", client.key_sha256)
        yield from _indexed(f"clients.{name}.event_secret", client.event_secret)


def _indexed(name: str, secrets: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((f"{name}[{i}]", secret) for i, secret in enumerate(secrets))


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()
