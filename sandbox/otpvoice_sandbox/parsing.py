"""Strict parsing of request bodies.

A vendor may overlook a typo in a request. The simulator rejects it, so that tests find it. The
rules for calls follow docs/providers/mobtexting.md, section 1.
"""

import json
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import flask
import requests

from otpvoice_sandbox.config import WEB_URL, Route, SandboxConfig


class RequestRejected(Exception):
    """The sandbox rejects a request. The message names fields and never contains their values.

    ``status`` is an HTTP status, which the vendor repeats in its bodies.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The allowed values of a field: a string, or an integer where numbers are natural."""

    pattern: str
    expected: str
    """Describes the allowed values in error messages."""
    required: bool = False
    allow_integer: bool = False


def parse_json(raw: bytes, make_object: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """Parse JSON whose strings are text: half of a surrogate pair is none (RFC 8259, section 8.2).

    Raises:
        ValueError: it is not such JSON.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(raw, object_pairs_hook=make_object)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def parse_body(raw: bytes) -> Any:
    """Return the JSON of a body, or the text of any other."""
    try:
        return parse_json(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


def received_object() -> dict[str, Any]:
    """Parse the JSON object of the current request.

    Raises:
        RequestRejected: 422, it is not declared as JSON, is not a JSON object, or repeats a member.
    """
    if flask.request.mimetype != "application/json":
        raise RequestRejected(422, "Content-Type: must be application/json")
    try:
        body = parse_json(flask.request.get_data(), _reject_duplicates)
    except (ValueError, RecursionError):
        raise RequestRejected(422, "body: must be JSON") from None
    if not isinstance(body, dict):
        raise RequestRejected(422, "body: must be a JSON object")
    return body


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RequestRejected(422, "body: repeats a member")
    return members


def parse_fields(body: Mapping[str, object], rules: Mapping[str, FieldRule]) -> dict[str, str]:
    """Return every member of a body as a string that matches its rule.

    Raises:
        RequestRejected: 422, a member is unknown, missing or invalid.
    """
    for name in body:
        if name not in rules:
            raise RequestRejected(422, f"{name}: unknown member")
    for name, rule in rules.items():
        if rule.required and name not in body:
            raise RequestRejected(422, f"{name}: required")
    fields = {}
    for name, value in body.items():
        rule = rules[name]
        text = str(value) if rule.allow_integer and type(value) is int else value
        if not isinstance(text, str) or not re.fullmatch(rule.pattern, text):
            raise RequestRejected(422, f"{name}: {rule.expected}")
        fields[name] = text
    return fields


def is_header_map(value: Any) -> bool:
    """Return whether a JSON value is an object of HTTP header fields (RFC 9110, section 5)."""
    return is_string_map(value) and all(
        _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(text)
        for name, text in value.items()
    )


def is_string_map(value: object) -> bool:
    """Return whether a JSON value is an object of strings."""
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~\xa0-\xff]*")
TEXT_LINE: Final = FieldRule(r"[^\x00-\x1f\x7f]{1,255}", "a line of text")
WEB_ADDRESS: Final = FieldRule(WEB_URL.pattern, "an http or https URL", required=True)
_PHONE_NUMBER: Final = FieldRule(
    r"[1-9][0-9]{6,14}", "digits with country code, without +", required=True
)
_WEBHOOK_ID: Final = FieldRule(r"[0-9]+", "the id of a webhook", allow_integer=True)
_FIELDS: Final[Mapping[str, Mapping[str, FieldRule]]] = {
    "obd": {
        "bridge": _PHONE_NUMBER,
        "to": _PHONE_NUMBER,
        "flow_id": FieldRule(r"[0-9]+", "the id of a flow, as a string"),
        "audio": TEXT_LINE,
        "name": TEXT_LINE,
        "interval": FieldRule(
            r"0|5|15|30|45|60", "0, 5, 15, 30, 45 or 60 (minutes)", allow_integer=True
        ),
        "webhook_id": _WEBHOOK_ID,
    },
    "c2c": {
        "bridge": _PHONE_NUMBER,
        "from": _PHONE_NUMBER,
        # The vendor also connects to phone numbers. A code that is sent to one is spoken to the
        # wrong party, so the sandbox accepts flows only.
        "to": FieldRule(
            r"flow:[0-9]+", "flow:<id>; this sandbox connects to flows only", required=True
        ),
        "mid": TEXT_LINE,
        "webhook_id": _WEBHOOK_ID,
        "record": FieldRule(r"[01]", "0 or 1", allow_integer=True),
        "duration": FieldRule(r"[1-9][0-9]{0,3}", "minutes, at least 1", allow_integer=True),
        "attempts": FieldRule(r"[012]", "0, 1 or 2", allow_integer=True),
    },
}
_VARIABLE: Final = re.compile(r"variables\[([A-Za-z_][A-Za-z0-9_]*)\]", re.ASCII)
_DEFAULT_ATTEMPTS: Final = "2"


class VendorMessages(Protocol):
    """What a vendor sends about one call."""

    def reply(self, call: Any) -> dict[str, Any]:
        """Return the reply to the accepted request."""
        ...

    def callback(self, call: Any) -> requests.Request | None:
        """Return the message after the call, if one is wanted."""
        ...

    def fetch_after_key(self, call: Any, url: str) -> "FetchedSpeech":
        """Fetch what the call speaks after its key; as ``SpeechSource.fetch_speech``."""
        ...


_DENIAL_KEY: Final = "9"


class KeyRequest(NamedTuple):
    """The part of a document that asks for a key."""

    prompt: str
    """What is spoken until a phone presses a key by itself."""
    url: str
    """Where the vendor gets what is spoken next."""
    wait_seconds: int
    """How long the document waits for a key, without its speech."""
    text: str = ""
    """What a flow speaks after a key. After a document, another one is fetched."""

    def text_after(self, key: str) -> str:
        """Return what a flow speaks after this key: nothing after a denial."""
        return "" if key == _DENIAL_KEY else self.text


class FetchedSpeech(NamedTuple):
    """What a document speaks."""

    text: str
    """Empty if it speaks nothing."""
    language: str
    """Of the first text; empty if the document names none."""
    key_request: KeyRequest | None = None
    """None: it asks for no key."""


class SpeechFault(Exception):
    """A call was answered, and no usable document was there for it."""

    def __init__(self, code: str, cause: str) -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        """Code and cause as the vendor reports them."""


class SpeechSource(Protocol):
    """Where a vendor gets what a call speaks, when the call is answered."""

    def fetch_speech(self, call: Any) -> FetchedSpeech:
        """Fetch it, which may block.

        Raises:
            SpeechFault: there is no usable document.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A valid request for a call, with the vendor's defaults filled in."""

    route: Route
    bridge: str
    callee: str
    """The number that rings: ``to`` in OBD, ``from`` in C2C."""
    variables: Mapping[str, str]
    body: Mapping[str, Any]
    """The body as received."""
    flow_id: str | None = None
    audio: str | None = None
    webhook_id: str | None = None
    max_redials: int = 0
    """How often the vendor redials an unanswered call."""
    interval_minutes: int = 0
    """OBD: minutes until the redial."""
    max_seconds: int | None = None
    """The maximum length of the conversation."""
    record: bool = False
    campaign: str = ""
    mid: str | None = None
    text: str | None = None
    """What the call speaks, if the request says it itself."""
    language: str = ""
    """Language tag of ``text``; empty: the language of its script."""
    key_request: KeyRequest | None = None
    """How ``text`` asks for a key."""
    call_id: str | None = None
    """The vendor's id of the call; None: a new UUID."""
    messages: VendorMessages | None = None
    """None: those of the vendor with flows."""
    speech_source: SpeechSource | None = None
    """None: what the call speaks is known before it is answered."""


def parse_call_request(
    route: Route, body: Mapping[str, Any], account: SandboxConfig, webhooks: Container[str]
) -> CallRequest:
    """Parse the body of ``outgoing/send`` or ``voice/c2c``.

    Raises:
        RequestRejected: 422, a field is missing, unknown or invalid, or an id does not exist.
    """
    variables = _parse_variables(body)
    plain = {name: value for name, value in body.items() if not _VARIABLE.fullmatch(name)}
    fields = parse_fields(plain, _FIELDS[route])
    if route == "obd" and ("flow_id" in fields) == ("audio" in fields):
        raise RequestRejected(422, "flow_id, audio: exactly one is required")
    is_obd = route == "obd"
    interval = int(fields.get("interval", "0"))
    request = CallRequest(
        route=route,
        bridge=fields["bridge"],
        callee=fields["to" if is_obd else "from"],
        flow_id=fields.get("flow_id") if is_obd else fields["to"].removeprefix("flow:"),
        audio=fields.get("audio"),
        webhook_id=fields.get("webhook_id"),
        max_redials=min(interval, 1) if is_obd else int(fields.get("attempts", _DEFAULT_ATTEMPTS)),
        interval_minutes=interval,
        max_seconds=int(fields["duration"]) * 60 if "duration" in fields else None,
        record=fields.get("record") == "1",
        campaign=fields.get("name", ""),
        mid=fields.get("mid"),
        variables=variables,
        body=body,
    )
    _validate_ids(request, account, webhooks)
    return request


def _parse_variables(body: Mapping[str, Any]) -> dict[str, str]:
    if "variables" in body:
        raise RequestRejected(422, "variables: must be flat members, variables[Name]")
    variables = {match[1]: body[name] for name in body if (match := _VARIABLE.fullmatch(name))}
    for name, value in variables.items():
        if not isinstance(value, str):
            raise RequestRejected(422, f"variables[{name}]: must be a string")
    return variables


def _validate_ids(request: CallRequest, account: SandboxConfig, webhooks: Container[str]) -> None:
    if request.flow_id is not None and request.flow_id not in account.flows:
        field = "flow_id" if request.route == "obd" else "to"
        existing = ", ".join(sorted(account.flows, key=int)) or "none"
        raise RequestRejected(422, f"{field}: no such flow; this account has: {existing}")
    is_url = request.audio is not None and WEB_URL.fullmatch(request.audio)
    if request.audio is not None and not is_url and request.audio not in account.sounds:
        raise RequestRejected(422, "audio: neither an uploaded sound nor an http or https URL")
    if request.webhook_id is not None and request.webhook_id not in webhooks:
        raise RequestRejected(422, "webhook_id: no such webhook")
