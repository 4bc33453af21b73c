"""Addresses and URLs of several servers, as the settings check them and the store uses them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

Address = tuple[str, int]
"""Host and port."""

_ADDRESS: Final = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_TLS_FILE: Final = "ssl_(?:ca_certs|certfile|keyfile)=[^&]+"
_HA_URL: Final = re.compile(
    r"redis\+(?P<kind>sentinel|cluster)://((?P<user>[^:@/?]*):(?P<password>[^:@/?]*)@)?"
    r"(?P<nodes>[^@/?]*)(?P<path>[^@?]*)(\?(?P<query>.*))?"
)


@dataclass(frozen=True, slots=True)
class HaUrl:
    """A URL of several servers, one of which is the primary."""

    nodes: tuple[Address, ...]
    """Sentinels, or nodes of the cluster."""
    service: str | None
    """The Sentinels' name for the primary; None in a cluster."""
    db: int
    user: str | None
    password: str | None = field(repr=False)
    """User and password are those of the primary and of a cluster's nodes."""
    tls: bool
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    """Sentinels have credentials of their own, or none."""
    tls_files: Mapping[str, str] = field(default_factory=dict)
    """``ssl_ca_certs``, ``ssl_certfile`` and ``ssl_keyfile``, as far as they are given: paths."""


def parse_address(text: str) -> Address:
    """Parse ``host:port``. A host with colons is in brackets, as in ``[::1]:6379``.

    Raises:
        ValueError: it is malformed.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("host, colon and port are expected")
    return match["host"].strip("[]"), int(match["port"])


def parse_ha_url(url: str) -> HaUrl:
    """Parse ``redis+sentinel://[user:password@]host:port,host:port/service[/db]``, or a cluster's.

    Raises:
        ValueError: says what is expected in its place, and never repeats the URL.
    """
    parsed = _HA_URL.fullmatch(url)
    if parsed is None or not re.fullmatch(r"[!-~]+", url):
        raise ValueError("it is not redis+sentinel:// or redis+cluster:// and hosts")
    try:
        nodes = tuple(map(parse_address, parsed["nodes"].split(",")))
    except ValueError:
        raise ValueError("hosts with ports, as in host:port,host:port, are expected") from None
    is_cluster = parsed["kind"] == "cluster"
    path = re.fullmatch("/?()()" if is_cluster else "/([^/]+)(?:/([0-9]+))?", parsed["path"])
    if path is None and is_cluster:
        raise ValueError("a cluster has no service and no databases")
    if path is None:
        raise ValueError("/service or /service/database is expected after the hosts")
    options = _parse_options(parsed["query"] or "", is_cluster=is_cluster)
    return HaUrl(
        nodes=nodes,
        service=unquote(path[1]) or None,
        db=int(path[2] or 0),
        user=unquote(parsed["user"] or "") or None,
        password=unquote(parsed["password"] or "") or None,
        tls=options.get("tls") == "true",
        sentinel_user=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        tls_files={name: path for name, path in options.items() if name.startswith("ssl_")},
    )


def _parse_options(query: str, *, is_cluster: bool) -> dict[str, str]:
    login = "" if is_cluster else "|sentinel_(username|password)=[^&]+"
    option = rf"(tls=(true|false)|{_TLS_FILE}{login})"
    if not re.fullmatch(rf"({option}(&{option})*)?", query):
        more = "" if is_cluster else " and sentinel_username=…, sentinel_password=…"
        raise ValueError(f"nothing but ?tls=true{more} may follow")
    pairs = [pair.partition("=") for pair in query.split("&")]
    return {name: unquote(value) for name, _, value in pairs}
