"""Whom the rules of numbers let through: tried with a sample number of each region."""

from collections.abc import Iterator, Sequence
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from otpvoice.cli.doctor.findings import Finding, advice, failure, ok, warning
from otpvoice.core.errors import RequestRefused
from otpvoice.core.phone import NumberRules, parse_allowed_number
from otpvoice.settings import Settings

_NUMBER_TYPES: Final = {
    "mobile": PhoneNumberType.MOBILE,
    "fixed_line_or_mobile": PhoneNumberType.FIXED_LINE_OR_MOBILE,
    "fixed_line": PhoneNumberType.FIXED_LINE,
}


def number_findings(settings: Settings) -> Iterator[Finding]:
    """Of the common rules, and of each client that has regions of its own."""
    limits = settings.limits
    yield from _check_regions("limits.regions", limits.regions, settings)
    for name, client in settings.clients.items():
        if client.regions is not None:
            yield from _check_regions(f"clients.{name}.regions", client.regions, settings)
    regions = {*limits.regions, *(r for c in settings.clients.values() for r in c.regions or ())}
    for i, prefix in enumerate(limits.deny_prefixes):
        yield from _check_prefix(f"limits.deny_prefixes[{i}]", prefix, regions)


def _check_regions(name: str, regions: Sequence[str], settings: Settings) -> Iterator[Finding]:
    if not regions:
        yield failure(name, "is empty, so that nobody is called", "name the regions to call")
    for region in regions:
        kinds = [
            kind for kind in settings.limits.number_types if _is_allowed(region, kind, settings)
        ]
        if kinds:
            yield ok(name, f"{region}: {', '.join(kinds)} numbers are called")
        else:
            wanted = ", ".join(settings.limits.number_types)
            found = f"{region}: no number that is known of is called, of {wanted}"
            todo = "see limits.number_types and limits.deny_prefixes, or drop the region"
            yield warning(name, found, todo)


def _is_allowed(region: str, number_type: str, settings: Settings) -> bool:
    """Whether the region's sample of this very kind passes."""
    sample = phonenumbers.example_number_for_type(region, _NUMBER_TYPES[number_type])
    if sample is None:
        return False
    limits = settings.limits
    rules = NumberRules([region], [number_type], limits.deny_prefixes)
    try:
        parse_allowed_number(phonenumbers.format_number(sample, PhoneNumberFormat.E164), rules)
    except RequestRefused:
        return False
    return True


def _check_prefix(name: str, prefix: str, regions: set[str]) -> Iterator[Finding]:
    """A prefix that denies nobody, or everybody, is hardly meant."""
    codes = {region: f"+{phonenumbers.country_code_for_region(region)}" for region in regions}
    wholly = sorted(region for region, code in codes.items() if code.startswith(prefix))
    partly = [region for region, code in codes.items() if prefix.startswith(code)]
    if wholly:
        found = f"{prefix} denies every number of {', '.join(wholly)}"
        yield warning(name, found, "make it longer, or drop the region")
    elif not partly:
        found = f"{prefix} denies nobody: no region that is called begins so"
        yield advice(name, found, "correct or drop it")
    else:
        yield ok(name, f"{prefix} is denied")
