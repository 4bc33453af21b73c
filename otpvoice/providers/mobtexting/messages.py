"""Find the messages about calls in a callback, whatever they are wrapped in.

A message is an object with a status and something that names a call. An object or list that holds
messages in exactly one place is an envelope, of which nothing else is read.
"""

from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any, Final

from otpvoice.providers.base import Callback, CallbackParseError
from otpvoice.providers.callback_body import decode_body, decode_json

MAX_MESSAGES: Final = 20
"""In one callback."""
_MAX_ENVELOPES: Final = 3
"""Of envelopes, a list included."""
_STATUS_MEMBERS: Final = frozenset({"status", "status1"})
_CALL_MEMBERS: Final = frozenset({"id", "mid", "callId", "to", "from"})
_CHALLENGE_MEMBERS: Final = frozenset({"validation_key", "challenge"})

Message = dict[str, Any]
"""Numbers as text."""


def extract_messages(callback: Callback) -> list[Message]:
    """Return the messages, at least one; each has the members of the query string as well.

    What a message and the query string both have is taken from the message. An object in which no
    message is found is returned as it is, so that a member may be missing.

    Raises:
        CallbackParseError: neither JSON nor a form, no object, or too many messages.
    """
    try:
        value = decode_body(callback.body)
    except ValueError as error:
        # Not chained: the cause holds the whole body.
        raise CallbackParseError(_describe_error(error)) from None
    if isinstance(value, dict):
        value = {**callback.query, **value}
    messages = _unwrap(value, _MAX_ENVELOPES) or (
        [value] if isinstance(value, dict) and value else []
    )
    if not messages:
        raise CallbackParseError("there is no message about a call in it")
    if len(messages) > MAX_MESSAGES:
        raise CallbackParseError(f"there are more than {MAX_MESSAGES} messages in it")
    return [{**callback.query, **message} for message in messages]


def _describe_error(error: ValueError) -> str:
    """Say what is wrong with a body, and nothing of what is in it."""
    if isinstance(error, UnicodeDecodeError):
        return "the body is not UTF-8"
    if isinstance(error, JSONDecodeError):
        return f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return f"the body was not decoded: {error}"


def _unwrap(value: object, levels: int) -> list[Message]:
    """Return the messages in ``value``, at most ``levels`` envelopes deep."""
    if isinstance(value, str):
        value = _parse_text(value)
    if isinstance(value, dict):
        return _unwrap_object(value, levels)
    if isinstance(value, list) and levels:
        found = [_unwrap(element, levels - 1) for element in value]
        return [message for each in found for message in each] if all(found) else []
    return []


def _unwrap_object(value: Message, levels: int) -> list[Message]:
    members = value.values() if levels else ()
    contents = [found for member in members if (found := _unwrap(member, levels - 1))]
    if len(contents) == 1:
        return contents[0]
    return [value] if _is_message(value) else []


def _is_message(value: Mapping[str, Any]) -> bool:
    names = value.keys()
    return bool(names & _STATUS_MEMBERS and names & _CALL_MEMBERS) or names >= _CHALLENGE_MEMBERS


def _parse_text(text: str) -> object:
    """Return the JSON value that a member holds as text; None if it is not an object or list."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return decode_json(text.encode())
    except ValueError:
        return None
