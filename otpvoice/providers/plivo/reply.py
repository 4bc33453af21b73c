"""Interpret Plivo's reply to a request for a call (docs/providers/plivo.md, section 2).

The provider documents HTTP statuses, and refuses in ``error``. A reply is accepted only if it has
the id of the request, because only then a later report can be about it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import PlacementOutcome, PlacementResult
from otpvoice.providers.message_body import decode_object, iterate_texts, redact_text

_MAX_DETAIL_LENGTH: Final = 120
_MAX_TEXT_LENGTH: Final = 2_000
SUCCESS: Final = frozenset({200, 201, 202})
_BY_STATUS: Final[Mapping[int, PlacementOutcome]] = {
    **dict.fromkeys((401, 402, 403), PlacementOutcome.MISCONFIGURED),
    # Not the API, or not the account: base_url or auth_id is wrong.
    **dict.fromkeys((404, 405), PlacementOutcome.MISCONFIGURED),
    429: PlacementOutcome.BACK_OFF,
}
_BY_CLASS: Final[Mapping[int, PlacementOutcome]] = {
    3: PlacementOutcome.MISCONFIGURED,
    4: PlacementOutcome.REFUSED,
}
"""By the first digit of a status; any other is ambiguous."""
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
_TEXT_MEMBERS: Final = ("error", "message", "errors", "detail")
_DESTINATION_WORDS: Final = re.compile(
    r"\b(?:geo|country|countries|destinations?|region|premium|high risk|to number|to parameter)\b"
    r"|\bto is\b"
)
"""A refusal for such a reason concerns one number, and must not close the route for others."""
_ACCOUNT_WORDS: Final = re.compile(
    r"balance|credit|insufficient|\bfunds?\b|recharge|auth|\bkyc\b|compliance|media anchoring"
    r"|suspended|on hold|\bnot verified|\bnot enabled|\btrial\b|answer url|hangup url"
)
"""A refusal for such a reason concerns every call."""
_LINE_WORDS: Final = re.compile(r"caller ?id|\bfrom (?:number|parameter|is)\b")
"""A refusal for such a reason concerns every call from this caller line."""


def parse_placement(reply: HttpResponse, secrets: tuple[str, ...]) -> PlacementResult:
    """Return the result that a reply means; the secrets are kept out of its ``detail``."""
    members = decode_object(reply.body)
    received = _text(members)
    text = redact_text(received, secrets)
    provider_id = parse_request_id(members.get("request_uuid"))
    # A name, which a stranger may choose, must not redact what a refusal is about.
    names_destination = _DESTINATION_WORDS.search(_normalize(received)) is not None
    outcome = _outcome(
        reply.status, provider_id, _normalize(text), names_destination=names_destination
    )
    return PlacementResult(
        outcome,
        f"HTTP {reply.status}{': ' if text else ''}{text}"[:_MAX_DETAIL_LENGTH],
        provider_id if outcome is PlacementOutcome.ACCEPTED else None,
        reply.retry_after_s if outcome is PlacementOutcome.BACK_OFF else None,
    )


def _outcome(
    status: int, provider_id: str | None, plain: str, *, names_destination: bool
) -> PlacementOutcome:
    if status in SUCCESS:
        # Without an id, or without readable JSON, the phone may ring all the same.
        return PlacementOutcome.ACCEPTED if provider_id else PlacementOutcome.AMBIGUOUS
    outcome = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, PlacementOutcome.AMBIGUOUS)
    if status == 403 and names_destination:
        return PlacementOutcome.REFUSED
    if outcome is not PlacementOutcome.REFUSED or names_destination:
        return outcome
    if _ACCOUNT_WORDS.search(plain):
        return PlacementOutcome.MISCONFIGURED
    return PlacementOutcome.LINE_REFUSED if _LINE_WORDS.search(plain) else outcome


def parse_request_id(value: object) -> str | None:
    """Return the id of a request for one call; the provider returns a list for several."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and REQUEST_ID.fullmatch(value) else None


def _normalize(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).casefold()


def _text(members: Mapping[str, Any]) -> str:
    """Join every text in the reply that may give a reason."""
    values = [members[name] for name in _TEXT_MEMBERS if name in members]
    return " ".join(iterate_texts(values))[:_MAX_TEXT_LENGTH]
