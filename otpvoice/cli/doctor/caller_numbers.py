"""Checks of the numbers that call India: what the series of each one is meant for.

The rules change: ``docs/compliance-india.md`` has them with their dates and sources, and what is
not confirmed. A finding is no legal advice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from otpvoice.core.keys import mask_number
from otpvoice.diagnostics import Finding, Level
from otpvoice.sections import line_settings
from otpvoice.settings import Settings
from otpvoice.settings.routing import (
    default_provider,
    planned_routes,
    providers_by_name,
    route_order,
)

_INDIA: Final = "IN"
_CALLING_CODE: Final = "+91"
_OTHER_NUMBER: Final = "ask the provider for a landline, or for a 1600 number if you are regulated"


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a series of numbers is meant for."""

    level: Level
    found: str
    todo: str = ""


_FOREIGN: Final = _Rule(
    Level.FAILURE,
    "is a foreign number: senders are registered with operators in India (TCCCPR 2018), whose "
    "series have no such number, and providers refuse the call",
    "limit its routes to other regions, or call from an Indian number",
)
_UNKNOWN: Final = _Rule(
    Level.WARNING, "is in no known series of numbers in India", "correct the setting"
)
_RULES: Final[tuple[tuple[str, tuple[int, ...], _Rule], ...]] = (
    (
        r"140\d*",
        (),
        _Rule(
            Level.FAILURE,
            "is of the 140 series, for promotion only: transactional calls from it are a violation "
            "(TCCCPR 2018, tightened on 2025-02-12), and people do not answer them",
            _OTHER_NUMBER,
        ),
    ),
    (
        r"160[01]\d*",
        (),
        _Rule(
            Level.OK,
            "is of the 1600 series: for service and transactional calls of regulated senders, "
            "codes included (DoT, 2024-05-30)",
        ),
    ),
    (
        r"160\d*",
        (),
        _Rule(
            Level.ADVICE,
            "begins with 160, a series for service and transactional calls of which 1600 is "
            "assigned to government and 1601 to regulated finance (DoT, 2024-05-30)",
            "ask the provider which series this number is of",
        ),
    ),
    (
        r"18[06]0\d*",
        (PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST, PhoneNumberType.PREMIUM_RATE),
        _Rule(
            Level.FAILURE,
            "is a toll-free, shared-cost or premium number, which receives calls only",
            _OTHER_NUMBER,
        ),
    ),
    (
        "",
        (PhoneNumberType.FIXED_LINE,),
        _Rule(
            Level.OK,
            "is a landline: if RBI, SEBI, IRDAI or PFRDA regulate you, it has been 1600 since a "
            "date from 2026-01-01 (banks) to 2026-03-15 (TRAI, 2025-11-19 and 2025-12-16; "
            "docs/compliance-india.md)",
        ),
    ),
    (
        r"[6-9]\d{9}",
        (PhoneNumberType.MOBILE,),
        _Rule(
            Level.WARNING,
            "is a mobile number: not for commercial senders (TCCCPR, second amendment of "
            "2025-02-12)",
            _OTHER_NUMBER,
        ),
    ),
)
"""Pattern of the national number, libphonenumber's types, and their rule. The first match counts.

Series come before types, because libphonenumber takes 1600 for mobile numbers.
"""


def caller_number_findings(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each number from which a client may call India."""
    for subject, number in caller_numbers(settings).items():
        yield caller_number_finding(subject, number)


def caller_numbers(settings: Settings) -> dict[str, str]:
    """Return each number (E.164) that may call India, by the setting that names it."""
    routes, sections = planned_routes(settings), providers_by_name(settings)
    tables = dict(zip(sections, settings.provider_tables(), strict=True))
    default, numbers = default_provider(settings), {}
    order = (routes[name] for name in route_order(settings))
    used = {each.provider: None for each in order if not each.regions or _INDIA in each.regions}
    for name, client in settings.clients.items():
        if _INDIA not in settings.client_profile(name).number_rules.regions:
            continue
        for provider in used:
            section, table = sections[provider], tables[provider]
            # A client's own line is with the default provider.
            own = client if section is default else section
            owner = f"clients.{name}" if section is default else table
            lines = line_settings(owner, own.bridge, own.bridges)
            lines = lines or line_settings(table, section.bridge, section.bridges)
            caller_id, caller_table = own.caller_id, owner
            if caller_id is None:
                caller_id, caller_table = section.caller_id, table
            if caller_id and len(lines) == 1:  # of several, people see the one that calls
                numbers[f"{caller_table}.caller_id"] = caller_id
            else:
                numbers |= {setting: f"+{bridge}" for setting, bridge in lines.items()}
    return numbers


def caller_number_finding(subject: str, number: str) -> Finding:
    """Return whether a number may call people in India with a code.

    Args:
        subject: the setting that has the number.
        number: E.164, in any length that the setting takes.
    """
    rule = _rule_of(number)
    return Finding(rule.level, subject, f"{mask_number(number)} {rule.found}", rule.todo)


def _rule_of(number: str) -> _Rule:
    if not number.startswith(_CALLING_CODE):
        return _FOREIGN
    national = number.removeprefix(_CALLING_CODE)
    try:
        number_type = phonenumbers.number_type(phonenumbers.parse(number))
    except NumberParseException:
        number_type = PhoneNumberType.UNKNOWN
    for pattern, types, rule in _RULES:
        if re.fullmatch(pattern, national) or number_type in types:
            return rule
    return _UNKNOWN
