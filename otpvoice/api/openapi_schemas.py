"""Schemas of the OpenAPI document, in the form that generators of typed clients take.

msgspec's schemas are right, but generators stumble over three things in them: a member that may be
null is an ``anyOf``, for which some generate a type that does not exist; a default makes a member
of a request required; and a closed ``enum`` makes clients fail on a word that a later release adds.
"""

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

_Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_NULL: Final[_Json] = {"type": "null"}
_KNOWN_WORDS: Final = "x-extensible-enum"
"""Lists the words of today. Clients must ignore others."""


def component_schemas(
    requests: Iterable[type[msgspec.Struct]],
    responses: Iterable[type[msgspec.Struct]],
    routes: Sequence[str],
    codes: Sequence[str],
) -> _Json:
    """Return the schemas of all types, by name.

    Args:
        requests: of request bodies. Their words are closed: others are refused.
        responses: of response bodies and events. Their words are open.
        routes: the names of the configured ones, as examples.
        codes: of problems.
    """
    requests = [*requests]
    of_requests = {each.__name__ for each in requests}
    _, components = msgspec.json.schema_components([*requests, *responses], ref_template=_REF)
    for name, schema in components.items():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"]).replace("``", "`")
        for found in (schema, *schema.get("properties", {}).values()):
            if name in of_requests:
                found.pop("default", None)
            else:
                _open_words(found)
    for schema in components.values():
        members = schema.get("properties", {})
        members |= {name: _merge_null(found, components) for name, found in members.items()}
        if "route" in members:
            members["route"]["examples"] = [*routes]
        if "code" in members and "instance" in members:  # a problem
            members["code"][_KNOWN_WORDS] = [*codes]
    return {name: schema for name, schema in components.items() if _is_used(name, components)}


def _open_words(schema: _Json) -> None:
    """Replace a closed list of words by a string for which they are known."""
    words = schema.pop("enum", None)
    if words:
        schema |= {"type": "string", _KNOWN_WORDS: words}


def _merge_null(schema: _Json, components: _Json) -> _Json:
    """Return the schema of a member that may be null with one type, not with two schemas."""
    possible = schema.get("anyOf", [])
    if len(possible) != 2 or possible[1] != _NULL:
        return schema
    others = {name: value for name, value in schema.items() if name != "anyOf"}
    (found, _) = possible
    if "$ref" in found:
        target = components[found["$ref"].rpartition("/")[2]]
        if _KNOWN_WORDS not in target:
            return {"type": ["object", "null"], **schema}
        found = {name: value for name, value in target.items() if name != "title"}
    return {**found, **others, "type": [found.get("type", "string"), "null"]}


def _is_used(name: str, components: _Json) -> bool:
    """Return whether it is an object, or words that another schema refers to.

    Words that may be null are a part of the schemas with such a member.
    """
    has_reference = f'"{_REF.format(name=name)}"' in json.dumps(components)
    return _KNOWN_WORDS not in components[name] or has_reference
