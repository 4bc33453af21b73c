"""Plivo's documents: what an answered call speaks (docs/providers/plivo.md, section 3).

A vendor may overlook a mistake. The simulator rejects it, so that tests find it.
"""

from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from otpvoice_sandbox.parsing import FetchedSpeech, SpeechFault

_MAX_BYTES: Final = 100_000
_MAX_SSML_CHARACTERS: Final = 3_000
_POLLY: Final = "Polly."
_ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "Hangup": frozenset({"reason", "schedule"}),
    "Speak": frozenset({"voice", "language", "loop"}),
    "Wait": frozenset({"length"}),
}
"""By element of a response."""
_SSML: Final[Mapping[str, frozenset[str]]] = {
    "break": frozenset({"strength", "time"}),
    "prosody": frozenset({"pitch", "rate", "volume"}),
    "say-as": frozenset({"interpret-as", "format"}),
    **dict.fromkeys(("emphasis", "lang", "p", "s", "sub", "w"), frozenset[str]()),
}
_INVALID: Final = SpeechFault("8011", "Invalid Answer XML")


def interpret(document: bytes) -> FetchedSpeech:
    """Return what a document speaks, with a space for each break; nothing if it is empty.

    Raises:
        SpeechFault: it is too long, not XML, or has an unknown element or attribute.
    """
    if len(document) > _MAX_BYTES or b"<!" in document:
        raise _INVALID
    try:
        root = ET.fromstring(document)  # noqa: S314 - without declarations there are no entities
    except (ET.ParseError, ValueError):
        raise _INVALID from None
    if root.tag != "Response":
        raise _INVALID
    for element in root:
        if not {*element.attrib} <= _ATTRIBUTES.get(element.tag, frozenset()):
            raise _INVALID
        if element.tag not in _ATTRIBUTES or (len(element) and element.tag != "Speak"):
            raise _INVALID
    speaks = [*root.iter("Speak")]
    texts = [_spoken_text(speak) for speak in speaks]
    language = speaks[0].get("language", "") if speaks else ""
    return FetchedSpeech(" ".join(texts), language)


def _spoken_text(speak: ET.Element) -> str:
    elements = [*speak.iter()][1:]
    for element in elements:
        if not {*element.attrib} <= _SSML.get(element.tag, frozenset()) or element.tag not in _SSML:
            raise _INVALID
    content = [speak.text or "", *(ET.tostring(each, encoding="unicode") for each in speak)]
    is_polly = speak.get("voice", "").startswith(_POLLY)
    if elements and (not is_polly or len("".join(content)) > _MAX_SSML_CHARACTERS):
        raise _INVALID
    return " ".join(" ".join(speak.itertext()).split())
