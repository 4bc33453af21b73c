"""Judge documents with Plivo's SDK: read them as JSON, write for each what the SDK cannot build."""

import inspect
import json
import sys
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from plivo.xml import PlivoXMLElement

ELEMENTS = {vars(each)["_name"]: each for each in PlivoXMLElement.__subclasses__()}
"""By name; the SDK has no public list of its elements, nor of what may be in each."""


def attributes_of(element: type) -> set[str]:
    """Return the names of the attributes that the SDK writes for an element."""
    parameters = [*inspect.signature(element).parameters]
    built = element(**{name: "1" if name == "content" else 1 for name in parameters})
    return {*built.to_dict()}


def faults(element: ET.Element) -> Iterator[str]:
    """Yield what is unknown about an element and those in it."""
    if element.tag not in ELEMENTS:
        yield f"<{element.tag}>"
        return
    known = ELEMENTS[element.tag]
    for name in {*element.attrib} - attributes_of(known):
        yield f"<{element.tag} {name}>"
    for child in element:
        if child.tag not in vars(known)["_nestable"]:
            yield f"<{child.tag}> in <{element.tag}>"
        yield from faults(child)


documents = [ET.fromstring(each) for each in json.load(sys.stdin)]  # noqa: S314 - the test's own
print(json.dumps([[*faults(each)] for each in documents]))
