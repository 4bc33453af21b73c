"""Documents that calls speak: docs/providers/twiml.md, section 3."""

from xml.etree import ElementTree as ET

import pytest

from otpvoice.core.speech import MAX_NAME
from otpvoice.providers.base import Speech, UnspeakableError
from otpvoice.providers.languages import default_language
from otpvoice.providers.twiml.document import MAX_CHARACTERS, Voice, plan_speech, render_document

TEXT = "ACME. {Name}, your login code is {otp}."
ADITI = Voice("Polly.Aditi", "hi-IN")


def render(text: str, name: str, code: str, voice: Voice) -> str:
    """Return the document of a text."""
    return render_document(Speech("", text, name, code), voice)


def parse(document: str) -> ET.Element:
    """Return the root of a document."""
    return ET.fromstring(document)  # noqa: S314 - written by the code under test


def spoken(document: str) -> list[str]:
    """Return the text of each Say, with a space for each element in it."""
    return [" ".join(say.itertext()) for say in parse(document).iter("Say")]


def test_document_of_a_voice_with_ssml() -> None:
    """Three times, each after a pause, with a break between the digits."""
    document = render(TEXT, "Asha", "4, 7, 1, 0", ADITI)
    digits = '4<break time="500ms"/>7<break time="500ms"/>1<break time="500ms"/>0'
    say = (
        '<Pause length="1"/><Say language="hi-IN" voice="Polly.Aditi">'
        f"ACME. Asha, your login code is {digits}.</Say>"
    )
    assert document == f"<Response>{say * 3}<Hangup/></Response>"


@pytest.mark.parametrize("voice", [Voice(), Voice("alice", "en-US"), Voice("Telnyx.Kokoro.af")])
def test_document_of_another_voice_has_commas(voice: Voice) -> None:
    """It may read elements aloud."""
    document = render(TEXT, "Asha", "471", voice)
    assert spoken(document) == ["ACME. Asha, your login code is 4, 7, 1."] * 3
    assert ("language=" in document) == bool(voice.language)


@pytest.mark.parametrize("code", ["0471", "0, 4, 7, 1", "0 4 7 1", "0 ٤ 471"])
def test_digits_are_spoken_one_by_one(code: str) -> None:
    """However the code is written, a leading zero included; other digits are not of a code."""
    assert spoken(render("{otp}", "", code, ADITI)) == ["0 4 7 1"] * 3


@pytest.mark.parametrize(
    "placeholder", ["{otp}", "{{otp}}", "{{ otp }}", "{{otp@digits}}", "{ otp|spell }"]
)
def test_placeholders_of_every_notation_are_filled(placeholder: str) -> None:
    """A text can be moved here from another provider."""
    assert spoken(render(f"a {placeholder} b", "", "12", Voice())) == ["a 1, 2 b"] * 3


@pytest.mark.parametrize("other", ["{code}", "{otpx}", "{NAME}", "{}", "{", "otp", "{otp"])
def test_other_text_is_spoken_as_it_is(other: str) -> None:
    """Nothing else is a placeholder."""
    assert spoken(render(f"a {other} b", "n", "12", Voice())) == [f"a {other} b"] * 3


@pytest.mark.parametrize(
    "name",
    [
        "O'Brien & Söhne",
        "</Say><Play>http://evil.example/</Play><Say>",
        "]]>",
        "<![CDATA[x",
        "&lt;",
        '"\' onload="x"',
        "{otp}",
        "{{otp@digits}}",
        "{Name}",
        "आशा",
    ],
)
def test_name_is_never_markup(name: str) -> None:
    """It is spoken as it is: neither an element, nor an entity, nor a placeholder."""
    for voice in (ADITI, Voice()):
        document = render("Hello {Name}.", name, "12", voice)
        assert spoken(document) == [f"Hello {name}."] * 3
        elements = {element.tag for element in parse(document).iter()}
        assert elements == {"Response", "Pause", "Say", "Hangup"}


def test_text_is_never_markup() -> None:
    """Nor is the operator's text, which may have an ampersand."""
    assert spoken(render("A & B <b> {otp}", "", "12", Voice()))[0] == "A & B <b> 1, 2"


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x1f", "\ufffe", "\ud800"])
def test_characters_that_xml_cannot_contain_are_dropped(character: str) -> None:
    """One of them would make the vendor reject the whole document."""
    document = render(f"a{character}b", character, "12", Voice(f"x{chr(34)}<y", ""))
    assert spoken(document) == ["ab"] * 3


@pytest.mark.parametrize(("length", "times"), [(1200, 3), (1300, 2), (1900, 2), (3900, 1)])
def test_long_text_is_repeated_as_often_as_it_fits(length: int, times: int) -> None:
    """A vendor refuses longer documents."""
    document = render("x" * length, "", "12", Voice())
    assert len(spoken(document)) == times
    assert len(document) <= MAX_CHARACTERS


@pytest.mark.parametrize("text", ["", "x" * 4000])
def test_text_that_cannot_be_spoken_is_an_error(text: str) -> None:
    """It is never cut: the code may be at its end."""
    with pytest.raises(UnspeakableError):
        render(text, "", "12", Voice())


def test_longest_name_and_code_fit_three_times() -> None:
    """With a text of several sentences."""
    text = f"{'A sentence. ' * 25}{{Name}}: {{otp}}. {{otp}}."
    assert len(spoken(render(text, "&" * MAX_NAME, "0123456789", ADITI))) == 3


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("hi", "hi-IN"),
        ("en", "en-US"),
        ("en-gb", "en-GB"),
        ("fr", "fr-FR"),
        ("pt", "pt-BR"),
        ("zh-hant-tw", "zh-TW"),
        ("es-419", "es-ES"),
        ("default", ""),
        ("x-klingon", ""),
    ],
)
def test_default_language_has_a_region(locale: str, language: str) -> None:
    """Vendors know languages by their regions; for ``default`` they choose."""
    assert default_language(locale) == language


def test_pauses_are_silent_in_any_voice() -> None:
    """They are elements, so they need no SSML."""
    for voice in (ADITI, Voice()):
        document = parse(render("ACME. {pause 5} Code: {otp} {pause 2}", "", "12", voice))
        elements = [(each.tag, each.get("length")) for each in document]
        once = [("Pause", "1"), ("Say", None), ("Pause", "5"), ("Say", None)]
        assert elements == [*once * 3, ("Hangup", None)]


def test_further_values_are_spoken_and_never_markup() -> None:
    """As the name."""
    speech = Speech("", "{brand}: {otp}", "", "12", "", {"brand": "<A> & B"})
    assert spoken(render_document(speech, Voice())) == ["<A> & B: 1, 2"] * 3


@pytest.mark.parametrize(
    ("text", "voice", "code_after_s", "duration_s"),
    [
        # A second of silence, 15 characters a second, 2.5 digits a second.
        ("x" * 30 + "{otp}", Voice(), 1 + 2 + 2.4, 3 * 5.4),
        # And five breaks of half a second.
        ("x" * 30 + "{otp}", ADITI, 1 + 2 + 2.4 + 2.5, 3 * 7.9),
        ("x" * 30 + "{pause 5}{otp}" + "x" * 15, ADITI, 1 + 2 + 5 + 2.4 + 2.5, 3 * 13.9),
        ("x" * 30, ADITI, None, 3 * 3),
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
    assert plan.document == render_document(speech, voice)


def test_plan_of_a_long_text_has_fewer_repetitions() -> None:
    """As its document."""
    plan = plan_speech(Speech("", "x" * 1900 + "{otp}", "", "4711"), Voice())
    assert (plan.repetitions, plan.duration_s) == (2, round(2 * (1 + 1900 / 15 + 1.6)))


def test_plan_of_a_gated_text_counts_its_prompt() -> None:
    """Twice, with its silence and the wait for a key; the document with the code has none of it."""
    speech = Speech("", "{otp}", "Asha", "471102", prompt="x" * 45)
    plan = plan_speech(speech, Voice())
    assert plan.prompt_s == 2 * (1 + 3 + 8)
    assert plan.document == render("{otp}", "Asha", "471102", Voice())
