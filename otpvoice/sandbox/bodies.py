"""Reading JSON bodies strictly. A vendor may overlook a typo; here it must not pass."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class RequestRejected(Exception):
    """The company says no. Never holds a value of the request, only names of members.

    ``status`` is an HTTP status, which the vendor repeats in its bodies.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What a member of a body may be: a string, or where numbers are natural an integer."""

    pattern: str
    expected: str
    required: bool = False
    allow_integer: bool = False

    def parse(self, name: str, value: object) -> str:
        """The value as a string.

        Raises:
            Refused: 422, it is anything else than the rule says.
        """
        text = str(value) if self.allow_integer and type(value) is int else value
        if not isinstance(text, str) or not re.fullmatch(self.pattern, text):
            raise RequestRejected(422, f"{name}: {self.expected}")
        return text


def parse_json_object(mimetype: str, raw: bytes) -> dict[str, Any]:
    """The JSON object that a request brings.

    Raises:
        Refused: 422, it is not declared as JSON, not JSON, no object, or names a member twice.
    """
    if mimetype != "application/json":
        raise RequestRejected(422, "Content-Type: must be application/json")
    try:
        body = json.loads(raw, object_pairs_hook=_reject_duplicates)
    except (ValueError, RecursionError):
        raise RequestRejected(422, "body: must be JSON") from None
    if not isinstance(body, dict):
        raise RequestRejected(422, "body: must be a JSON object")
    return body


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RequestRejected(422, "body: names a member twice")
    return members


def parse_fields(body: Mapping[str, object], rules: Mapping[str, FieldRule]) -> dict[str, str]:
    """The body's members, each by its rule.

    Raises:
        Refused: 422, one is unknown, missing or not as its rule says.
    """
    for name in body:
        if name not in rules:
            raise RequestRejected(422, f"{name}: unknown member")
    for name, member in rules.items():
        if member.required and name not in body:
            raise RequestRejected(422, f"{name}: required")
    return {name: rules[name].parse(name, value) for name, value in body.items()}
