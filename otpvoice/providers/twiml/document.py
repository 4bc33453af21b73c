"""The documents that a call speaks (docs/providers/twiml.md, section 3).

The one with the code exists only in the one request that places the call, or in the response to the
vendor that fetches it. The one that asks for a key does not have the code.
"""

from dataclasses import dataclass, replace
from typing import Final
from xml.sax.saxutils import quoteattr

from otpvoice.core.texts import CODE, Pace, seconds_until_code, speaks, speech_seconds
from otpvoice.providers.base import Speech, SpeechPlan, UnspeakableError
from otpvoice.providers.xml_text import KEY_TIMEOUT_S, PROMPTS, prompt_seconds, xml_parts

MAX_CHARACTERS: Final = 4000
"""Of a document in a request."""
_REPEATS: Final = 3
"""Someone who answers late, or after a screening of the call, hears the code as well."""
EMPTY_DOCUMENT: Final = "<Response><Hangup/></Response>"
_LEAD_S: Final = 1
"""Silence before each repetition, so that the first word is heard."""
_BREAK_S: Final = 0.5
_BREAK: Final = f'<break time="{_BREAK_S * 1000:.0f}ms"/>'
_SSML_VOICES: Final = ("polly.", "google.")
"""Beginnings of the names of voices that interpret SSML."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What reads a text aloud. An empty field leaves the choice to the vendor."""

    name: str = ""
    """The vendor's name of the voice, such as ``Polly.Aditi``."""
    language: str = ""
    """A BCP 47 tag with a region, such as ``hi-IN``."""

    @property
    def has_ssml(self) -> bool:
        """Whether the voice interprets SSML."""
        return self.name.lower().startswith(_SSML_VOICES)


def render_document(speech: Speech, voice: Voice) -> str:
    """Return the document that speaks a text, three times or as often as it fits.

    Args:
        speech: its code has digits, which are spoken one by one; anything between them is ignored.
        voice: reads it.

    Raises:
        UnspeakableError: there is no text, or it is too long even for one repetition.
    """
    verbs = _say(speech.text, speech, voice)
    return _document(verbs * _repetitions(verbs, _REPEATS))


def plan_speech(speech: Speech, voice: Voice) -> SpeechPlan:
    """Return how the text is spoken; see :func:`render_document`."""
    verbs, values = _say(speech.text, speech, voice), speech.values
    repetitions = _repetitions(verbs, _REPEATS)
    pace = Pace(lead_s=_LEAD_S, digit_break_s=_BREAK_S if voice.has_ssml else 0)
    has_code = speaks(speech.text, CODE)
    return SpeechPlan(
        code_after_s=seconds_until_code(speech.text, values, pace) if has_code else None,
        duration_s=speech_seconds(speech.text, values, pace, repetitions),
        repetitions=repetitions,
        voice=voice.name,
        document=_document(verbs * repetitions),
        prompt_s=prompt_seconds(speech, pace),
    )


def render_prompt(speech: Speech, voice: Voice, key_url: str) -> str:
    """Return the document that asks for a key, twice or as often as it fits, and has no code.

    Args:
        speech: has the prompt.
        voice: reads it.
        key_url: the address to which the vendor sends the key.

    Raises:
        UnspeakableError: there is no prompt, or it is too long even for one repetition.
    """
    parts = _says(speech.prompt, replace(speech, code=""), voice)
    said = "".join(say for _, say in parts)  # not every vendor allows a silence inside of Gather
    gather = f'numDigits="1" timeout="{KEY_TIMEOUT_S}" action={quoteattr(key_url)} method="POST"'
    verbs = f'<Pause length="{_LEAD_S}"/><Gather {gather}>{said}</Gather>'
    return _document(verbs * _repetitions(verbs, PROMPTS))


def _say(text: str, speech: Speech, voice: Voice) -> str:
    """Return the verbs that speak a text, after a pause; see :func:`_says`."""
    parts = _says(text, speech, voice)
    return "".join(f'<Pause length="{silence_s}"/>{say}' for silence_s, say in parts)


def _says(text: str, speech: Speech, voice: Voice) -> list[tuple[int, str]]:
    """Return the verbs that speak a text, each with the seconds of silence before it.

    Raises:
        UnspeakableError: there is no text.
    """
    attributes = "".join(
        f" {attribute}={quoteattr(value)}"
        for attribute, value in (("language", voice.language), ("voice", voice.name))
        if value
    )
    parts = xml_parts(text, speech, _BREAK if voice.has_ssml else ", ", _LEAD_S)
    says = [(silence_s, f"<Say{attributes}>{part}</Say>") for silence_s, part in parts if part]
    if not says:
        raise UnspeakableError("the flow has no text")
    return says


def _document(verbs: str) -> str:
    return f"<Response>{verbs}<Hangup/></Response>"


def _repetitions(verbs: str, most: int) -> int:
    """Return how often these verbs fit into a document."""
    for count in range(most, 0, -1):
        if len(_document(verbs * count)) <= MAX_CHARACTERS:
            return count
    raise UnspeakableError(f"its document has more than {MAX_CHARACTERS} characters")
