"""Whether the settings are fit for what they are used for. Talks to nobody."""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from otpvoice.cli.doctor.findings import Finding, advice, failure, ok, warning
from otpvoice.cli.secret_audit import find_weak_secrets
from otpvoice.core.flow import Flow
from otpvoice.core.verification import Route
from otpvoice.settings import Settings
from otpvoice.settings.validation import MIN_PRODUCTION_CODE_LENGTH, cross_field_errors

_RECOMMENDED_CODE_LENGTH: Final = 6
"""Digits."""


def service_findings(settings: Settings) -> Iterator[Finding]:
    """Whether it may serve people, and whom."""
    if not settings.server.production:
        todo = "set it to true where real people are called"
        yield warning("server.production", "is false: samples and plain http are let through", todo)
        yield from _production_findings(settings)
    else:
        yield ok("server.production", "true, and nothing stands against it")
    yield from _guessing_findings(settings)
    if settings.test_numbers:
        found = "test numbers are set: whoever knows them gets in as them"
        yield warning("test_numbers", found, "take out those that nobody needs any more")
    if not settings.clients:
        yield failure(
            "clients", "there is none, so that nobody can ask", "otpvoice keys new CLIENT"
        )


def _guessing_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what production accepts and NIST SP 800-63B-4 or experience advises against."""
    digits, limits = settings.verification.code_length, settings.limits
    if MIN_PRODUCTION_CODE_LENGTH <= digits < _RECOMMENDED_CODE_LENGTH:
        todo = f"set it to {_RECOMMENDED_CODE_LENGTH} (NIST SP 800-63B-4, section 3.1.3)"
        yield warning("verification.code_length", f"is {digits}", todo)
    for name in ("conversion_breaker", "wrong_code_breaker"):
        is_other_on = limits.conversion_breaker or limits.wrong_code_breaker
        if is_other_on and getattr(limits, name) is None:
            yield warning(f"limits.{name}", "is off", "remove the line for the default")


def _production_findings(settings: Settings) -> Iterator[Finding]:
    """What production would refuse, and is not told of with the secrets anyway."""
    reported = {"provider.webhook_secret", *(fault.name for fault in find_weak_secrets(settings))}
    server = structs.replace(settings.server, production=True)
    for name, detail in cross_field_errors(structs.replace(settings, server=server)):
        if name not in reported:
            found, _, why = detail.partition(": ")
            reason = f" ({why})" if why else ""
            yield warning(name, f"is not fit for production{reason}", found)


def secret_findings(settings: Settings) -> Iterator[Finding]:
    """Whether secrets are secret."""
    faults = [*find_weak_secrets(settings)]
    for fault in faults:
        found, _, remedy = fault.remedy.partition(": ")
        yield failure(fault.name, found, remedy)
    if not faults:
        yield ok("secrets", "none is a sample's, used twice, or easy to guess")
    if settings.provider.webhook_secret or settings.provider.webhook_path_token:
        yield ok("webhook", "callbacks can prove where they come from")
    else:
        todo = "set provider.webhook_secret or provider.webhook_path_token"
        yield failure("webhook", "every callback is refused, none could prove itself", todo)


def flow_findings(settings: Settings) -> Iterator[Finding]:
    """Whether what is spoken can be understood, and is spoken once."""
    provider = settings.provider
    if provider.audio and Route.OBD in provider.routes:
        found = "a sound is played in OBD calls, which speaks no code"
        yield failure("provider.audio", found, "leave it empty")
    if provider.interval:
        found = f"the provider dials again after {provider.interval} min, when the code has expired"
        yield warning("provider.interval", found, "set it to 0")
    if provider.c2c_attempts:
        found = f"the provider dials an unanswered number {provider.c2c_attempts} times more"
        yield warning(
            "provider.c2c_attempts", found, "set it to 0: verification.max_redials is ours"
        )
    for owner, flows in _flows_by_owner(settings):
        for tag, flow in flows.items():
            name = f"{owner}.flows.{tag}"
            if not flow.text:
                found = "its text is not told, so that nobody knows whether a code was heard"
                yield advice(name, found, 'set it to { id = "…", text = "…" }')
            elif "otp" not in flow.text:
                yield failure(name, "its text speaks no {otp}", "mend the flow, or its text here")
            elif flow.text.count("otp}") < 2:
                yield advice(name, "its text speaks {otp} once", "twice is easier to write down")


def _flows_by_owner(settings: Settings) -> Iterator[tuple[str, dict[str, Flow]]]:
    yield "provider", dict(settings.provider.flows)
    for name, client in settings.clients.items():
        if client.flows is not None:
            yield f"clients.{name}", dict(client.flows)
