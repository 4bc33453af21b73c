"""What a client asks for: the bodies of ``outgoing/send`` and ``voice/c2c``.

As strict as the documents let us be (docs/provider.md, section 1).
"""

import re
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.sandbox.bodies import Member, Refused, read_members
from otpvoice.sandbox.config import Route

_NUMBER: Final = Member(r"[1-9][0-9]{6,14}", "digits with country code, without +", required=True)
_TEXT: Final = Member(r"[^\x00-\x1f\x7f]{1,255}", "a line of text")
_WEBHOOK: Final = Member(r"[0-9]+", "the id of a webhook", integers=True)

_OBD: Final = {
    "bridge": _NUMBER,
    "to": _NUMBER,
    "flow_id": Member(r"[0-9]+", "the id of a flow, as a string"),
    "audio": _TEXT,
    "name": _TEXT,
    "interval": Member(r"0|5|15|30|45|60", "0, 5, 15, 30, 45 or 60 (minutes)", integers=True),
    "webhook_id": _WEBHOOK,
}
_C2C: Final = {
    "bridge": _NUMBER,
    "from": _NUMBER,
    # The vendor connects to telephone numbers too; a code that goes there reaches nobody.
    "to": Member(r"flow:[0-9]+", "flow:<id>; this sandbox connects to flows only", required=True),
    "mid": _TEXT,
    "webhook_id": _WEBHOOK,
    "record": Member(r"[01]", "0 or 1", integers=True),
    "duration": Member(r"[1-9][0-9]{0,3}", "minutes, at least 1", integers=True),
    "attempts": Member(r"[012]", "0, 1 or 2", integers=True),
}
_VARIABLE: Final = re.compile(r"variables\[([A-Za-z_][A-Za-z0-9_]*)\]", re.ASCII)
_DEFAULT_ATTEMPTS: Final = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call that is in order, with the vendor's defaults filled in."""

    route: Route
    bridge: str
    person: str
    """Whose phone rings: ``to`` in OBD, ``from`` in C2C."""
    variables: Mapping[str, str]
    body: Mapping[str, Any]
    """As it was received."""
    flow_id: str | None = None
    audio: str | None = None
    webhook_id: str | None = None
    redials: int = 0
    """How often the vendor itself dials again when nobody answers."""
    interval: int = 0
    """OBD: minutes until it does."""
    minutes: int | None = None
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


def read_call_request(route: Route, body: Mapping[str, Any], account: Account) -> CallRequest:
    """The request in ``body``.

    Raises:
        Refused: 422, a member is missing, unknown or wrong, or names what the account has not.
    """
    variables = _variables(body)
    plain = {name: value for name, value in body.items() if not _VARIABLE.fullmatch(name)}
    read = _read_obd if route == "obd" else _read_c2c
    request = read(plain, variables, body)
    _look_up(request, account)
    return request


def _variables(body: Mapping[str, Any]) -> dict[str, str]:
    if "variables" in body:
        raise Refused(422, "variables: must be flat members, variables[Name]")
    found = {match[1]: body[name] for name in body if (match := _VARIABLE.fullmatch(name))}
    for name, value in found.items():
        if not isinstance(value, str):
            raise Refused(422, f"variables[{name}]: must be a string")
    return found


def _read_obd(
    plain: Mapping[str, Any], variables: Mapping[str, str], body: Mapping[str, Any]
) -> CallRequest:
    members = read_members(plain, _OBD)
    if ("flow_id" in members) == ("audio" in members):
        raise Refused(422, "flow_id, audio: exactly one of them")
    interval = int(members.get("interval", "0"))
    return CallRequest(
        route="obd",
        bridge=members["bridge"],
        person=members["to"],
        flow_id=members.get("flow_id"),
        audio=members.get("audio"),
        webhook_id=members.get("webhook_id"),
        redials=1 if interval else 0,
        interval=interval,
        campaign=members.get("name", ""),
        variables=variables,
        body=body,
    )


def _read_c2c(
    plain: Mapping[str, Any], variables: Mapping[str, str], body: Mapping[str, Any]
) -> CallRequest:
    members = read_members(plain, _C2C)
    return CallRequest(
        route="c2c",
        bridge=members["bridge"],
        person=members["from"],
        flow_id=members["to"].removeprefix("flow:"),
        webhook_id=members.get("webhook_id"),
        redials=int(members.get("attempts", _DEFAULT_ATTEMPTS)),
        minutes=int(members["duration"]) if "duration" in members else None,
        record=members.get("record") == "1",
        mid=members.get("mid"),
        variables=variables,
        body=body,
    )


def _look_up(request: CallRequest, account: Account) -> None:
    if request.flow_id is not None and request.flow_id not in account.flows:
        member = "flow_id" if request.route == "obd" else "to"
        known = ", ".join(sorted(account.flows, key=int)) or "none"
        raise Refused(422, f"{member}: no such flow; this account has: {known}")
    is_link = request.audio is not None and re.fullmatch(r"https?://\S+", request.audio)
    if request.audio is not None and not is_link and request.audio not in account.sounds:
        raise Refused(422, "audio: neither an uploaded sound nor an http or https URL")
    if request.webhook_id is not None and request.webhook_id not in account.webhooks:
        raise Refused(422, "webhook_id: no such webhook")
