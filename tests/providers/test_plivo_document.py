"""The document that a call through Plivo speaks: docs/providers/plivo.md, section 3."""

import re
from xml.etree import ElementTree as ET

import pytest

from otpvoice.providers.base import UnspeakableError
from otpvoice.providers.plivo.document import (
    DEFAULT_VOICES,
    EMPTY_DOCUMENT,
    Voice,
    build_document,
    choose_voice,
)

ADITI = DEFAULT_VOICES["default"]
WOMAN = Voice("WOMAN", "en-US")
TEXT = "ACME. Your login code, {Name}, is {otp}."


def parse(document: bytes | str) -> ET.Element:
    """Parse a document that the adapter made."""
    return ET.fromstring(document)  # noqa: S314 - nobody else made it


def speaks(text: str = TEXT, code: str = "4711", name: str = "Asha", voice: Voice = ADITI) -> str:
    """Return what one repetition of a text says, with a bar for each pause in it."""
    document = parse(build_document(text, code, name, voice))
    first = document.find("Speak")
    assert first is not None
    inner = ET.tostring(first, encoding="unicode")
    spoken = re.sub(r"<break[^>]*>", "|", inner)
    return "".join(parse(spoken).itertext())


def test_document() -> None:
    """The text three times with pauses, the code digit by digit."""
    speak = (
        '<Speak voice="Polly.Aditi" language="en-IN"><prosody rate="90%">Hello Asha, '
        '0<break time="400ms"/>7</prosody></Speak>'
    )
    pause = '<Wait length="1"/>'
    assert build_document("Hello {Name}, {otp}", "07", "Asha", ADITI).decode() == (
        f"<Response>{pause}{speak}{pause}{speak}{pause}{speak}</Response>"
    )


def test_voice_without_ssml_reads_plain_text() -> None:
    """SSML works with Polly's voices only; others would read it aloud or refuse it."""
    document = parse(build_document(TEXT, "4711", "Asha", WOMAN))
    assert [(each.tag, len(each)) for each in document] == [("Wait", 0), ("Speak", 0)] * 3
    assert speaks(voice=WOMAN) == "ACME. Your login code, Asha, is 4, 7, 1, 1."


@pytest.mark.parametrize("voice", [ADITI, WOMAN])
@pytest.mark.parametrize(
    "name",
    [
        "",
        "O'Neil & Sons",
        "</Speak><Hangup/>",
        '"><x a="',
        "]]>",
        "<!-- ",
        "&amp;",
        "{otp}",
        "{Name}",
        "आशा राव",
        "ക്ഷ\u200d",
    ],
)
def test_name_is_only_text(name: str, voice: Voice) -> None:
    """It adds no element, and no second code."""
    document = parse(build_document(TEXT, "4711", name, voice))
    assert [each.tag for each in document] == ["Wait", "Speak"] * 3
    assert f"code, {name}, is" in speaks(name=name, voice=voice)


@pytest.mark.parametrize("forbidden", ["\x00", "\x0b", "\x1b", "\ufffe", "\ud800"])
def test_characters_that_xml_forbids_are_dropped(forbidden: str) -> None:
    """One of them would end the call without a word."""
    assert speaks(f"ACME{forbidden}. {{otp}}") == "ACME. 4|7|1|1"
    assert "Asha," in speaks(name=f"As{forbidden}ha")


def test_text_is_spoken_as_it_is() -> None:
    """Any script; markup in the settings' text is text, too."""
    assert speaks("नमस्ते {Name}। <b>{{otp@digits}}</b> & {otp}") == (
        "नमस्ते Asha। <b>4|7|1|1</b> & 4|7|1|1"
    )


@pytest.mark.parametrize("text", ["", "x" * 3_000, "&" * 700])
def test_text_that_cannot_be_spoken_is_refused(text: str) -> None:
    """The provider ends a call whose document is wrong."""
    with pytest.raises(UnspeakableError, match="a text of 1 to 3000 characters"):
        build_document(text, "4711", "Asha", ADITI)


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("hi", "hi-IN"),
        ("hi-latn", "hi-IN"),
        ("default", "en-IN"),
        ("en", "en-IN"),
        ("ta", "en-IN"),
        ("pt-br", "pt-BR"),
        ("pt", "en-IN"),
    ],
)
def test_voice_is_chosen_by_the_key_of_the_flow(locale: str, expected: str) -> None:
    """The key itself, its language, or the default."""
    voices = {**DEFAULT_VOICES, "pt-br": Voice("Polly.Camila", "pt-BR")}
    assert choose_voice(locale, voices).language == expected


def test_empty_document_has_no_element() -> None:
    """It ends the call."""
    assert len(parse(EMPTY_DOCUMENT)) == 0
