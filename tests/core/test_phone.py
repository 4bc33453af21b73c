"""Parsing of E.164 numbers, the rules for which are called, and masking."""

import contextlib

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from otpvoice.core.errors import InvalidNumber, NumberNotAllowed, RequestRefused
from otpvoice.core.keys import mask_number
from otpvoice.core.phone import NumberRules, parse_allowed_number

INDIA = NumberRules(["IN"], ["mobile", "fixed_line_or_mobile"], ["+91140", "+91160"])
AMERICA = NumberRules(["US"], ["mobile", "fixed_line_or_mobile"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "919876543210",
        "9876543210",
        "00919876543210",
        "+91 98765 43210",
        "+91-9876543210",
        "+91.9876543210",
        "+91(0)9876543210",
        "+91 (0) 9876543210",
        "+919876543210x12",
        "+919876543210;ext=12",
        "+919876543210,12",
        "tel:+919876543210",
        "+91FLOWERS",
        "+91987654321O",
        "+९१९८७६५४३२१०",
        "+91९८७६५४३२१०",
        "+９１９８７６５４３２１０",
        "＋919876543210",
        "+91987654321²",
        "+919876543210\n",
        "\n+919876543210",
        " +919876543210",
        "+919876543210 ",
        "+91987\u200b6543210",
        "\u202a+919876543210\u202c",
        "+919876543210\x00",
        "+019876543210",
        "+1234567890123456",
        "+123456",
        "++919876543210",
        "+91" * 5_000,
    ],
)
def test_text_that_is_not_strict_e164_is_refused(text: str) -> None:
    """Only + and 7 to 15 ASCII digits are accepted. Other notations are not guessed."""
    with pytest.raises(InvalidNumber):
        parse_allowed_number(text, INDIA)


@pytest.mark.parametrize(
    "number",
    [
        "+91987654321",
        "+9198765432101",
        "+912212345678",
        "+999123456789",
        "+210123456789",
        "+11234567890",
        "+123456789012345",
    ],
)
def test_number_that_cannot_exist_is_refused(number: str) -> None:
    """Its length, prefix or calling code is wrong."""
    with pytest.raises(InvalidNumber):
        parse_allowed_number(number, NumberRules(["IN", "US"], ["mobile", "fixed_line_or_mobile"]))


def test_region_decides_and_not_the_calling_code() -> None:
    """+1 264 is Anguilla, where calls cost many times as much as elsewhere in +1."""
    with pytest.raises(NumberNotAllowed, match="region AI"):
        parse_allowed_number("+12642351234", AMERICA)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+911800123456", "type toll_free"),
        ("+911861234567890", "type premium_rate"),
        ("+911401234567", "type uan"),
        ("+912223456789", "type fixed_line"),
        ("+911600123456", r"begin with \+91160"),
    ],
)
def test_types_that_are_not_allowed_are_refused(number: str, why: str) -> None:
    """Toll-free, premium, company and fixed lines, and the series of official callers."""
    with pytest.raises(NumberNotAllowed, match=why):
        parse_allowed_number(number, INDIA)


@pytest.mark.parametrize(
    ("number", "region", "kind"),
    [
        ("+19002345678", "US", "premium_rate"),
        ("+448712345678", "GB", "premium_rate"),
        ("+447012345678", "GB", "personal_number"),
        ("+447640123456", "GB", "pager"),
        ("+445612345678", "GB", "voip"),
    ],
)
def test_costly_types_are_refused_and_named(number: str, region: str, kind: str) -> None:
    """Premium, personal, pager and VoIP numbers, also in an allowed region."""
    with pytest.raises(NumberNotAllowed, match=f"type {kind}"):
        parse_allowed_number(number, NumberRules([region], ["mobile", "fixed_line_or_mobile"]))


@pytest.mark.parametrize("number", ["+881612345678", "+870773111632", "+80012345678"])
def test_numbers_without_a_country_are_refused(number: str) -> None:
    """Satellite and international numbers have no region that a setting could allow."""
    with pytest.raises(NumberNotAllowed, match="region"):
        parse_allowed_number(number, NumberRules(["IN", "US", "GB"], ["mobile", "toll_free"]))


def test_denied_prefix_is_refused_in_an_allowed_region() -> None:
    """Only this prefix is refused."""
    rules = NumberRules(["IN"], ["mobile"], ["+9198765"])
    with pytest.raises(NumberNotAllowed, match=r"\+9198765"):
        parse_allowed_number("+919876543210", rules)
    assert parse_allowed_number("+919876443210", rules).e164 == "+919876443210"


def test_denied_prefix_is_refused_with_a_trunk_zero() -> None:
    """The prefix is compared with the canonical form."""
    with pytest.raises(NumberNotAllowed, match="begin"):
        parse_allowed_number("+9109876543210", NumberRules(["IN"], ["mobile"], ["+9198765"]))


def test_test_number_is_allowed_against_all_rules() -> None:
    """It must still be a number that exists."""
    tests = dict.fromkeys(("+919876543210", "+18002345678", "+91"), "123456")
    rules = NumberRules([], [], ["+91"], tests)
    assert parse_allowed_number("+919876543210", rules).e164 == "+919876543210"
    assert parse_allowed_number("+9109876543210", rules).e164 == "+919876543210"
    assert parse_allowed_number("+18002345678", rules).number_type == "toll_free"
    with pytest.raises(InvalidNumber):
        parse_allowed_number("+91", rules)
    with pytest.raises(NumberNotAllowed):
        parse_allowed_number("+919876543211", rules)


@pytest.mark.parametrize("rules", [NumberRules([], ["mobile"]), NumberRules(["IN"], [])])
def test_empty_list_of_regions_allows_no_number(rules: NumberRules) -> None:
    """Empty means none, never all."""
    with pytest.raises(NumberNotAllowed):
        parse_allowed_number("+919876543210", rules)


@given(st.from_regex(r"\+910?[6-9][0-9]{9}", fullmatch=True))
def test_parsing_a_canonical_number_returns_it(text: str) -> None:
    """One number identifies one telephone."""
    try:
        number = parse_allowed_number(text, INDIA)
    except RequestRefused:
        assume(False)
    assert parse_allowed_number(number.e164, INDIA) == number
    assert number.e164 == "+91" + text[-10:]


EVERYWHERE = NumberRules(
    phonenumbers.SUPPORTED_REGIONS, ["mobile", "fixed_line", "fixed_line_or_mobile"]
)


TRUNKS = {
    region: metadata.national_prefix
    for region in phonenumbers.SUPPORTED_REGIONS
    if (metadata := PhoneMetadata.metadata_for_region(region)) and metadata.national_prefix
}
"""The national prefix of each region that has one."""


@pytest.mark.parametrize("kind", [PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
def test_trunk_prefix_makes_no_second_number(kind: int) -> None:
    """In every region: the same canonical number, or a refusal."""
    for region, trunk in TRUNKS.items():
        example = phonenumbers.example_number_for_type(region, kind)
        assert example, region
        canonical = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        assert parse_allowed_number(canonical, EVERYWHERE).e164 == canonical
        national = phonenumbers.national_significant_number(example)
        with contextlib.suppress(InvalidNumber):
            dialed = parse_allowed_number(f"+{example.country_code}{trunk}{national}", EVERYWHERE)
            assert dialed.e164 == canonical


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("+525512345678", "+525512345678"),  # Mexico, since 2019 without the 1 of mobiles
        ("+5215512345678", None),
        ("+52015512345678", None),
        ("+5491123456789", "+5491123456789"),  # Argentina: 9 from abroad, 15 at home
        ("+54111523456789", "+5491123456789"),
        ("+540111523456789", "+5491123456789"),
        ("+5511987654321", "+5511987654321"),  # Brazil: a ninth digit since 2016
        ("+551187654321", None),
        ("+551198765432", None),
        ("+55011987654321", "+5511987654321"),
        ("+550151123456789", "+551123456789"),  # with the digits of a carrier
        ("+390212345678", "+390212345678"),  # Italy: the zero is a part of the number
        ("+39212345678", None),
        ("+393123456789", "+393123456789"),
        ("+79161234567", "+79161234567"),  # Russia: 8 is the trunk prefix
        ("+789161234567", "+79161234567"),
        ("+12015550123", "+12015550123"),
        ("+112015550123", "+12015550123"),
        ("+4407400123456", "+447400123456"),
        ("+3606201234567", "+36201234567"),  # Hungary: 06
        ("+37780612345678", None),
        ("+22507070707", None),  # Ivory Coast, before the eight digits became ten
    ],
)
def test_additions_to_a_number_are_dropped_or_refused(written: str, canonical: str | None) -> None:
    """One telephone has one canonical form, so no limit can be circumvented."""
    if canonical:
        assert parse_allowed_number(written, EVERYWHERE).e164 == canonical
    else:
        with pytest.raises(InvalidNumber):
            parse_allowed_number(written, EVERYWHERE)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
@settings(max_examples=500)
def test_canonical_form_is_stable_in_every_region(text: str) -> None:
    """Parsing the result again returns it."""
    with contextlib.suppress(RequestRefused):
        number = parse_allowed_number(text, EVERYWHERE)
        assert parse_allowed_number(number.e164, EVERYWHERE) == number


@given(st.text())
def test_arbitrary_text_is_a_number_or_refused(text: str) -> None:
    """No other error is raised."""
    with pytest.raises(RequestRefused):
        parse_allowed_number(text, NumberRules([], []))


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+919876543210", "+91******3210"),
        ("+12015550123", "+12*****0123"),
        ("+2901234", "+***1234"),
        ("+123456789012345", "+12*********2345"),
    ],
)
def test_mask_number_shows_calling_code_and_last_digits(number: str, masked: str) -> None:
    """The length is kept."""
    assert mask_number(number) == masked


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_mask_number_hides_at_least_three_digits(number: str) -> None:
    """Whatever the length."""
    masked = mask_number(number)
    assert len(masked) == len(number)
    assert masked.count("*") >= 3
    assert all(shown in {"*", digit} for shown, digit in zip(masked, number, strict=True))
