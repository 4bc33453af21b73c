"""What the service answers, typed.

Words (``status``, ``reason``, ``route``) stay plain strings and unknown members are ignored: a
newer service may say more. Times are aware, in UTC; durations are whole seconds. What must not be
printed by accident (numbers, tokens, receipts) is left out of every ``repr``. Two looks at the same
state are equal, though less time is left at the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

JsonObject = Mapping[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class Call:
    """One phone call for a verification."""

    id: str
    status: str
    """``queued``, ``dialing``, ``placed``; ``answered``, ``busy``, ``no_answer``, ``failed``;
    ``unknown``; or ``canceled`` and ``expired``, which were never dialed."""
    reason: str | None
    route: str
    locale: str
    caller_id: str
    due_at: datetime
    placed_at: datetime | None
    ended_at: datetime | None
    duration: int | None
    """Of the conversation."""
    heard: bool | None
    """Whether it lasted long enough for the code to be spoken; None: not known."""


@dataclass(frozen=True, slots=True)
class NextAction:
    """Whether a step is allowed now; if not or not at once, why and when."""

    allowed: bool
    reason: str | None
    at: datetime | None
    retry_after: int | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class NextActions:
    """What can be done with a verification now."""

    check: NextAction
    call: NextAction


@dataclass(frozen=True, slots=True)
class Verification:
    """One request to prove a number, as it stood when it was answered."""

    id: str
    url: str
    to: str = field(repr=False)
    """E.164; masked for the holder of a ``client_token``."""
    channel: str
    status: str
    """``pending``; ``approved``, ``canceled``, ``expired`` or ``max_attempts_reached``."""
    reason: str | None
    reference: str | None
    created_at: datetime
    expires_at: datetime
    expires_in: int = field(compare=False)
    ended_at: datetime | None
    version: int
    code_length: int
    checks_left: int
    poll_after: int | None
    """How long to wait before the next look; None when it has ended."""
    calls: tuple[Call, ...]
    next: NextActions
    client_token: str | None = field(default=None, repr=False, compare=False)
    """For the app of this person: it opens this one verification. Only a create answers it."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it. Its calls may still get their final states."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of one code. True in an ``if`` when this very code was accepted now."""

    verification: Verification
    valid: bool
    receipt: str | None = field(default=None, repr=False)
    """A signed proof for others (JWT), when this check approved the verification."""

    def __bool__(self) -> bool:
        return self.valid


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong member of a request."""

    pointer: str
    """RFC 6901."""
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document (RFC 9457), with the evidence it carries."""

    code: str
    """What to decide by: stable, and listed in docs/errors.md."""
    status: int
    """The HTTP status."""
    detail: str
    """For people."""
    request_id: str | None
    """What the service's operators find the request by."""
    errors: tuple[FieldError, ...]
    limit: str | None
    """The setting that refuses."""
    retry_after: int | None
    """Seconds."""
    verification: Verification | None
    """As it stands, if the problem is with one."""


_TIMESTAMPS: Final = frozenset(
    {"created_at", "expires_at", "ended_at", "due_at", "placed_at", "at"}
)


def parse_verification(document: JsonObject) -> Verification:
    """The object of the HTTP contract.

    Raises:
        KeyError, TypeError, ValueError: it is not.
    """
    members = _known_members(Verification, document)
    members["calls"] = tuple(Call(**_known_members(Call, call)) for call in document["calls"])
    members["next"] = NextActions(
        **{step: _parse_action(document["next"][step]) for step in ("check", "call")}
    )
    return Verification(**members)


def parse_check_result(document: JsonObject) -> CheckResult:
    """The answer to a check.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    # Identity: what is merely true in Python is no proof.
    return CheckResult(
        parse_verification(document), document["valid"] is True, document.get("receipt")
    )


def parse_problem(document: JsonObject, status: int, request_id: str | None) -> Problem:
    """The problem document of an answer with this HTTP status.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    verification = document.get("verification")
    return Problem(
        code=document["code"],
        status=status,
        detail=str(document.get("detail") or document.get("title") or document["code"]),
        request_id=request_id,
        errors=tuple(
            FieldError(**_known_members(FieldError, fault)) for fault in document.get("errors", ())
        ),
        limit=document.get("limit"),
        retry_after=document.get("retry_after"),
        verification=None if verification is None else parse_verification(verification),
    )


def _parse_action(document: JsonObject) -> NextAction:
    return NextAction(**_known_members(NextAction, document))


def _known_members(model: type[Any], document: JsonObject) -> dict[str, Any]:
    """Those that ``kind`` has; a missing one is missed by its constructor."""
    names = [each.name for each in fields(model) if each.name in document]
    return {
        name: _parse_timestamp(document[name]) if name in _TIMESTAMPS else document[name]
        for name in names
    }


def _parse_timestamp(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
