"""Typed models of the service's responses.

Words (``status``, ``reason``, ``route``) are plain strings and unknown members are ignored, because
a newer service may send more. Times are aware, in UTC; durations are whole seconds. Numbers, tokens
and receipts are left out of every ``repr``. Two objects of the same state are equal, even if the
time left differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One phone call for a verification."""

    id: str
    status: str
    """``queued``, ``dialing``, ``placed``; ``answered``, ``busy``, ``no_answer``, ``failed``;
    ``unknown``; or ``canceled`` and ``expired``, for calls that were never placed."""
    reason: str | None
    route: str
    locale: str
    caller_id: str
    due_at: datetime
    placed_at: datetime | None
    ended_at: datetime | None
    duration: int | None
    """Seconds of the conversation."""
    heard: bool | None
    """Whether the call lasted long enough for the code to be spoken, or with a key gate, whether a
    key was pressed to hear it; None if unknown."""


@dataclass(frozen=True, slots=True)
class NextAction:
    """Whether an action is allowed now; if not, or not at once, why and when."""

    allowed: bool
    reason: str | None
    at: datetime | None
    retry_after: int | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class NextActions:
    """The actions that a verification allows now."""

    check: NextAction
    call: NextAction


@dataclass(frozen=True, slots=True)
class Transaction:
    """A payment that a code authorises. Its repr shows the currency only."""

    amount: str = field(repr=False)
    """A decimal number above zero, such as ``2500.00``: at most 13 digits, 3 after the point."""
    currency: str
    """ISO 4217, such as ``INR``."""
    payee: str = field(repr=False)
    """At most 30 characters. The service returns it as it is spoken."""


@dataclass(frozen=True, slots=True)
class Verification:
    """One request to prove a number, in the state of its response."""

    id: str
    url: str
    to: str = field(repr=False)
    """E.164; masked in responses to a ``client_token``."""
    channel: str
    status: str
    """``pending``; ``approved``, ``canceled``, ``expired`` or ``max_attempts_reached``."""
    reason: str | None
    """Of ``canceled``: ``requested``, ``superseded``, or ``denied`` by the person called. Of
    ``approved``: ``approved_elsewhere`` if the number was proven by other means."""
    reference: str | None
    created_at: datetime
    expires_at: datetime
    expires_in: int = field(compare=False)
    ended_at: datetime | None
    version: int
    code_length: int
    checks_left: int
    poll_after: int | None
    """Seconds to wait before the next poll; None if the verification has ended."""
    calls: tuple[Call, ...]
    next: NextActions
    client_token: str | None = field(default=None, repr=False, compare=False)
    """Gives the user's app access to this verification. Only the response to a create has it."""
    transaction: Transaction | None = None
    """The payment that the code authorises. Each check must bring it."""

    @property
    def has_ended(self) -> bool:
        """Whether the verification has ended. Results of its calls may still arrive."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of checking one code. It is true if this check accepted the code."""

    verification: Verification
    valid: bool
    receipt: str | None = field(default=None, repr=False)
    """A signed proof for other services (JWT), if this check approved the verification."""

    def __bool__(self) -> bool:
        return self.valid


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid member of a request."""

    pointer: str
    """RFC 6901."""
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document (RFC 9457) with its evidence."""

    code: str
    """A stable code, listed in docs/errors.md. Decide by it."""
    status: int
    """The HTTP status."""
    detail: str
    """A text for people."""
    request_id: str | None
    """Identifies the request in the service's log."""
    errors: tuple[FieldError, ...]
    limit: str | None
    """The setting of the limit that refused the request."""
    retry_after: int | None
    """Seconds."""
    verification: Verification | None
    """The current state, if the problem is about a verification."""


_TIMESTAMPS: Final = frozenset(
    {"created_at", "expires_at", "ended_at", "due_at", "placed_at", "at"}
)


def parse_verification(document: JsonObject) -> Verification:
    """Parse a verification of the HTTP contract.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the document is not a verification.
    """
    members = _known_members(Verification, document)
    members["calls"] = tuple(Call(**_known_members(Call, call)) for call in document["calls"])
    actions = {
        name: NextAction(**_known_members(NextAction, document["next"][name]))
        for name in ("check", "call")
    }
    members["next"] = NextActions(**actions)
    if transaction := document.get("transaction"):
        members["transaction"] = Transaction(**_known_members(Transaction, transaction))
    return Verification(**members)


def parse_check_result(document: JsonObject) -> CheckResult:
    """Parse the response to a check; it raises as ``parse_verification`` does."""
    # Identity: other values that are true in Python do not prove anything.
    is_valid = document["valid"] is True
    return CheckResult(parse_verification(document), is_valid, document.get("receipt"))


def parse_problem(document: JsonObject, status: int, request_id: str | None) -> Problem:
    """Parse a problem document; it raises as ``parse_verification`` does."""
    verification = document.get("verification")
    errors = document.get("errors", ())
    return Problem(
        code=document["code"],
        status=status,
        detail=str(document.get("detail") or document.get("title") or document["code"]),
        request_id=request_id,
        errors=tuple(FieldError(**_known_members(FieldError, error)) for error in errors),
        limit=document.get("limit"),
        retry_after=document.get("retry_after"),
        verification=None if verification is None else parse_verification(verification),
    )


def _known_members(model: type[Any], document: JsonObject) -> dict[str, Any]:
    """Return the members that ``model`` has; its constructor rejects a missing one."""
    known = {each.name: document[each.name] for each in fields(model) if each.name in document}
    for name in known.keys() & _TIMESTAMPS:
        if known[name] is not None:
            known[name] = datetime.fromisoformat(known[name])
    return known
