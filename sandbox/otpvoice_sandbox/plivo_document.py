"""Plivo's documents: what an answered call speaks (docs/providers/plivo.md, section 3).

A vendor may overlook a mistake. The simulator rejects it, so that tests find it.
"""

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from otpvoice_sandbox.config import WEB_URL
from otpvoice_sandbox.parsing import FetchedSpeech, KeyRequest, SpeechFault

_MAX_BYTES: Final = 100_000
_MAX_SSML_CHARACTERS: Final = 3_000
_POLLY: Final = "Polly."
_ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "GetInput": frozenset(
        {"action", "executionTimeout", "finishOnKey", "inputType", "method", "numDigits"}
    ),
    "Hangup": frozenset({"reason", "schedule"}),
    "Speak": frozenset({"voice", "language", "loop"}),
    "Wait": frozenset({"length"}),
}
"""By element of a response."""
_CONTAINERS: Final = frozenset({"GetInput", "Speak"})
_INPUT: Final[Mapping[str, str]] = {
    "action": WEB_URL.pattern,
    "executionTimeout": r"[5-9]|[1-5][0-9]|60",
    "finishOnKey": r"[0-9*#]?|none",
    "inputType": "dtmf",
    "method": "POST",
    "numDigits": "1",
}
"""Attributes of ``GetInput``, and patterns of their values."""
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
        if element.tag not in _ATTRIBUTES or (len(element) and element.tag not in _CONTAINERS):
            raise _INVALID
    speaks = [*root.iter("Speak")]
    language = speaks[0].get("language", "") if speaks else ""
    return FetchedSpeech(_spoken_texts(root), language, _key_request(root))


def _key_request(root: ET.Element) -> KeyRequest | None:
    """Return how a document asks for a key; the first address counts."""
    inputs = root.findall("GetInput")
    for element in inputs:
        for name, pattern in _INPUT.items():
            if not re.fullmatch(pattern, element.get(name, "")):
                raise _INVALID
        if {child.tag for child in element} - {"Speak"}:
            raise _INVALID
        if any({*child.attrib} - _ATTRIBUTES["Speak"] for child in element):
            raise _INVALID
    if not inputs:
        return None
    before = [*root][: [*root].index(inputs[0]) + 1]
    waits = [int(element.attrib["executionTimeout"]) for element in inputs]
    prompt = " ".join(filter(None, map(_spoken_texts, before)))
    return KeyRequest(prompt, inputs[0].attrib["action"], sum(waits))


def _spoken_texts(element: ET.Element) -> str:
    return " ".join(_spoken_text(speak) for speak in element.iter("Speak"))


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
