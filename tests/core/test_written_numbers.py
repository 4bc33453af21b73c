"""Numbers in the notations of operators."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import (
    parse_number,
    parse_sent_number,
    parse_written_number,
    single_region,
)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        *((text, "IN") for text in ("919876543210", "9876543210", "+91 98765 43210")),
        *((text, "IN") for text in ("098765 43210", "0 98765-43210", "091 98765 43210")),
        *(
            (text, "IN")
            for text in ("91 098765 43210", "(98765) 43210", "98765.43210", "98765/43210")
        ),
        *(
            (text, "IN")
            for text in ("TEL:9876543210", "९८७६५४३२१०", "٩٨٧٦٥٤٣٢١٠", "９８７６５４３２１０")
        ),
        *((text, None) for text in ("+919876543210", "0091 98765 43210", "00919876543210")),
        *(
            (text, None)
            for text in ("tel:+91-98765-43210", "tel://+919876543210", "+91 (0) 9876543210")
        ),
        *(
            (text, None)
            for text in ("+91098765 43210", "+ 91 98765 43210", "＋91\u00a098765–43210")
        ),
        *(
            (text, None)
            for text in ("\u202a+91 98765 43210\u202c", "+91\u200b9876543210", " +919876543210\n")
        ),
        *((text, "US") for text in ("011 91 98765 43210", "+919876543210", "00919876543210")),
    ],
)
def test_parse_written_number_accepts_common_notations(text: str, region: str | None) -> None:
    """With and without calling code, trunk and exit codes, separators, digits of any script."""
    assert parse_written_number(text, region).e164 == "+919876543210"


@pytest.mark.parametrize(
    ("text", "region"),
    [
        *((text, "IN") for text in ("", " ", "+", "12345", "98765 4321", "98765432101", "call me")),
        *(
            (text, "IN")
            for text in ("+91 abc", "++919876543210", "+91+9876543210", "9876543210 x12")
        ),
        *((text, "IN") for text in ("9876543210;ext=5", "9876543210, 9876543211", "+" + "9" * 100)),
        *(
            (text, "IN")
            for text in ("vrf_9876543210", "9876543210\x00", "nine", "²", "tel:", "0" * 60)
        ),
        *((text, None) for text in ("9876543210", "919876543210", "098765 43210")),
    ],
)
def test_parse_written_number_without_a_match_raises(text: str, region: str | None) -> None:
    """The message says how to write a number and does not repeat the text."""
    with pytest.raises(InvalidNumber, match=r"number|calling code") as caught:
        parse_written_number(text, region)
    assert len(text.strip(" +0")) < 5 or text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "region", "readings"),
    [
        ("4963170669", "DE", ("+4963170669", "+494963170669")),
        ("6275538507", "ID", ("+6275538507", "+626275538507")),
        ("390204760", "IT", ("+390204760", "+39390204760")),
    ],
)
def test_parse_written_number_with_two_meanings_raises(
    text: str, region: str, readings: tuple[str, str]
) -> None:
    """Both numbers exist, and can be written with +."""
    with pytest.raises(InvalidNumber, match="two numbers"):
        parse_written_number(text, region)
    for reading in readings:
        assert parse_written_number(reading, region).e164 == reading


@given(
    st.text(max_size=80) | st.text("+0123456789 -()./tel:९", max_size=20),
    st.sampled_from([None, "IN", "US", "DE", "IT"]),
)
def test_parse_written_number_of_any_text_raises_no_other_error(
    text: str, region: str | None
) -> None:
    """A result is a number for the strict parser."""
    with suppress(InvalidNumber):
        found = parse_written_number(text, region)
        assert parse_number(found.e164) == found


def test_single_region_of_several_or_none_is_none() -> None:
    """Only a single region determines numbers without calling code."""
    assert single_region(["IN"]) == "IN"
    assert single_region(["IN", "US"]) is single_region([]) is None


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("919876543210", None, "+919876543210"),
        (" +91 (0) 98765-43210 ", None, "+919876543210"),
        ("9876543210", "IN", "+919876543210"),
        ("14155552671", "IN", "+14155552671"),
        ("6584163511", "IN", "+916584163511"),
        ("6584163511", None, "+6584163511"),
        ("+6584163511", "IN", "+6584163511"),
        ("00919876543210", "US", "+919876543210"),
    ],
)
def test_parse_sent_number_prefers_the_national_number(
    text: str, region: str | None, expected: str
) -> None:
    """Of the region, if the program sends national numbers; otherwise ``+`` is missing."""
    assert parse_sent_number(text, region).e164 == expected


@pytest.mark.parametrize("text", ["", "+", "Asha", "9876543210", "+9876543210", "1" * 80, "++91"])
def test_parse_sent_number_without_a_match_raises(text: str) -> None:
    """The message does not repeat it."""
    with pytest.raises(InvalidNumber) as error:
        parse_sent_number(text, None)
    assert not text.strip("+") or text not in str(error.value)
