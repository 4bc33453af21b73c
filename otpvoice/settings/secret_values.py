"""The texts of all secrets, for those who have to know what to keep to themselves."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import structs

from otpvoice.settings.kinds import kind_of
from otpvoice.settings.readers import WHSEC, RingKey
from otpvoice.settings.tree import SECTIONS, Section, Settings


def secret_values(settings: Settings) -> tuple[str, ...]:
    """Every value of a secret kind. Keys in base64; of an address its passwords only."""
    sections = [*(getattr(settings, name) for name in SECTIONS), *settings.clients.values()]
    return tuple(text for section in sections for text in _of_section(section) if text)


def _of_section(section: Section) -> Iterator[str]:
    for field in structs.fields(section):
        kind, value = kind_of(field.type), getattr(section, field.name)
        if kind.secret:
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
        yield str(value).removeprefix(WHSEC)


def _passwords(url: str) -> Iterator[str]:
    """As the address writes it, and as it is sent; redis-py takes one from the query as well.

    A proxy is sent user and password together in base64.
    """
    parts = urlsplit(url)
    written = parts.password or ""
    yield from (written, unquote(written))
    if parts.scheme == "http" and written:
        pair = f"{unquote(parts.username or '')}:{unquote(written)}"
        yield base64.b64encode(pair.encode()).decode()
    yield from (text for name, text in parse_qsl(parts.query) if name == "password")
