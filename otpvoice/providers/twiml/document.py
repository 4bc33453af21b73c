"""The documents that a call speaks (docs/providers/twiml.md, section 3).

The one with the code exists only in the one request that places the call, or in the response to the
vendor that fetches it. The one that asks for a key does not have the code.
"""

import re
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from otpvoice.core.speech import fill_text
from otpvoice.providers.base import UnspeakableError

MAX_CHARACTERS: Final = 4000
"""Of a document in a request."""
_REPEATS: Final = 3
"""Someone who answers late, or after a screening of the call, hears the code as well."""
_PROMPTS: Final = 2
"""A person who lifts and listens late hears a whole prompt."""
_KEY_TIMEOUT_S: Final = 8
"""Seconds after a prompt in which a key counts."""
EMPTY_DOCUMENT: Final = "<Response><Hangup/></Response>"
_PAUSE: Final = '<Pause length="1"/>'
_BREAK: Final = '<break time="500ms"/>'
_DIGITS: Final = "0123456789"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain (section 2.2)."""
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


def render_document(text: str, name: str, code: str, voice: Voice) -> str:
    """Return the document that speaks a text, three times or as often as it fits.

    Args:
        text: with ``{Name}`` and ``{otp}``. Everything else in it is spoken as it is.
        name: as spoken.
        code: digits, which are spoken one by one; anything between them is ignored.
        voice: reads it.

    Raises:
        UnspeakableError: there is no text, or it is too long even for one repetition.
    """
    if not text:
        raise UnspeakableError("the flow has no text")
    digits = [character for character in code if character in _DIGITS]
    spelled = (_BREAK if voice.has_ssml else ", ").join(digits)
    sentence = fill_text(_escape(text), spelled, _escape(name))
    return _repeat(_say(sentence, voice), _REPEATS)


def render_prompt(prompt: str, name: str, voice: Voice, key_url: str) -> str:
    """Return the document that asks for a key, twice or as often as it fits, and has no code.

    Args:
        prompt: with ``{Name}``.
        name: as spoken.
        voice: reads it.
        key_url: the address to which the vendor sends the key.

    Raises:
        UnspeakableError: there is no prompt, or it is too long even for one repetition.
    """
    if not prompt:
        raise UnspeakableError("the flow has no prompt")
    said = _say(fill_text(_escape(prompt), "", _escape(name)), voice)
    gather = f'numDigits="1" timeout="{_KEY_TIMEOUT_S}" action={quoteattr(key_url)} method="POST"'
    return _repeat(f"<Gather {gather}>{said}</Gather>", _PROMPTS)


def _say(sentence: str, voice: Voice) -> str:
    """Return the verbs that speak escaped text, after a pause."""
    attributes = "".join(
        f" {attribute}={quoteattr(value)}"
        for attribute, value in (("language", voice.language), ("voice", voice.name))
        if value
    )
    return f"{_PAUSE}<Say{attributes}>{sentence}</Say>"


def _repeat(verbs: str, repeats: int) -> str:
    """Return the document of these verbs, repeated at most so often, and a hangup."""
    for count in range(repeats, 0, -1):
        document = f"<Response>{verbs * count}<Hangup/></Response>"
        if len(document) <= MAX_CHARACTERS:
            return document
    raise UnspeakableError(f"its document has more than {MAX_CHARACTERS} characters")


def _escape(text: str) -> str:
    return escape(_NOT_XML.sub("", text))
