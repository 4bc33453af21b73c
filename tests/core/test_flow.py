"""Choice of the flow: language tags and the lookup of RFC 4647."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.speech import MAX_LANGUAGES, Flow, choose_flow, is_language_tag, parse_languages

FLOWS = {
    "default": Flow("24"),
    "hi": Flow("25", "कोड {otp}"),
    "pt-br": Flow("26"),
    "zh-hant": Flow("27"),
    "x-pirate": Flow("28"),
}


@pytest.mark.parametrize(
    ("locale", "key"),
    [
        ("hi", "hi"),
        ("hi-IN", "hi"),
        ("HI-in", "hi"),
        ("pt-BR", "pt-br"),
        ("pt", "default"),
        ("pt-PT", "default"),
        ("zh-Hant-TW", "zh-hant"),
        ("zh-Hant-CN-x-private1-private2", "zh-hant"),
        ("hi-x-hant", "hi"),
        ("x-pirate", "x-pirate"),
        ("x-other", "default"),
        ("en", "default"),
        ("hin", "default"),
        ("default", "default"),
        ("*", "default"),
        ("", "default"),
        (None, "default"),
    ],
)
def test_choose_flow_takes_the_longest_matching_tag(locale: str | None, key: str) -> None:
    """Subtags are dropped from the end; default speaks if none matches."""
    assert choose_flow(locale, FLOWS) == (key, FLOWS[key])


@pytest.mark.parametrize(
    ("locale", "key"),
    [
        ("hi_IN", "hi"),
        ("HI_in", "hi"),
        ("pt_BR", "pt-br"),
        ("zh_Hant_TW", "zh-hant"),
        ("hi_IN.UTF-8", "hi"),
        ("hi_IN@calendar=gregorian", "hi"),
        ("hi_IN_#Deva", "hi"),
        ("hi-IN,hi;q=0.9,en;q=0.8", "hi"),
        ("en-US,en;q=0.9,hi;q=0.8", "hi"),
        ("en;q=0.1, hi;q=0.2", "hi"),
        ("hi;q=0.2, pt-BR;q=0.9", "pt-br"),
        ("pt-BR, hi", "pt-br"),
        ("hi, pt-BR;q=1.0", "hi"),
        ("fr,de", "default"),
        ("hi;q=0, pt-BR;q=0.1", "pt-br"),
        ("hi;q=0", "default"),
        ("*", "default"),
        ("*;q=0.5", "default"),
        ("*, hi;q=0.5", "hi"),
        ("fr, *;q=0.5", "default"),
        (" hi-IN , hi ; Q=0.9", "hi"),
        ("hi,,pt-BR", "hi"),
    ],
)
def test_choose_flow_takes_the_preferred_language_with_a_flow(locale: str, key: str) -> None:
    """Highest weight first. Each language is shortened before the next one is tried."""
    assert choose_flow(locale, FLOWS) == (key, FLOWS[key])


@pytest.mark.parametrize(
    "locale",
    [
        *(
            "",
            " ",
            ",",
            ";q=1",
            "hi;q=2",
            "hi;q=-1",
            "hi;q=x",
            "hi;q=0.12345",
            "hi;q",
            "hi;",
            "hi q=1",
        ),
        *(
            "hi;q=1;q=1",
            "hi;level=1",
            "hi, not a tag",
            "hi, <script>",
            "hi__IN",
            "_",
            "_IN",
            "en-*",
        ),
        *("हि", "C", "**", "hi;q=٠", "hi\n", "\0"),
        "hi," * (MAX_LANGUAGES // 3) + "hi",
    ],
)
def test_parse_languages_of_malformed_text_raises(locale: str) -> None:
    """A malformed tag differs from an unknown one."""
    with pytest.raises(ValueError, match="language tag"):
        parse_languages(locale)


def test_lookup_drops_a_single_letter_at_the_end() -> None:
    """RFC 4647, section 3.4."""
    flows = {"default": Flow("1"), "en-x": Flow("2"), "en": Flow("3")}
    assert choose_flow("en-x-a1b2", flows) == ("en", Flow("3"))


@given(st.text(max_size=50))
def test_choose_flow_of_any_locale_returns_a_flow(locale: str) -> None:
    """Whatever the locale."""
    key, flow = choose_flow(locale, FLOWS)
    assert FLOWS[key] is flow


@pytest.mark.parametrize(
    "tag",
    [
        "hi",
        "HI",
        "hi-IN",
        "hin",
        "zh-Hant-TW",
        "zh-cmn-Hans-CN",
        "es-419",
        "sl-rozaj-biske-1994",
        "de-CH-1996",
        "en-a-bbb-x-a-ccc",
        "de-DE-u-co-phonebk",
        "x-whatever",
        "default",
        "zh-Hant-CN-x-private1-private2",
    ],
)
def test_is_language_tag_accepts_well_formed_tags(tag: str) -> None:
    """The examples of RFC 5646, appendix A, in any case."""
    assert is_language_tag(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "h",
        "hi_IN",
        "hi-",
        "-hi",
        "hi--IN",
        "hi IN",
        "hi\n",
        "h1",
        "*",
        "hi-x",
        "hi-a",
        "x",
        "languages9",
        "toolonglang",
        "de-419-DE",
        "हि",
        "hı",
        "\u212ao",  # the Kelvin sign, whose lower case is an ASCII k
        "ar-a",
        "en-" + "-".join(["abcdefgh"] * 4),
    ],
)
def test_is_language_tag_rejects_malformed_tags(tag: str) -> None:
    """Also text that is longer than 35 characters or not ASCII."""
    assert not is_language_tag(tag)


@given(st.from_regex(r"[a-z0-9*_-]{0,40}", fullmatch=True))
def test_is_language_tag_ignores_case(tag: str) -> None:
    """And no text of more than 35 characters is a tag."""
    assert is_language_tag(tag) == is_language_tag(tag.upper())
    assert not (is_language_tag(tag) and len(tag) > 35)
