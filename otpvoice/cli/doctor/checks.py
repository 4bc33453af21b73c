"""Everything that is looked at, one after the other."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from otpvoice.cli.doctor.connectivity import connectivity_finding
from otpvoice.cli.doctor.files import file_findings
from otpvoice.cli.doctor.findings import Finding, failure, ok, run_check, warning
from otpvoice.cli.doctor.machine import machine_findings
from otpvoice.cli.doctor.numbers import number_findings
from otpvoice.cli.doctor.provider import provider_findings
from otpvoice.cli.doctor.settings import flow_findings, secret_findings, service_findings
from otpvoice.cli.doctor.store import store_findings
from otpvoice.cli.doctor.webhook import webhook_findings
from otpvoice.http_client.certificates import InvalidCaBundleError, create_tls_context
from otpvoice.settings import Settings, SettingsError, load
from otpvoice.settings.validation import setting_warnings as hardly_meant


def run_checks(
    environ: Mapping[str, str], trusted: ssl.SSLContext | None = None
) -> Iterator[Finding]:
    """Yield everything that is found, as soon as it is; unreadable settings end it.

    Args:
        environ: environment variables.
        trusted: certificate authorities; by default those that the service trusts.
    """
    try:
        loaded = load(environ)
        trusted = trusted or create_tls_context(environ)
    except SettingsError as error:
        for wrong in error.invalid:
            yield failure(wrong.name, wrong.detail, f"correct it ({wrong.source})")
        return
    except InvalidCaBundleError as error:
        yield failure(error.variable, error.detail, "correct or unset the variable")
        return
    settings = loaded.settings
    yield ok("settings", "every field can be used")
    for unknown in loaded.warnings:
        if unknown not in {*hardly_meant(settings)}:  # which is looked at below
            yield warning("settings", unknown, "correct or drop it")
    for subject, look in (
        ("settings", partial(service_findings, settings)),
        ("files", partial(file_findings, environ, settings)),
        ("machine", partial(machine_findings, settings.redis.url)),
        ("secrets", partial(secret_findings, settings)),
        ("numbers", partial(number_findings, settings)),
        ("flows", partial(flow_findings, settings)),
        ("redis", partial(store_findings, settings)),
        ("webhook", partial(webhook_findings, settings, trusted)),
        ("events", partial(_event_findings, settings, trusted)),
        ("provider", partial(provider_findings, settings, trusted)),
    ):
        yield from run_check(subject, look)


def _event_url_address(name: str, url: str) -> Iterator[Finding]:
    """Yield a failure for an address that only this machine or its cloud has a use for."""
    kinds = {"is_link_local": "link-local", "is_multicast": "multicast", "is_reserved": "reserved"}
    for address in _resolve(urlsplit(url).hostname or ""):
        for kind, word in kinds.items():
            if getattr(address, kind):
                found = f"leads to {address}, a {word} address (cloud metadata services have such)"
                yield failure(name, found, "set the address of the client's own server")
                return


def _resolve(host: str) -> list[IPv4Address | IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []  # that it is not reached is a finding of its own
    return [ip_address(str(where[0]).partition("%")[0]) for *_, where in found]


def _event_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Whether clients can be told; nothing is."""
    for name, client in settings.clients.items():
        if client.event_url:
            yield from _event_url_address(f"clients.{name}.event_url", client.event_url)
            todo = "have the client mend it, or correct event_url: its events are kept for a day"
            found, _ = connectivity_finding(
                f"events of {name}", client.event_url, trusted, todo, settings.events.proxy
            )
            yield found
