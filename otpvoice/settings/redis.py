"""``[redis]``: the store, and how its servers are authenticated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from otpvoice import setting_types as types
from otpvoice.addresses import parse_ha_url
from otpvoice.sections import FieldProblem, Section


def _parse_file(text: str) -> str:
    try:
        if text:
            Path(text).open("rb").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise ValueError(f"{text!r} cannot be read: {reason}") from None
    return text


_FILE: Final = types.FieldType("the path of a PEM file", _parse_file, is_optional=True)


class Redis(Section, frozen=True, kw_only=True):
    """``[redis]``: the store."""

    url: Annotated[str, types.REDIS_URL] = "redis://localhost:6379/0"
    sentinel_username: str = ""
    sentinel_password: Annotated[str, types.OPTIONAL_SECRET] = ""
    ca_file: Annotated[str, _FILE] = ""
    """PEM: the authorities that the servers' certificates are verified with. Empty: the system's"""
    client_cert: Annotated[str, _FILE] = ""
    """PEM: the certificate that the servers ask for, and the chain to its authority."""
    client_key: Annotated[str, _FILE] = ""
    """PEM: the key of ``client_cert``. Empty: the same file holds it."""

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        ha_tls = self.url.startswith("redis+") and parse_ha_url(self.url).tls
        return ha_tls or self.url.startswith("rediss://")

    @property
    def full_url(self) -> str:
        """``url`` with the Sentinels' credentials and the files for TLS. A secret."""
        options = {
            "sentinel_username": self.sentinel_username,
            "sentinel_password": self.sentinel_password,
            "ssl_ca_certs": self.ca_file,
            "ssl_certfile": self.client_cert,
            "ssl_keyfile": self.client_key,
        }
        given = {name: value for name, value in options.items() if value}
        query = urlencode(given, quote_via=quote)
        return f"{self.url}{'&' if '?' in self.url else '?'}{query}" if query else self.url

    def problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts another field."""
        without_use = []
        if not self.url.startswith("redis+sentinel://"):
            detail = "has no use: redis.url is not a redis+sentinel:// URL"
            without_use += [(name, detail) for name in ("sentinel_username", "sentinel_password")]
        if not self.has_tls:
            detail = "has no use without TLS: set redis.url to rediss://, or add ?tls=true to it"
            without_use += [(name, detail) for name in ("ca_file", "client_cert", "client_key")]
        for name, detail in without_use:
            if getattr(self, name):
                yield name, detail
        if self.client_key and not self.client_cert:
            yield "client_cert", "is missing: redis.client_key is the key of a certificate"
