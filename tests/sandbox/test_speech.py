"""How a text is said: by pace, and by the engine where there is one."""

import io
import wave

import pytest

from otpvoice.sandbox.speech import detect_language, split_words
from otpvoice.sandbox.voice import Voice

TEXT = "Hello Asha. Your code is 4, 7, 1, 1. Goodbye."


def test_words_come_one_after_the_other() -> None:
    """Each begins later than the one before; a digit that stands alone takes its time."""
    words = split_words(TEXT)

    assert [word.text for word in words if word.is_digit] == ["4,", "7,", "1,", "1."]
    begins = [word.start_seconds for word in words]
    assert begins == sorted(set(begins))
    assert begins[6] - begins[5] == pytest.approx(0.45)
    assert [TEXT[word.position :].startswith(word.text) for word in words] == [True] * len(words)


def test_a_number_is_one_word() -> None:
    """Digits that are not apart are read as a number, and are shown as one."""
    assert [word.is_digit for word in split_words("code 471102")] == [False, False]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en"),
        ("4, 7: नमस्ते", "hi"),
        ("வணக்கம்", "ta"),
        ("নমস্কার", "bn"),
        ("1, 2", "en"),
        ("", "en"),
        ("你好", "en"),
    ],
)
def test_the_first_letter_tells_the_language(text: str, language: str) -> None:
    """The voices that India needs; English for all others."""
    assert detect_language(text) == language


@pytest.mark.parametrize("text", [TEXT, "नमस्ते आशा, आपका कोड 4, 7, 1 है।"])
def test_the_engine_says_when_it_says_what(voice: Voice, text: str) -> None:
    """There is sound as long as the words need, and each begins later than the one before."""
    speech = voice.say(text)

    with wave.open(io.BytesIO(speech.sound)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
        assert any(sound.readframes(sound.getnframes()))
    assert 2 < seconds < 12
    assert len(speech.begins) == len(split_words(text))
    assert list(speech.begins) == sorted(set(speech.begins))
    assert speech.begins[-1] < seconds


def test_a_speech_is_made_once(voice: Voice) -> None:
    """Who listens again gets the same sound."""
    assert voice.say(TEXT) is voice.say(TEXT)


def test_voice_language_tag_chooses_its_voice(voice: Voice) -> None:
    """The script alone cannot say which language Latin letters are."""
    assert voice.say(TEXT, "en").begins == pytest.approx(voice.say(TEXT).begins, abs=0.05)
    german = voice.say(TEXT, "de-AT").begins[-1]
    assert german != pytest.approx(voice.say(TEXT).begins[-1], abs=0.05)


def test_voice_unknown_language_falls_back_to_script(voice: Voice) -> None:
    """A language that the engine has no voice for is spoken all the same."""
    spoken = voice.say(TEXT, "xx-unknown").begins
    assert spoken == pytest.approx(voice.say(TEXT).begins, abs=0.05)
