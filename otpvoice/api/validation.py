"""Describes the errors of a request body: which member is wrong, and what it must be.

msgspec validates the body. Its messages name Python types, so only the location is taken from them.
The expected value is described from the JSON Schema of the body's type.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

import msgspec

from otpvoice.core.errors import FieldError
from otpvoice.core.requests import RequestBody

_LOCATION: Final = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_PATH_STEP: Final = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")
_FIELD_MESSAGE: Final = re.compile(
    r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`"
)
_FIELD_DETAILS: Final = {"missing required": "is missing", "contains unknown": "is unknown"}
_TYPE_NAMES: Final = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_Schema = Mapping[str, Any]


def unknown_members(members: Mapping[str, Any], body_type: type[RequestBody]) -> list[FieldError]:
    """Return an error with a suggestion for each member that ``body_type`` does not have."""
    known = _fields(body_type)
    return [
        FieldError(json_pointer([name]), f"is unknown; {_suggest(name, [*known])}")
        for name in members
        if name not in known
    ]


def type_errors(members: Mapping[str, Any], body_type: type[RequestBody]) -> Iterator[FieldError]:
    """Yield an error for each member that is missing or has the wrong type."""
    for name, field in _fields(body_type).items():
        if name in members:
            yield from _errors_in(members[name], field.type, name)
        elif field.required:
            yield FieldError(json_pointer([name]), "is missing")


def json_pointer(path: list[str]) -> str:
    """Return the JSON Pointer (RFC 6901) of a path of names and indexes."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


@cache
def _fields(body_type: type[RequestBody]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(body_type)}


def _errors_in(value: Any, value_type: Any, name: str) -> Iterator[FieldError]:
    try:
        msgspec.convert(value, value_type)
    except msgspec.ValidationError as error:
        message = str(error)
        at = _LOCATION.search(message)
        path = [
            step["name"] or step["index"] for step in _PATH_STEP.finditer(at["path"] if at else "")
        ]
        named = _FIELD_MESSAGE.fullmatch(message[: at.start()] if at else message)
        if named:
            yield FieldError(
                json_pointer([name, *path, named["name"]]), _FIELD_DETAILS[named["what"]]
            )
        else:
            yield FieldError(
                json_pointer([name, *path]), f"must be {_describe(_schema_at(value_type, path))}"
            )


def _schema_at(value_type: Any, path: list[str]) -> _Schema:
    """Return the JSON Schema of the value at ``path`` within ``value_type``."""
    whole = msgspec.json.schema(value_type)
    schema = _resolve(whole, whole)
    for step in path:
        inner = schema.get("properties", {}).get(step)
        schema = _resolve(whole, inner or schema.get("items") or schema["additionalProperties"])
    return schema


def _resolve(whole: _Schema, schema: _Schema) -> _Schema:
    """Follow a reference, and ignore that the value may be null."""
    if "$ref" in schema:
        return _resolve(whole, whole["$defs"][schema["$ref"].rpartition("/")[2]])
    others = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return _resolve(whole, {**schema, "anyOf": [], **others[0]}) if len(others) == 1 else schema


def _describe(schema: _Schema) -> str:
    if "enum" in schema:
        return " or ".join(f'"{word}"' for word in schema["enum"] if word is not None)
    if schema.get("anyOf"):
        return " or ".join(_describe(each) for each in schema["anyOf"] if each["type"] != "null")
    kind = schema["type"]
    if kind == "string" and "maxLength" in schema:
        return f"a string of at most {schema['maxLength']} characters"
    return _TYPE_NAMES[kind] + _range(schema.get("minimum"), schema.get("maximum"))


def _range(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f", at least {least}"
    return "" if most is None else f", at most {most}"


def _suggest(name: str, known: list[str]) -> str:
    """Return the member that was probably meant, or all members."""
    close = get_close_matches(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(), known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"the members are {', '.join(known)}" if known else "this request has no members"
