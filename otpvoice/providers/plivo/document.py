"""The documents that an answered call speaks (docs/providers/plivo.md, section 3).

``<Speak>`` accepts SSML with a Polly voice only, and at most 3000 characters of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final
from xml.sax.saxutils import quoteattr

from otpvoice.core.texts import CODE, Pace, seconds_until_code, speaks, speech_seconds
from otpvoice.providers.base import Speech, SpeechPlan, UnspeakableError
from otpvoice.providers.xml_text import KEY_TIMEOUT_S, PROMPTS, prompt_seconds, xml_parts

CONTENT_TYPE: Final = "application/xml"
EMPTY_DOCUMENT: Final = b"<Response></Response>"
"""Ends the call."""
REPETITIONS: Final = 3
_MAX_SPEAK_LENGTH: Final = 3_000
_LEAD_S: Final = 1
"""Silence before each repetition, so that the first word is heard."""
_POLLY: Final = "Polly."
_BREAK_S: Final = 0.4
_BETWEEN_DIGITS: Final = f'<break time="{_BREAK_S * 1000:.0f}ms"/>'
_WITHOUT_SSML: Final = ", "
_RATE: Final = 0.9
"""Of the voice's own speed."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice and the language that it speaks, as Plivo names them."""

    name: str
    language: str

    @property
    def has_ssml(self) -> bool:
        """Whether the voice interprets SSML."""
        return self.name.startswith(_POLLY)


DEFAULT_VOICES: Final[Mapping[str, Voice]] = MappingProxyType(
    {"default": Voice("Polly.Aditi", "en-IN"), "hi": Voice("Polly.Aditi", "hi-IN")}
)
"""By the key of a flow. The voice speaks Hindi and Indian English."""


def choose_voice(locale: str, voices: Mapping[str, Voice]) -> Voice:
    """Return the voice for a flow: of its key, of the language in it, or the default."""
    language = locale.partition("-")[0]
    return voices.get(locale) or voices.get(language) or voices["default"]


def build_document(speech: Speech, voice: Voice) -> bytes:
    """Return the document: the text three times, with pauses.

    Args:
        speech: its code has digits, which are spoken one by one.
        voice: of the text's language.

    Raises:
        UnspeakableError: the text is empty, or too long for one ``<Speak>``.
    """
    parts = _speak(speech.text, speech, voice)
    elements = "".join(f'<Wait length="{silence_s}"/>{speak}' for silence_s, speak in parts)
    return _document(elements * REPETITIONS)


def plan_speech(speech: Speech, voice: Voice) -> SpeechPlan:
    """Return how the text is spoken; see :func:`build_document`."""
    document, values = build_document(speech, voice), speech.values
    pace = Pace(lead_s=_LEAD_S)
    if voice.has_ssml:
        pace = Pace(lead_s=_LEAD_S, rate=_RATE, digit_break_s=_BREAK_S)
    has_code = speaks(speech.text, CODE)
    return SpeechPlan(
        code_after_s=seconds_until_code(speech.text, values, pace) if has_code else None,
        duration_s=speech_seconds(speech.text, values, pace, REPETITIONS),
        repetitions=REPETITIONS,
        voice=voice.name,
        document=document.decode(),
        prompt_s=prompt_seconds(speech, pace),
    )


def build_prompt(speech: Speech, voice: Voice, key_url: str) -> bytes:
    """Return the document that asks for a key twice, without the code.

    Args:
        speech: has the prompt.
        voice: of the prompt's language.
        key_url: the address to which the provider sends the key.

    Raises:
        UnspeakableError: the prompt is empty, or too long for one ``<Speak>``.
    """
    parts = _speak(speech.prompt, replace(speech, code=""), voice)
    speak = "".join(speak for _, speak in parts)  # no silence can be inside of GetInput
    action = f'action={quoteattr(key_url)} method="POST"'
    keys = f'inputType="dtmf" numDigits="1" executionTimeout="{KEY_TIMEOUT_S}"'
    ask = f'<Wait length="{_LEAD_S}"/><GetInput {action} {keys}>{speak}</GetInput>'
    return _document(ask * PROMPTS)


def _document(elements: str) -> bytes:
    return f"<Response>{elements}</Response>".encode()


def _speak(text: str, speech: Speech, voice: Voice) -> list[tuple[int, str]]:
    """Return the elements that speak a text once, each with the seconds of silence before it.

    Raises:
        UnspeakableError: the text is empty, or too long for one ``<Speak>``.
    """
    attributes = f"voice={quoteattr(voice.name)} language={quoteattr(voice.language)}"
    between_digits = _BETWEEN_DIGITS if voice.has_ssml else _WITHOUT_SSML
    elements = []
    for silence_s, part in xml_parts(text, speech, between_digits, _LEAD_S):
        spoken = f'<prosody rate="{_RATE:.0%}">{part}</prosody>' if voice.has_ssml else part
        if not part or len(spoken) > _MAX_SPEAK_LENGTH:
            raise UnspeakableError(f"a text of 1 to {_MAX_SPEAK_LENGTH} characters is needed")
        elements.append((silence_s, f"<Speak {attributes}>{spoken}</Speak>"))
    if not elements:
        raise UnspeakableError("the text has pauses only")
    return elements
