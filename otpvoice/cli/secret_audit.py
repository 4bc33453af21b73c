"""Find secrets that are a sample's, used twice, or easy to guess."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.settings import Settings
from otpvoice.settings.parsers import WHSEC_PREFIX
from otpvoice.settings.schema import credential_fields
from otpvoice.settings.validation import is_sample_secret

_MIN_CHARACTERS: Final = 20
"""Shorter secrets have less than 120 bits."""
_MIN_DISTINCT_BYTES: Final = 16
"""Random keys have more: about 30 distinct bytes of 32, and 23 of 24."""


@dataclass(frozen=True, slots=True)
class WeakSecret:
    """What is wrong with one secret."""

    name: str
    """Dotted, as in ``secrets.keys[0]``."""
    remedy: str


def find_weak_secrets(settings: Settings) -> Iterator[WeakSecret]:
    """Yield at most one fault for each secret."""
    names: dict[str | bytes, str] = {}
    for name, kind, secret in credential_fields(settings):
        if name.startswith("redis.") or kind.is_url:
            continue
        key = _decode(secret)
        twin = names.setdefault(key, name)
        fault = ""
        if is_sample_secret(secret):
            fault = "is the sample's, which everybody knows"
        elif twin != name:
            fault = f"is the same as {twin}"
        elif not kind.is_hash and name != "provider.token" and _is_weak(key):
            fault = "is easy to guess"
        if fault:
            yield WeakSecret(name, f"{fault}: {_remedy(name)}")


def _decode(secret: str | bytes) -> str | bytes:
    if isinstance(secret, str) and secret.startswith(WHSEC_PREFIX):
        return base64.b64decode(secret.removeprefix(WHSEC_PREFIX))
    return secret


def _is_weak(secret: str | bytes) -> bool:
    if isinstance(secret, str):
        return len(secret) < _MIN_CHARACTERS
    is_text = all(0x20 <= byte < 0x7F for byte in secret)
    return is_text or len({*secret}) < _MIN_DISTINCT_BYTES


def _remedy(name: str) -> str:
    section, _, field = name.partition("[")[0].rpartition(".")
    remedies = {
        "admin_key_sha256": "replace it: otpvoice keys admin",
        "token": "set the one that the provider gave you",
        "key_sha256": f"otpvoice keys new {section.removeprefix('clients.')}",
        "event_secret": (
            'replace it, here and at the receiver: echo "whsec_$(openssl rand -base64 32)"'
        ),
    }
    return remedies.get(field, "replace it, otpvoice keys new CLIENT --secrets makes new ones")
