"""Reading JSON bodies strictly. A vendor may overlook a typo; here it must not pass."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Refused(Exception):
    """The company says no. Never holds a value of the request, only names of members.

    ``status`` is an HTTP status, which the vendor repeats in its bodies.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Member:
    """What a member of a body may be: a string, or where numbers are natural an integer."""

    pattern: str
    rule: str
    required: bool = False
    integers: bool = False

    def read(self, name: str, value: object) -> str:
        """The value as a string.

        Raises:
            Refused: 422, it is anything else than the rule says.
        """
        text = str(value) if self.integers and type(value) is int else value
        if not isinstance(text, str) or not re.fullmatch(self.pattern, text):
            raise Refused(422, f"{name}: {self.rule}")
        return text


def read_object(mimetype: str, raw: bytes) -> dict[str, Any]:
    """The JSON object that a request brings.

    Raises:
        Refused: 422, it is not declared as JSON, not JSON, no object, or names a member twice.
    """
    if mimetype != "application/json":
        raise Refused(422, "Content-Type: must be application/json")
    try:
        body = json.loads(raw, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise Refused(422, "body: must be JSON") from None
    if not isinstance(body, dict):
        raise Refused(422, "body: must be a JSON object")
    return body


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused(422, "body: names a member twice")
    return members


def read_members(body: Mapping[str, object], members: Mapping[str, Member]) -> dict[str, str]:
    """The body's members, each by its rule.

    Raises:
        Refused: 422, one is unknown, missing or not as its rule says.
    """
    for name in body:
        if name not in members:
            raise Refused(422, f"{name}: unknown member")
    for name, member in members.items():
        if member.required and name not in body:
            raise Refused(422, f"{name}: required")
    return {name: members[name].read(name, value) for name, value in body.items()}
