"""Names without instructions, codes as digits, and the time that speech takes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.speech import (
    MAX_NAME,
    CodeFormat,
    clean_name,
    format_code,
)


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("Asha", "Asha"),
        ("  Asha   Rao ", "Asha Rao"),
        ("Jean-Luc d'Arc Jr.", "Jean-Luc d'Arc Jr."),
        ("O’Brien", "O'Brien"),
        ("आशा", "आशा"),
        ("क्षितिज शर्मा", "क्षितिज शर्मा"),
        ("ஆஷா", "ஆஷா"),
        ("مريم", "مريم"),
        ("Zoë", "Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("李小龍", "李小龍"),
    ],
)
def test_clean_name_keeps_names_of_any_script(name: str, spoken: str) -> None:
    """Letters with their marks, space, apostrophe, hyphen and full stop."""
    assert clean_name(name) == spoken


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("രാജന്\u200d", "രാജൻ"),
        ("അനില്\u200d കുമാര്\u200d", "അനിൽ കുമാർ"),
        ("രാജൻ", "രാജൻ"),
        ("क्\u200dषितिज", "क्षितिज"),
        ("राज्\u200cकुमार", "राज्कुमार"),
        ("র\u200d্যাচেল", "র্যাচেল"),
        ("علی\u200cرضا", "علیرضا"),
        ("ශ්\u200dරී", "ශ්රී"),
        ("\u2066Asha\u2069", "Asha"),
        ("As\u00adha", "Asha"),
        ("e\u200d\u0301", "é"),
    ],
)
def test_clean_name_drops_joiners(name: str, spoken: str) -> None:
    """Only letters and marks are spoken. A joiner that forms a letter becomes that letter."""
    assert clean_name(name) == spoken


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("Z" + "\u0335" * 60 + "algo", "Z" + "\u0335" * 6 + "algo"),
        ("".join(letter + "\u0489\u0335\u0488" * 9 for letter in "Zal"), None),
        ("Asha ❤\ufe0f", "Asha"),
        ("Asha 1\ufe0f\u20e3", "Asha"),
        ("\u0301Asha -\u0301", "Asha -"),
        ("ম\u09cd\u09b0\u09c3\u0981", "ম\u09cd\u09b0\u09c3\u0981"),
    ],
)
def test_clean_name_drops_marks_without_a_letter(name: str, spoken: str | None) -> None:
    """A flood of marks does not displace the name."""
    cleaned = clean_name(name)
    assert cleaned == spoken if spoken else [c for c in cleaned if c.isalpha()] == [*"Zal"]


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("{otp}", "otp"),
        ("{{otp@digits}}", "otpdigits"),
        ("{{x@play}}", "xplay"),
        ("${jndi:ldap://x}", "jndildapx"),
        ("%(otp)s", "otps"),
        ("<break time='9s'/>Asha", "break time's'Asha"),
        ("<speak>Asha</speak>", "speakAshaspeak"),
        ("Asha &amp; Co", "Asha amp Co"),
        ("https://evil.example/x.mp3", "httpsevil.examplex.mp"),
        ("Asha\r\nX-Header: 1", "Asha X-Header"),
        ("Asha\tRao", "Asha Rao"),
        ("Asha\u2028Rao", "Asha Rao"),
        ("Asha\x00\x1b[31m", "Asham"),
        ("\u202eahsA\u202c", "ahsA"),
        ("\u200fAsha\u200e", "Asha"),
        ("Asha 😀👍🏽", "Asha"),
        ("Asha 4", "Asha"),
        ("your code is 999999", "your code is"),
        ("१२३४५६ आशा", "आशा"),
        ("９９９ Asha Ⅷ ⅓ ²", "Asha"),
        ("Asha, 1, 2, 3", "Asha"),
        ("a_b/c\\d", "abcd"),
        ('"Asha"', "Asha"),
        ("``Asha``", "Asha"),
    ],
)
def test_clean_name_drops_instructions_and_digits(name: str, spoken: str) -> None:
    """Templates, markup, addresses, line ends, direction marks, signs and digits."""
    assert clean_name(name) == spoken


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        *(
            (name, "")
            for name in ("{{name}}", "{{ name }}", "{name}", "${name}", "${user.firstName}")
        ),
        *((name, "") for name in ("#{first_name}", "%{Name}", "%(name)s", "%s", "%@", "%s %s")),
        ("Asha {{last_name}}", "Asha"),
        ("{{Asha}}", "Asha"),
        ("name", "name"),
        ("{" * 8_000, ""),
    ],
)
def test_clean_name_drops_unfilled_placeholders(name: str, spoken: str) -> None:
    """Apps send them if their template found no value."""
    assert clean_name(name) == spoken


@pytest.mark.parametrize(
    "name", ["", "   ", "123456", "{{}}", "😀", "...", "-'-", "\u0301", "\r\n"]
)
def test_clean_name_without_letters_is_empty(name: str) -> None:
    """The default name is spoken then."""
    assert clean_name(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        *(
            "null",
            "NULL",
            "Null",
            "(null)",
            "<null>",
            "'null'",
            '"null"',
            " null ",
            "null.",
            "nu1ll",
        ),
        *("undefined", "Undefined", "[undefined]", "None", "none", "NONE", "nil", "Nil", "NaN"),
        *(
            "nan",
            "(nil)",
            "N/A",
            "n/a",
            " N/A. ",
            "n.a.",
            "#N/A",
            "(n/a)",
            "-",
            "--",
            "[object Object]",
        ),
        *("[object Undefined]", "object Object", "null null", "undefined undefined", "None None"),
        *("undefined null", "nil null", "nul\u200dl"),
    ],
)
def test_clean_name_of_a_missing_value_is_empty(name: str) -> None:
    """Programs write such words for a missing name."""
    assert clean_name(name) == ""


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        *(("Asha null", "Asha"), ("null Rao", "Rao"), ("Asha undefined Rao", "Asha Rao")),
        *(("Asha None", "Asha"), ("Asha [object Object]", "Asha"), ("Asha (null)", "Asha")),
        *(("Nan Goldin", "Nan Goldin"), ("Nil Armstrong", "Nil Armstrong"), ("Na", "Na")),
        *(("Nullah", "Nullah"), ("Nonette", "Nonette"), ("Undefinedson", "Undefinedson")),
        *(("Object", "Object"), ("Test", "Test"), ("Nana", "Nana"), ("None-Such", "None-Such")),
    ],
)
def test_clean_name_drops_a_missing_value_within_a_name(name: str, spoken: str) -> None:
    """Only whole words; names that look similar stay."""
    assert clean_name(name) == spoken


def test_clean_name_cuts_long_names() -> None:
    """10 kB become at most 40 characters, without a space at the end."""
    assert clean_name("ab " * 3_500) == ("ab " * 14)[:MAX_NAME].rstrip()
    assert len(clean_name("आ" * 10_000)) == MAX_NAME


def test_clean_name_composes_before_it_cuts() -> None:
    """A letter with a mark counts as one character if Unicode has one for both (NFC)."""
    assert clean_name("e\u0301" * 50) == "é" * MAX_NAME


def _may_be_spoken(character: str) -> bool:
    return character in " '-." or unicodedata.category(character).startswith(("L", "M"))


@given(
    st.text(st.characters(), max_size=200)
    | st.text("{}<>@%$\r\n\t 'ab1१😀\u202e\u0301", min_size=1)
)
def test_clean_name_of_any_text_has_allowed_characters_only(name: str) -> None:
    """Also of lone surrogates; at most 40 characters, without outer spaces."""
    cleaned = clean_name(name)
    assert all(map(_may_be_spoken, cleaned))
    assert len(cleaned) <= MAX_NAME
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert not any(character.isdecimal() for character in cleaned)


@given(st.text(max_size=100))
def test_clean_name_of_a_clean_name_returns_it(name: str) -> None:
    """Cleaning is idempotent."""
    cleaned = clean_name(name)
    assert clean_name(cleaned) == cleaned


@pytest.mark.parametrize(
    ("code_format", "spelled"),
    [
        (CodeFormat.COMMA, "0, 1, 2, 3, 4, 5"),
        (CodeFormat.SPACED, "0 1 2 3 4 5"),
        (CodeFormat.PLAIN, "012345"),
    ],
)
def test_format_code_writes_each_digit(code_format: CodeFormat, spelled: str) -> None:
    """With leading zeros (docs/providers/mobtexting.md, section 1)."""
    assert format_code("012345", code_format) == spelled


@given(st.from_regex(r"[0-9]{4,10}", fullmatch=True), st.sampled_from(CodeFormat))
def test_format_code_keeps_digits_and_never_writes_dots(code: str, code_format: CodeFormat) -> None:
    """Dots would make ordinals of the digits."""
    spoken = format_code(code, code_format)
    assert "".join(filter(str.isdigit, spoken)) == code
    assert "." not in spoken
