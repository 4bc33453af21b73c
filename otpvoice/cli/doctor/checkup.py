"""Everything that is looked at, one after the other."""

import ssl
from collections.abc import Iterator, Mapping
from functools import partial

from otpvoice.cli.doctor.findings import Finding, failure, guarded, ok, warning
from otpvoice.cli.doctor.numbers import number_findings
from otpvoice.cli.doctor.provider import provider_findings
from otpvoice.cli.doctor.reach import reach_findings
from otpvoice.cli.doctor.settings import flow_findings, secret_findings, service_findings
from otpvoice.cli.doctor.store import store_findings
from otpvoice.cli.doctor.webhook import webhook_findings
from otpvoice.settings import Settings, SettingsError, load
from otpvoice.settings.rules import advice as hardly_meant


def examine(environ: Mapping[str, str], trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Everything that is found, as soon as it is; settings that can not be read end it.

    ``trusted``: the authorities whose certificates count.
    """
    try:
        loaded = load(environ)
    except SettingsError as error:
        for wrong in error.wrong:
            yield failure(wrong.name, wrong.detail, f"correct it ({wrong.source})")
        return
    settings = loaded.settings
    yield ok("settings", "every field can be used")
    for unknown in loaded.warnings:
        if unknown not in {*hardly_meant(settings)}:  # which is looked at below
            yield warning("settings", unknown, "correct or drop it")
    for subject, look in (
        ("settings", partial(service_findings, settings)),
        ("secrets", partial(secret_findings, settings)),
        ("numbers", partial(number_findings, settings)),
        ("flows", partial(flow_findings, settings)),
        ("redis", partial(store_findings, settings)),
        ("webhook", partial(webhook_findings, settings, trusted)),
        ("events", partial(_event_findings, settings, trusted)),
        ("provider", partial(provider_findings, settings, trusted)),
    ):
        yield from guarded(subject, look)


def _event_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Whether clients can be told; nothing is."""
    for name, client in settings.clients.items():
        if client.event_url:
            todo = "have the client mend it, or correct event_url: its events are kept for a day"
            found, _ = reach_findings(f"events of {name}", client.event_url, trusted, todo)
            yield found
