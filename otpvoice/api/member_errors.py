"""What is wrong with the members of a request's body, in the words of its schema."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

import msgspec

from otpvoice.core.errors import FieldError
from otpvoice.core.requests import RequestBody


def type_errors(
    members: Mapping[str, Any], body_type: type[RequestBody], parent: str = ""
) -> list[FieldError]:
    """Return the unknown members; if there is none, those that are missing or of another type.

    msgspec's own messages name Python types, so the expected value is described from its schema.
    ``parent`` is the pointer of the object.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(body_type)}
    if unknown := [name for name in members if name not in fields]:
        return [_unknown_member(name, [*fields], parent) for name in unknown]
    errors = []
    for name, field in fields.items():
        pointer = f"{parent}/{name}"
        if name not in members:
            if field.required:
                errors.append(FieldError(pointer, "is missing"))
            continue
        try:
            msgspec.convert(members[name], field.type)
        except msgspec.ValidationError:
            nested = _object_type(field.type)
            if nested and isinstance(members[name], dict):
                errors += type_errors(members[name], nested, pointer)
            else:
                errors.append(FieldError(pointer, f"must be {_describe(field.type, nested)}"))
    return errors


def _object_type(member_type: Any) -> type[RequestBody] | None:
    """Return the type of the object that a member may be; None if it is no object."""
    if isinstance(member_type, type) and issubclass(member_type, RequestBody):
        return member_type
    return next(filter(None, map(_object_type, get_args(member_type))), None)


def _describe(member_type: Any, nested: type[RequestBody] | None) -> str:
    """Describe words, a string, a whole number or an object. Members have no other types."""
    if nested:
        return f"an object with the members {', '.join(nested.__struct_fields__)}"
    whole = msgspec.json.schema(member_type)
    for words in whole.get("$defs", {}).values():
        return " or ".join(f'"{word}"' for word in words["enum"])
    schema = next(each for each in whole.get("anyOf", [whole]) if each["type"] != "null")
    if schema["type"] == "integer":
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    longest = f" of at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    example = f', such as "{schema["examples"][0]}"' if "examples" in schema else ""
    return f"a string{longest}{example}"


def _unknown_member(name: str, known: list[str], parent: str) -> FieldError:
    """Suggest the member that was probably meant, or all members."""
    snake_case = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    hint = f"the members are {', '.join(known)}" if known else "this request has no members"
    if close := get_close_matches(snake_case, known, n=1):
        hint = f"did you mean {close[0]}?"
    pointer = name.replace("~", "~0").replace("/", "~1")  # RFC 6901
    return FieldError(f"{parent}/{pointer}", f"is unknown; {hint}")
