"""TwiML: what a document speaks (docs/providers/twiml.md, section 3).

A vendor may overlook a mistake. The simulator rejects it, so that tests find it.
"""

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from otpvoice_sandbox.config import WEB_URL
from otpvoice_sandbox.parsing import FetchedSpeech, KeyRequest

_MAX_CHARACTERS: Final = 4000
_VERBS: Final = frozenset({"Gather", "Hangup", "Pause", "Say"})
_VERBS_IN_GATHER: Final = frozenset({"Say"})
"""Those that each vendor allows there, without recordings."""
_GATHER: Final[Mapping[str, str]] = {
    "action": WEB_URL.pattern,
    "finishOnKey": r"[0-9*#]?",
    "input": "dtmf",
    "method": "POST",
    "numDigits": "1",
    "timeout": r"[1-9][0-9]?",
}
"""Attributes, and patterns of their values. More than one key is asked for nowhere."""
_DEFAULT_TIMEOUT_S: Final = "5"
_SSML: Final = frozenset({"break", "emphasis", "lang", "p", "prosody", "s", "say-as", "sub"})
_SSML_VOICES: Final = re.compile(r"(?:Polly|Google)\.\S+")
_DECLARATION: Final = re.compile(r"<![A-Z]")
"""Of a document type or an entity, which TwiML has no use for."""


class DocumentError(Exception):
    """A document that the vendor cannot interpret; the text says why."""


def interpret(document: str) -> FetchedSpeech:
    """Return what a document speaks, with a space for each break.

    Raises:
        DocumentError: it is too long, not XML, or has an unknown verb, attribute or element.
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
    language = says[0].get("language", "") if says else ""
    return FetchedSpeech(_spoken_texts(root), language, _key_request(root))


def _key_request(root: ET.Element) -> KeyRequest | None:
    """Return how a document asks for a key; the first address counts."""
    gathers = root.findall("Gather")
    for gather in gathers:
        for name, value in gather.attrib.items():
            if not re.fullmatch(_GATHER.get(name, ""), value):
                raise DocumentError(f"wrong attribute {name} of Gather")
        if {verb.tag for verb in gather} - _VERBS_IN_GATHER or "action" not in gather.attrib:
            raise DocumentError("Gather needs an action, and holds Say only")
    if not gathers:
        return None
    before = [*root][: [*root].index(gathers[0]) + 1]
    waits = [int(gather.get("timeout", _DEFAULT_TIMEOUT_S)) for gather in gathers]
    prompt = " ".join(filter(None, map(_spoken_texts, before)))
    return KeyRequest(prompt, gathers[0].attrib["action"], sum(waits))


def _spoken_texts(element: ET.Element) -> str:
    return " ".join(_spoken_text(say) for say in element.iter("Say"))


def _spoken_text(say: ET.Element) -> str:
    elements = [*say.iter()][1:]
    for element in elements:
        if element.tag not in _SSML:
            raise DocumentError(f"unknown element {element.tag} in Say")
    if elements and not _SSML_VOICES.fullmatch(say.get("voice", "")):
        raise DocumentError("the voice does not interpret SSML")
    return " ".join(" ".join(say.itertext()).split())
