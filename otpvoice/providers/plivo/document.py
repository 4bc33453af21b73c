"""The documents that an answered call speaks (docs/providers/plivo.md, section 3).

``<Speak>`` accepts SSML with a Polly voice only, and at most 3000 characters of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from otpvoice.core.speech import fill_text
from otpvoice.providers.base import UnspeakableError

CONTENT_TYPE: Final = "application/xml"
EMPTY_DOCUMENT: Final = b"<Response></Response>"
"""Ends the call."""
REPETITIONS: Final = 3
_PROMPTS: Final = 2
"""A person who lifts and listens late hears a whole prompt."""
_KEY_TIMEOUT_S: Final = 8
"""Seconds after a prompt in which a key counts."""
_MAX_SPEAK_LENGTH: Final = 3_000
_PAUSE: Final = '<Wait length="1"/>'
_POLLY: Final = "Polly."
_BETWEEN_DIGITS: Final = '<break time="400ms"/>'
_WITHOUT_SSML: Final = ", "
_PACE: Final = "90%"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain (section 2.2)."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice and the language that it speaks, as Plivo names them."""

    name: str
    language: str


DEFAULT_VOICES: Final[Mapping[str, Voice]] = MappingProxyType(
    {"default": Voice("Polly.Aditi", "en-IN"), "hi": Voice("Polly.Aditi", "hi-IN")}
)
"""By the key of a flow. The voice speaks Hindi and Indian English."""


def choose_voice(locale: str, voices: Mapping[str, Voice]) -> Voice:
    """Return the voice for a flow: of its key, of the language in it, or the default."""
    language = locale.partition("-")[0]
    return voices.get(locale) or voices.get(language) or voices["default"]


def build_document(text: str, code: str, name: str, voice: Voice) -> bytes:
    """Return the document: the text three times, with pauses.

    Args:
        text: with ``{Name}`` and ``{otp}``.
        code: digits only.
        name: as spoken.
        voice: of the text's language.

    Raises:
        UnspeakableError: the text is empty, or too long for one ``<Speak>``.
    """
    return _repeat(_speak(text, code, name, voice), REPETITIONS)


def build_prompt(prompt: str, name: str, voice: Voice, key_url: str) -> bytes:
    """Return the document that asks for a key twice, without the code.

    Args:
        prompt: with ``{Name}``.
        name: as spoken.
        voice: of the prompt's language.
        key_url: the address to which the provider sends the key.

    Raises:
        UnspeakableError: the prompt is empty, or too long for one ``<Speak>``.
    """
    speak = _speak(prompt, "", name, voice)
    action = f'action={quoteattr(key_url)} method="POST"'
    keys = f'inputType="dtmf" numDigits="1" executionTimeout="{_KEY_TIMEOUT_S}"'
    return _repeat(f"<GetInput {action} {keys}>{speak}</GetInput>", _PROMPTS)


def _repeat(element: str, repetitions: int) -> bytes:
    # The voice begins a second after the recipient picks up, so that the first word is heard.
    return f"<Response>{(_PAUSE + element) * repetitions}</Response>".encode()


def _speak(text: str, code: str, name: str, voice: Voice) -> str:
    """Return the element that speaks a text once."""
    spoken = _spoken(text, code, name, has_ssml=voice.name.startswith(_POLLY))
    if not text or len(spoken) > _MAX_SPEAK_LENGTH:
        raise UnspeakableError(f"a text of 1 to {_MAX_SPEAK_LENGTH} characters is needed")
    attributes = f"voice={quoteattr(voice.name)} language={quoteattr(voice.language)}"
    return f"<Speak {attributes}>{spoken}</Speak>"


def _spoken(text: str, code: str, name: str, *, has_ssml: bool) -> str:
    """Return the text as XML, its code digit by digit."""
    digits = (_BETWEEN_DIGITS if has_ssml else _WITHOUT_SSML).join(code)
    filled = fill_text(_escape(text), digits, _escape(name))
    return f'<prosody rate="{_PACE}">{filled}</prosody>' if has_ssml else filled


def _escape(text: str) -> str:
    return escape(_NOT_XML.sub("", text))
