"""JSON bodies of requests: strict JSON, and the members that an operation knows."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, NoReturn, TypeVar, get_args

import msgspec

from otpvoice.api.errors import UnreadableBody
from otpvoice.core.errors import FieldError, InvalidRequest
from otpvoice.core.requests import RequestBody

_Body = TypeVar("_Body", bound=RequestBody)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259) whose members are unique (RFC 7493).

    Raises:
        UnreadableBody: it is something else.
    """
    try:
        value = _JSON_DECODER.decode(raw.decode("utf-8"))
    except UnicodeError as error:
        raise UnreadableBody("The body is not UTF-8.") from error
    except RecursionError as error:
        raise UnreadableBody("The body is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise UnreadableBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except ValueError as error:  # a number with thousands of digits
        raise UnreadableBody("The body contains a number that is too large.") from error
    if not isinstance(value, dict):
        raise UnreadableBody("The body must be a JSON object.")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise UnreadableBody("The body contains the same member twice.")
    for name, value in pairs:
        name.encode()  # raises UnicodeError for a lone surrogate, which JSON permits
        if isinstance(value, str):
            value.encode()
    return members


def _reject_constant(word: str) -> NoReturn:
    raise UnreadableBody(f"The body is not JSON: {word} is not a JSON value.")


_JSON_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_constant=_reject_constant
)


def parse_members(members: dict[str, Any], body_type: type[_Body]) -> _Body:
    """Return the members as a body of this type.

    Raises:
        InvalidRequest: a member is unknown, missing or invalid.
    """
    try:
        body = msgspec.convert(members, body_type)
        errors = body.field_errors()
    except msgspec.ValidationError:
        errors = _type_errors(members, body_type)
    if errors:
        detail = "; ".join(f"{each.pointer} {each.detail}" for each in errors) + "."
        raise InvalidRequest(detail, errors)
    return body


def _type_errors(
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
                errors += _type_errors(members[name], nested, pointer)
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
