"""Whether secrets are secret: not a sample's, not used for two things, not easy to guess."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from otpvoice.settings import Settings
from otpvoice.settings.parsers import WHSEC_PREFIX
from otpvoice.settings.validation import SAMPLE, SAMPLE_EVENT_KEY, SAMPLE_HASH

_MIN_CHARACTERS: Final = 20
"""Characters of a secret that we hand to others; fewer hold less than 120 bits."""
_MIN_DISTINCT_BYTES: Final = 16
"""Different ones among 32: random bytes have about 30, and never so few; of 24 about 23."""
_SAMPLE_KEY: Final = SAMPLE_EVENT_KEY.removeprefix(WHSEC_PREFIX)
_NEW_EVENT_KEY: Final = (
    'replace it, here and at the receiver: echo "whsec_$(openssl rand -base64 32)"'
)


@dataclass(frozen=True, slots=True)
class WeakSecret:
    """What is wrong with one secret."""

    name: str
    """Dotted, as in ``secrets.keys[0]``."""
    remedy: str


@dataclass(frozen=True, slots=True)
class _Secret:
    name: str
    text: str = field(repr=False)
    is_weak: bool = False
    remedy: str = "replace it, otpvoice keys new CLIENT --secrets makes new ones"


def find_weak_secrets(settings: Settings) -> Iterator[WeakSecret]:
    """Every fault, at most one for each secret."""
    seen: dict[str, str] = {}
    for secret in _all_secrets(settings):
        twin = seen.setdefault(secret.text, secret.name)
        if secret.text.startswith((SAMPLE, _SAMPLE_KEY)) or secret.text == SAMPLE_HASH:
            yield WeakSecret(
                secret.name, f"is the sample's, which everybody knows: {secret.remedy}"
            )
        elif twin != secret.name:
            yield WeakSecret(secret.name, f"is the same as {twin}: {secret.remedy}")
        elif secret.is_weak:
            yield WeakSecret(secret.name, f"is easy to guess: {secret.remedy}")


def _all_secrets(settings: Settings) -> Iterator[_Secret]:
    ring, provider = settings.secrets.keys, settings.provider
    for i, named in enumerate(ring):
        yield _binary_secret(f"secrets.keys[{i}]", named.key)
    yield _binary_secret("secrets.number_key", settings.secrets.number_key)
    for i, key_hash in enumerate(settings.secrets.admin_key_sha256):
        name = f"secrets.admin_key_sha256[{i}]"
        yield _Secret(name, key_hash, remedy="replace it: otpvoice keys admin")
    yield _Secret("provider.token", provider.token, remedy="set the one that the provider gave you")
    yield from _text_secrets("provider.webhook_secret", provider.webhook_secret)
    yield from _text_secrets("provider.webhook_path_token", provider.webhook_path_token)
    if provider.validation_key:
        yield _text_secret("provider.validation_key", provider.validation_key)
    for name, client in settings.clients.items():
        for i, key_hash in enumerate(client.key_sha256):
            yield _Secret(
                f"clients.{name}.key_sha256[{i}]", key_hash, remedy=f"otpvoice keys new {name}"
            )
        for i, secret in enumerate(client.event_secret):
            key = base64.b64decode(secret.removeprefix(WHSEC_PREFIX))
            yield replace(
                _binary_secret(f"clients.{name}.event_secret[{i}]", key), remedy=_NEW_EVENT_KEY
            )


def _binary_secret(name: str, key: bytes) -> _Secret:
    is_text = all(0x20 <= byte < 0x7F for byte in key)
    is_weak = is_text or len({*key}) < _MIN_DISTINCT_BYTES
    return _Secret(name, base64.urlsafe_b64encode(key).decode(), is_weak)


def _text_secrets(name: str, secrets: tuple[str, ...]) -> Iterator[_Secret]:
    return (_text_secret(f"{name}[{i}]", secret) for i, secret in enumerate(secrets))


def _text_secret(name: str, secret: str) -> _Secret:
    return _Secret(name, secret, is_weak=len(secret) < _MIN_CHARACTERS)
