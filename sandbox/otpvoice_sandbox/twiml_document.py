"""TwiML: what a document speaks (docs/providers/twiml.md, section 3).

A vendor may overlook a mistake. The simulator rejects it, so that tests find it.
"""

import re
from typing import Final
from xml.etree import ElementTree as ET

from otpvoice_sandbox.parsing import FetchedSpeech

_MAX_CHARACTERS: Final = 4000
_VERBS: Final = frozenset({"Hangup", "Pause", "Say"})
_SSML: Final = frozenset({"break", "emphasis", "lang", "p", "prosody", "s", "say-as", "sub"})
_SSML_VOICES: Final = re.compile(r"(?:Polly|Google)\.\S+")
_DECLARATION: Final = re.compile(r"<![A-Z]")
"""Of a document type or an entity, which TwiML has no use for."""


class DocumentError(Exception):
    """A document that the vendor cannot interpret; the text says why."""


def interpret(document: str) -> FetchedSpeech:
    """Return what a document speaks, with a space for each break.

    Raises:
        DocumentError: it is too long, not XML, has an unknown verb or element, or says nothing.
    """
    if len(document) > _MAX_CHARACTERS:
        raise DocumentError(f"more than {_MAX_CHARACTERS} characters")
    if _DECLARATION.search(document):
        raise DocumentError("it declares a document type")
    try:
        root = ET.fromstring(document)  # noqa: S314 - without declarations there are no entities
    except (ET.ParseError, ValueError):
        raise DocumentError("not XML") from None
    if root.tag != "Response":
        raise DocumentError("the root is not Response")
    for verb in root:
        if verb.tag not in _VERBS:
            raise DocumentError(f"unknown verb {verb.tag}")
    says = [*root.iter("Say")]
    texts = [_spoken_text(say) for say in says]
    if not any(texts):
        raise DocumentError("it says nothing")
    return FetchedSpeech(" ".join(texts), says[0].get("language", ""))


def _spoken_text(say: ET.Element) -> str:
    elements = [*say.iter()][1:]
    for element in elements:
        if element.tag not in _SSML:
            raise DocumentError(f"unknown element {element.tag} in Say")
    if elements and not _SSML_VOICES.fullmatch(say.get("voice", "")):
        raise DocumentError("the voice does not interpret SSML")
    return " ".join(" ".join(say.itertext()).split())
