"""The document that a call through Plivo speaks: docs/providers/plivo.md, section 3."""

import re
from xml.etree import ElementTree as ET

import pytest

from otpvoice.providers.base import Speech, UnspeakableError
from otpvoice.providers.plivo.document import (
    DEFAULT_VOICES,
    EMPTY_DOCUMENT,
    Voice,
    build_document,
    build_prompt,
    choose_voice,
    plan_speech,
)

ADITI = DEFAULT_VOICES["default"]
WOMAN = Voice("WOMAN", "en-US")
TEXT = "ACME. Your login code, {Name}, is {otp}."


def parse(document: bytes | str) -> ET.Element:
    """Parse a document that the adapter made."""
    return ET.fromstring(document)  # noqa: S314 - nobody else made it


def speaks(text: str = TEXT, code: str = "4711", name: str = "Asha", voice: Voice = ADITI) -> str:
    """Return what one repetition of a text says, with a bar for each pause in it."""
    document = parse(build_document(Speech("", text, name, code), voice))
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
    assert build_document(Speech("", "Hello {Name}, {otp}", "Asha", "07"), ADITI).decode() == (
        f"<Response>{pause}{speak}{pause}{speak}{pause}{speak}</Response>"
    )


def test_voice_without_ssml_reads_plain_text() -> None:
    """SSML works with Polly's voices only; others would read it aloud or refuse it."""
    document = parse(build_document(Speech("", TEXT, "Asha", "4711"), WOMAN))
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
    document = parse(build_document(Speech("", TEXT, name, "4711"), voice))
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
        build_document(Speech("", text, "Asha", "4711"), ADITI)


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


def test_pauses_are_silent_in_any_voice() -> None:
    """They are elements, so they need no SSML."""
    for voice in (ADITI, WOMAN):
        speech = Speech("", "ACME. {pause 5} Code: {otp} {pause 2}", "", "12")
        elements = [(each.tag, each.get("length")) for each in parse(build_document(speech, voice))]
        assert elements == [("Wait", "1"), ("Speak", None), ("Wait", "5"), ("Speak", None)] * 3


def test_prompt_has_no_silence_where_none_can_be() -> None:
    """Inside of the element that waits for a key."""
    speech = Speech("", "", "", "", "{brand}. {pause 5} Press 1.", {"brand": "A & B"})
    (ask, *_) = parse(build_prompt(speech, ADITI, "https://x/")).iter("GetInput")
    assert [each.tag for each in ask] == ["Speak", "Speak"]
    assert "".join(ask.itertext()) == "A & B.Press 1."


@pytest.mark.parametrize(
    ("text", "voice", "code_after_s", "duration_s"),
    [
        # A second of silence, 15 characters a second, 2.5 digits a second.
        ("x" * 30 + "{otp}", WOMAN, 1 + 2 + 2.4, 3 * 5.4),
        # At nine tenths of the speed, and with five breaks of 0.4 seconds.
        ("x" * 30 + "{otp}", ADITI, 1 + (2 + 2.4) / 0.9 + 2, 3 * (3 + 4.4 / 0.9)),
        ("x" * 30 + "{pause 5}{otp}" + "x" * 27, ADITI, 1 + 4.4 / 0.9 + 5 + 2, 3 * (8 + 6.2 / 0.9)),
        ("x" * 30, ADITI, None, 3 * (1 + 2 / 0.9)),
    ],
)
def test_plan_counts_every_silence_of_the_document(
    text: str, voice: Voice, code_after_s: float | None, duration_s: float
) -> None:
    """Until the code was spoken once, and in all repetitions."""
    speech = Speech("", text, "Asha", "471102")
    plan = plan_speech(speech, voice)
    assert plan.code_after_s == (code_after_s and round(code_after_s))
    assert (plan.duration_s, plan.repetitions, plan.voice) == (round(duration_s), 3, voice.name)
    assert plan.document == build_document(speech, voice).decode()


def test_plan_of_a_gated_text_counts_its_prompt() -> None:
    """Twice, with its silence and the wait for a key."""
    assert plan_speech(Speech("", "{otp}", "", "1", prompt="x" * 45), WOMAN).prompt_s == 24
