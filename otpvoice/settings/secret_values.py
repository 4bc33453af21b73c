"""The texts of all secrets, for the redaction of logs."""

import base64
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus, urlsplit

from otpvoice.settings.parsers import WHSEC_PREFIX
from otpvoice.settings.schema import Settings, credential_fields


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
