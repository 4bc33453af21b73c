"""The texts of all secrets, for those who have to know what to keep to themselves."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from msgspec import structs

from otpvoice.settings.parsers import WHSEC_PREFIX, RingKey
from otpvoice.settings.schema import SECTIONS, Section, Settings
from otpvoice.settings.types import field_type


def secret_values(settings: Settings) -> tuple[str, ...]:
    """Every value of a secret kind. Keys in base64; of an address its passwords only."""
    sections = [*(getattr(settings, name) for name in SECTIONS), *settings.clients.values()]
    return tuple(text for section in sections for text in _of_section(section) if text)


def _of_section(section: Section) -> Iterator[str]:
    for field in structs.fields(section):
        kind, value = field_type(field.type), getattr(section, field.name)
        if kind.is_secret:
            yield from _passwords(value) if kind.is_url else _texts(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, RingKey):
        yield base64.b64encode(value.key).decode()
    elif isinstance(value, bytes):
        yield base64.b64encode(value).decode()
    elif value is not None:
        yield str(value).removeprefix(WHSEC_PREFIX)


def _passwords(url: str) -> Iterator[str]:
    """Yield the passwords of an address, as they are written and as they are sent.

    A proxy is sent user and password together in base64.
    """
    parts = urlsplit(url)
    query = [pair.partition("=") for pair in parts.query.split("&")]
    written = [parts.password or ""]
    written += [text for name, _, text in query if name in {"password", "sentinel_password"}]
    for text in written:
        yield from (text, unquote(text), unquote_plus(text))
    if parts.scheme == "http" and parts.password:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password)}"
        yield base64.b64encode(pair.encode()).decode()
