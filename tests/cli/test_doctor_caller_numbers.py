"""``otpvoice doctor``: which numbers may call people in India."""

from pathlib import Path

import pytest
from cli.findings import with_remedies

from otpvoice.cli.doctor.caller_numbers import (
    caller_number_finding,
    caller_number_findings,
    caller_numbers,
)
from otpvoice.diagnostics import Level
from otpvoice.settings import load

OK, ADVICE, WARN, FAIL = Level
PROMOTION, REGULATED, OTHER_160 = "promotion only", "regulated senders", "begins with 160"
MOBILE, LANDLINE, FOREIGN = "is a mobile number", "is a landline", "is a foreign number"
RECEIVES, UNKNOWN = "receives calls only", "in no known series"
TWILIO = """
[providers.twilio]
kind = "twiml"
vendor = "twilio"
account = "A1"
token = "t0ken-of-it"
bridge = "12025550100"
texts = { default = "Your code is {otp}." }
"""
"""A further provider, which calls from the United States."""


@pytest.mark.parametrize(
    ("number", "level", "text"),
    [
        # Promotion, in every length that operators use.
        ("+91140", FAIL, PROMOTION),
        ("+9114012345", FAIL, PROMOTION),
        ("+91140123456", FAIL, PROMOTION),
        ("+911401234567", FAIL, PROMOTION),
        ("+911409876543", FAIL, PROMOTION),
        # Service and transactional calls. libphonenumber takes some of them for mobile numbers.
        ("+911600123456", OK, REGULATED),
        ("+911600999999", OK, REGULATED),
        ("+911601123456", OK, REGULATED),
        ("+91160112345", OK, REGULATED),
        ("+911602234567", ADVICE, OTHER_160),
        ("+911604123456", ADVICE, OTHER_160),
        ("+911610123456", WARN, UNKNOWN),
        ("+911609123456", ADVICE, OTHER_160),
        # Mobile numbers.
        ("+916001234567", WARN, MOBILE),
        ("+916301234567", WARN, MOBILE),
        ("+917000123456", WARN, MOBILE),
        ("+918123456789", WARN, MOBILE),
        ("+919112345678", WARN, MOBILE),
        ("+919876543210", WARN, MOBILE),
        ("+919999999999", WARN, MOBILE),
        # Landlines, also those whose area code begins like a mobile number.
        ("+911123456789", OK, LANDLINE),
        ("+911412345678", OK, LANDLINE),
        ("+911203456789", OK, LANDLINE),
        ("+912226754321", OK, LANDLINE),
        ("+913322345678", OK, LANDLINE),
        ("+914023456789", OK, LANDLINE),
        ("+914423456789", OK, LANDLINE),
        ("+917912345678", OK, LANDLINE),
        ("+918041234567", OK, LANDLINE),
        ("+918068280000", OK, LANDLINE),
        # Numbers that cannot call.
        ("+911800123456", FAIL, RECEIVES),
        ("+9118001234567", FAIL, RECEIVES),
        ("+911860123456", FAIL, RECEIVES),
        ("+9118601234567", FAIL, RECEIVES),
        # Foreign numbers.
        ("+12025550100", FAIL, FOREIGN),
        ("+14155552671", FAIL, FOREIGN),
        ("+442071838750", FAIL, FOREIGN),
        ("+97143211234", FAIL, FOREIGN),
        ("+918", WARN, UNKNOWN),
        ("+911900123456", WARN, UNKNOWN),
        ("+915012345678", WARN, UNKNOWN),
        ("+9198765432", WARN, UNKNOWN),
    ],
)
def test_series_of_a_number_decides(number: str, level: Level, text: str) -> None:
    """The finding names the rule and its date, and masks the number."""
    (finding,) = with_remedies([caller_number_finding("provider.bridge", number)])
    assert (finding.level, finding.subject) == (level, "provider.bridge")
    assert text in finding.found
    assert len(number) < 9 or number not in str(finding)
    if text in {PROMOTION, REGULATED, OTHER_160, MOBILE, LANDLINE}:
        assert "20" in finding.found.partition("(")[2]


def test_landline_names_the_dates_of_regulated_firms() -> None:
    found = caller_number_finding("provider.bridge", "+918068280000").found
    assert "RBI, SEBI, IRDAI or PFRDA" in found
    assert "2026-01-01" in found
    assert "2026-03-15" in found


@pytest.mark.parametrize(
    ("toml", "numbers"),
    [
        ("", {"provider.bridge": "+918068280000"}),
        (
            '[provider]\ncaller_id = "+911401234567"',
            {"provider.caller_id": "+911401234567"},
        ),
        (
            (
                '[provider]\ncaller_id = "+911601123456"\n'
                '[clients.bank]\ncaller_id = "+911600123456"'
            ),
            {"clients.bank.caller_id": "+911600123456", "provider.caller_id": "+911601123456"},
        ),
        (
            '[clients.bank]\nbridge = "919876543210"',
            {"clients.bank.bridge": "+919876543210", "provider.bridge": "+918068280000"},
        ),
        (
            (
                '[provider]\ncaller_id = "+911601123456"\n'
                '[clients.bank]\nbridge = "912226754321"\ncaller_id = ""'
            ),
            {"clients.bank.bridge": "+912226754321", "provider.caller_id": "+911601123456"},
        ),
        (
            (
                '[provider]\ncaller_id = "+911601123456"\n'
                '[clients.bank]\nbridges = ["912226754321", "919876543210"]'
            ),
            {
                "clients.bank.bridges[0]": "+912226754321",
                "clients.bank.bridges[1]": "+919876543210",
                "provider.caller_id": "+911601123456",
            },
        ),
        ('[limits]\nregions = ["US"]', {}),
        (
            (
                '[limits]\nregions = ["US"]\n'
                '[clients.bank]\nregions = ["US", "IN"]\nbridge = "912226754321"'
            ),
            {"clients.bank.bridge": "+912226754321"},
        ),
        (TWILIO, {"provider.bridge": "+918068280000", "providers.twilio.bridge": "+12025550100"}),
        (
            f'{TWILIO}[routes.abroad]\nprovider = "twilio"\nregions = ["US", "GB"]',
            {"provider.bridge": "+918068280000"},
        ),
        (
            f'{TWILIO}[dialer]\nroutes = ["twilio"]',
            {"providers.twilio.bridge": "+12025550100"},
        ),
    ],
    ids=[
        *("bridge", "caller_id", "of_a_client", "line_of_a_client", "emptied_by_a_client"),
        "lines_of_a_client",
        *("nobody_calls_india", "one_client_does", "two_providers", "provider_of_other_regions"),
        "order_of_routes",
    ],
)
def test_every_number_that_may_call_india_is_checked(
    environ: dict[str, str], tmp_path: Path, toml: str, numbers: dict[str, str]
) -> None:
    """By the setting that names it: of clients, of every provider, of no other region."""
    config = tmp_path / "otpvoice.toml"
    config.write_text(toml)
    settings = load({**environ, "OTPVOICE_CONFIG": str(config)}).settings
    assert caller_numbers(settings) == numbers
    assert {each.subject for each in caller_number_findings(settings)} == {*numbers}
