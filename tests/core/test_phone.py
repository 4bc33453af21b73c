"""Which texts are numbers, which numbers are called, and how much of one is shown."""

import contextlib

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from otpvoice.core.errors import InvalidNumber, NumberNotAllowed, RequestRefused
from otpvoice.core.phone import NumberRules, mask_number, parse_allowed_number

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
def test_only_strict_e164_is_a_number(text: str) -> None:
    """Anything but + and 7 to 15 ASCII digits is refused, however well it could be guessed."""
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
def test_numbers_that_no_telephone_has(number: str) -> None:
    """A wrong length, prefix or calling code is no number, even in the right shape."""
    with pytest.raises(InvalidNumber):
        parse_allowed_number(number, NumberRules(["IN", "US"], ["mobile", "fixed_line_or_mobile"]))


@pytest.mark.parametrize(
    ("number", "rules"),
    [
        ("+919876543210", INDIA),
        ("+916000000000", INDIA),
        ("+12015550123", AMERICA),
    ],
)
def test_allowed_numbers_stay_as_they_are(number: str, rules: NumberRules) -> None:
    """What is canonical already is not touched."""
    assert parse_allowed_number(number, rules).e164 == number


def test_a_trunk_zero_is_dropped() -> None:
    """+91 0 98765 43210 is the telephone +91 98765 43210: one telephone, one number."""
    assert parse_allowed_number("+9109876543210", INDIA).e164 == "+919876543210"


def test_a_zero_that_belongs_to_the_number_stays() -> None:
    """Italian fixed lines begin with zero after the calling code."""
    milan = NumberRules(["IT"], ["fixed_line"])
    assert parse_allowed_number("+390212345678", milan).e164 == "+390212345678"


def test_the_region_decides_and_not_the_calling_code() -> None:
    """+1 264 is Anguilla, whose calls cost many times those of the rest of +1."""
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
def test_numbers_of_an_allowed_region_that_are_not_called(number: str, why: str) -> None:
    """Free, premium, company and fixed lines, and the prefixes of official callers."""
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
def test_costly_types_are_refused_by_name(number: str, region: str, kind: str) -> None:
    """Premium, personal, pager and VoIP numbers are no mobiles, in an allowed region too."""
    with pytest.raises(NumberNotAllowed, match=f"type {kind}"):
        parse_allowed_number(number, NumberRules([region], ["mobile", "fixed_line_or_mobile"]))


@pytest.mark.parametrize("number", ["+881612345678", "+870773111632", "+80012345678"])
def test_numbers_of_no_region(number: str) -> None:
    """Satellite and international numbers belong to no region that can be allowed by its code."""
    with pytest.raises(NumberNotAllowed, match="region"):
        parse_allowed_number(number, NumberRules(["IN", "US", "GB"], ["mobile", "toll_free"]))


def test_denied_beginnings_are_refused_in_allowed_regions_and_types() -> None:
    """A denied prefix wins over region and type, and only that prefix."""
    rules = NumberRules(["IN"], ["mobile"], ["+9198765"])
    with pytest.raises(NumberNotAllowed, match=r"\+9198765"):
        parse_allowed_number("+919876543210", rules)
    assert parse_allowed_number("+919876443210", rules).e164 == "+919876443210"


def test_a_denied_beginning_holds_for_the_canonical_form() -> None:
    """A trunk zero does not get around a denied prefix."""
    with pytest.raises(NumberNotAllowed, match="begin"):
        parse_allowed_number("+9109876543210", NumberRules(["IN"], ["mobile"], ["+9198765"]))


def test_no_rule_holds_for_a_test_number() -> None:
    """Region, type and beginning do not matter where nobody is called; that it is a number does."""
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
def test_an_empty_list_allows_nothing(rules: NumberRules) -> None:
    """Empty means none, never all."""
    with pytest.raises(NumberNotAllowed):
        parse_allowed_number("+919876543210", rules)


@given(st.from_regex(r"\+910?[6-9][0-9]{9}", fullmatch=True))
def test_the_canonical_form_is_its_own(text: str) -> None:
    """Parsing what parsing gave changes nothing: one number names one telephone."""
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
"""What is dialed before a number at home, where there is such a thing."""


@pytest.mark.parametrize("region", sorted(TRUNKS))
@pytest.mark.parametrize("kind", [PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
def test_a_trunk_prefix_makes_no_second_number(region: str, kind: int) -> None:
    """In every region that has one: the same canonical number, or none."""
    example = phonenumbers.example_number_for_type(region, kind)
    assert example
    canonical = phonenumbers.format_number(example, PhoneNumberFormat.E164)
    assert parse_allowed_number(canonical, EVERYWHERE).e164 == canonical
    national = phonenumbers.national_significant_number(example)
    with contextlib.suppress(InvalidNumber):
        dialed = parse_allowed_number(
            f"+{example.country_code}{TRUNKS[region]}{national}", EVERYWHERE
        )
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
def test_what_people_add_to_a_number(written: str, canonical: str | None) -> None:
    """What rings one telephone has one canonical form, or is refused: no limit is walked around."""
    if canonical:
        assert parse_allowed_number(written, EVERYWHERE).e164 == canonical
    else:
        with pytest.raises(InvalidNumber):
            parse_allowed_number(written, EVERYWHERE)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
@settings(max_examples=500)
def test_canonical_everywhere(text: str) -> None:
    """In every country what parsing gave is its own canonical form."""
    with contextlib.suppress(RequestRefused):
        number = parse_allowed_number(text, EVERYWHERE)
        assert parse_allowed_number(number.e164, EVERYWHERE) == number


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    """Nothing else comes out, whatever goes in."""
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
def test_masks(number: str, masked: str) -> None:
    """The calling code's beginning and the last four digits are shown, the length is kept."""
    assert mask_number(number) == masked


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_masked_number_can_not_be_called(number: str) -> None:
    """At least three digits are hidden, whatever the length."""
    masked = mask_number(number)
    assert len(masked) == len(number)
    assert masked.count("*") >= 3
    assert all(shown in {"*", digit} for shown, digit in zip(masked, number, strict=True))
