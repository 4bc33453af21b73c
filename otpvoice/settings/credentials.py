"""The secrets and the hashes of credentials among the settings."""

import base64
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus, urlsplit

from msgspec import structs

from otpvoice.core.written_keys import RingKey
from otpvoice.setting_types import WHSEC_PREFIX, FieldType, field_type
from otpvoice.settings.schema import Settings


def credential_fields(settings: Settings) -> Iterator[tuple[str, FieldType, str | bytes]]:
    """Yield name, field type and value of each secret and each hash of a credential that is set.

    Members of lists are named ``secrets.keys[0]``. Keys are bytes.
    """
    for table, section in settings.tables().items():
        for field in structs.fields(section):
            kind, value = field_type(field.type), getattr(section, field.name)
            if not (kind.is_secret or kind.is_hash):
                continue
            for i, each in enumerate(value if isinstance(value, tuple) else [value]):
                index = f"[{i}]" if isinstance(value, tuple) else ""
                if text := each.key if isinstance(each, RingKey) else each:
                    yield f"{table}.{field.name}{index}", kind, text


def secret_values(settings: Settings) -> tuple[str, ...]:
    """Return every secret's text: of keys the base64, of URLs the passwords in each encoding."""
    texts: list[str] = []
    for _, kind, value in credential_fields(settings):
        if isinstance(value, bytes):
            texts.append(base64.b64encode(value).decode())
        elif kind.is_url:
            texts.extend(filter(None, _passwords(value)))
        elif kind.is_secret:
            texts.append(value.removeprefix(WHSEC_PREFIX))
    return tuple(texts)


def _passwords(url: str) -> Iterator[str]:
    """Yield the passwords of a URL, as they are written and as they are sent.

    A proxy receives user and password together in base64.
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
