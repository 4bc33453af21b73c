"""What a client asks for: the bodies of ``outgoing/send`` and ``voice/c2c``.

As strict as the documents let us be (docs/provider.md, section 1).
"""

import re
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.sandbox.bodies import FieldRule, RequestRejected, parse_fields
from otpvoice.sandbox.config import Route

_PHONE_NUMBER: Final = FieldRule(
    r"[1-9][0-9]{6,14}", "digits with country code, without +", required=True
)
_TEXT_LINE: Final = FieldRule(r"[^\x00-\x1f\x7f]{1,255}", "a line of text")
_WEBHOOK_ID: Final = FieldRule(r"[0-9]+", "the id of a webhook", allow_integer=True)

_OBD_FIELDS: Final = {
    "bridge": _PHONE_NUMBER,
    "to": _PHONE_NUMBER,
    "flow_id": FieldRule(r"[0-9]+", "the id of a flow, as a string"),
    "audio": _TEXT_LINE,
    "name": _TEXT_LINE,
    "interval": FieldRule(
        r"0|5|15|30|45|60", "0, 5, 15, 30, 45 or 60 (minutes)", allow_integer=True
    ),
    "webhook_id": _WEBHOOK_ID,
}
_C2C_FIELDS: Final = {
    "bridge": _PHONE_NUMBER,
    "from": _PHONE_NUMBER,
    # The vendor connects to telephone numbers too; a code that goes there reaches nobody.
    "to": FieldRule(
        r"flow:[0-9]+", "flow:<id>; this sandbox connects to flows only", required=True
    ),
    "mid": _TEXT_LINE,
    "webhook_id": _WEBHOOK_ID,
    "record": FieldRule(r"[01]", "0 or 1", allow_integer=True),
    "duration": FieldRule(r"[1-9][0-9]{0,3}", "minutes, at least 1", allow_integer=True),
    "attempts": FieldRule(r"[012]", "0, 1 or 2", allow_integer=True),
}
_VARIABLE: Final = re.compile(r"variables\[([A-Za-z_][A-Za-z0-9_]*)\]", re.ASCII)
_DEFAULT_ATTEMPTS: Final = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call that is in order, with the vendor's defaults filled in."""

    route: Route
    bridge: str
    callee: str
    """Whose phone rings: ``to`` in OBD, ``from`` in C2C."""
    variables: Mapping[str, str]
    body: Mapping[str, Any]
    """As it was received."""
    flow_id: str | None = None
    audio: str | None = None
    webhook_id: str | None = None
    max_redials: int = 0
    """How often the vendor itself dials again when nobody answers."""
    interval_minutes: int = 0
    """OBD: minutes until it does."""
    max_minutes: int | None = None
    """C2C: the longest conversation."""
    record: bool = False
    campaign: str = ""
    mid: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Ids of what the operator has set up in the portal."""

    flows: Collection[str]
    sounds: Container[str]
    webhooks: Container[str]


def parse_call_request(route: Route, body: Mapping[str, Any], account: Account) -> CallRequest:
    """The request in ``body``.

    Raises:
        Refused: 422, a member is missing, unknown or wrong, or names what the account has not.
    """
    variables = _parse_variables(body)
    plain = {name: value for name, value in body.items() if not _VARIABLE.fullmatch(name)}
    read = _parse_obd if route == "obd" else _parse_c2c
    request = read(plain, variables, body)
    _validate_ids(request, account)
    return request


def _parse_variables(body: Mapping[str, Any]) -> dict[str, str]:
    if "variables" in body:
        raise RequestRejected(422, "variables: must be flat members, variables[Name]")
    found = {match[1]: body[name] for name in body if (match := _VARIABLE.fullmatch(name))}
    for name, value in found.items():
        if not isinstance(value, str):
            raise RequestRejected(422, f"variables[{name}]: must be a string")
    return found


def _parse_obd(
    fields: Mapping[str, Any], variables: Mapping[str, str], body: Mapping[str, Any]
) -> CallRequest:
    members = parse_fields(fields, _OBD_FIELDS)
    if ("flow_id" in members) == ("audio" in members):
        raise RequestRejected(422, "flow_id, audio: exactly one of them")
    interval = int(members.get("interval", "0"))
    return CallRequest(
        route="obd",
        bridge=members["bridge"],
        callee=members["to"],
        flow_id=members.get("flow_id"),
        audio=members.get("audio"),
        webhook_id=members.get("webhook_id"),
        max_redials=1 if interval else 0,
        interval_minutes=interval,
        campaign=members.get("name", ""),
        variables=variables,
        body=body,
    )


def _parse_c2c(
    fields: Mapping[str, Any], variables: Mapping[str, str], body: Mapping[str, Any]
) -> CallRequest:
    members = parse_fields(fields, _C2C_FIELDS)
    return CallRequest(
        route="c2c",
        bridge=members["bridge"],
        callee=members["from"],
        flow_id=members["to"].removeprefix("flow:"),
        webhook_id=members.get("webhook_id"),
        max_redials=int(members.get("attempts", _DEFAULT_ATTEMPTS)),
        max_minutes=int(members["duration"]) if "duration" in members else None,
        record=members.get("record") == "1",
        mid=members.get("mid"),
        variables=variables,
        body=body,
    )


def _validate_ids(request: CallRequest, account: Account) -> None:
    if request.flow_id is not None and request.flow_id not in account.flows:
        member = "flow_id" if request.route == "obd" else "to"
        known = ", ".join(sorted(account.flows, key=int)) or "none"
        raise RequestRejected(422, f"{member}: no such flow; this account has: {known}")
    is_link = request.audio is not None and re.fullmatch(r"https?://\S+", request.audio)
    if request.audio is not None and not is_link and request.audio not in account.sounds:
        raise RequestRejected(422, "audio: neither an uploaded sound nor an http or https URL")
    if request.webhook_id is not None and request.webhook_id not in account.webhooks:
        raise RequestRejected(422, "webhook_id: no such webhook")
