"""Interpret the reply to a request for a call (docs/providers/twiml.md, section 4).

An id in a successful reply means that the call exists. No vendor accepts an idempotency key, so
every unclear reply is ambiguous: a second request might ring a second time.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from otpvoice.core.verification import normalize_status_word
from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import PlacementOutcome, PlacementResult
from otpvoice.providers.message_body import decode_object, redact_text
from otpvoice.providers.placement import MismatchedReplyError
from otpvoice.providers.twiml.account import parse_sid

_MAX_DETAIL_LENGTH: Final = 120
SUCCESS: Final = frozenset({200, 201, 202})
_BY_STATUS: Final[Mapping[int, PlacementOutcome]] = {
    **dict.fromkeys((401, 402, 403), PlacementOutcome.MISCONFIGURED),
    # Not the API, or not the account: base_url or account is wrong.
    **dict.fromkeys((404, 405), PlacementOutcome.MISCONFIGURED),
    408: PlacementOutcome.AMBIGUOUS,
    429: PlacementOutcome.BACK_OFF,
}
_BY_CLASS: Final[Mapping[int, PlacementOutcome]] = {
    3: PlacementOutcome.MISCONFIGURED,
    4: PlacementOutcome.REFUSED,
}
"""By the first digit of a status; any other is ambiguous."""
_BY_CODE: Final[Mapping[str, PlacementOutcome]] = {
    **dict.fromkeys(
        (
            *("10001", "20003", "20005", "20006"),  # the account or its token
            *("21205", "21609"),  # the address of callbacks
            "21218",  # the application
        ),
        PlacementOutcome.MISCONFIGURED,
    ),
    **dict.fromkeys(("21210", "21212", "21213"), PlacementOutcome.LINE_REFUSED),
    "20429": PlacementOutcome.BACK_OFF,
}
"""Of a refusal: Twilio's codes, which the other vendors share as far as they have codes."""
_NUMBER_CODES: Final = frozenset(
    ("13227", "21211", "21214", "21215", "21216", "21217", "21219", "32205")
)
"""Of refusals that concern one number or its country."""
_DESTINATION_WORDS: Final = re.compile(
    r"\b(?:countr(?:y|ies)|destinations?|dialed number|geo|international)\b", re.IGNORECASE
)
_ACCEPTED_WORDS: Final = frozenset(
    map(normalize_status_word, ("queued", "initiated", "ringing", "in-progress"))
)
_REFUSED_WORDS: Final = frozenset(map(normalize_status_word, ("failed", "canceled")))
_CODE: Final = re.compile(r"[0-9]{4,6}")
_NUMBER: Final = re.compile(r"\+?([0-9]{7,15})")

Members = Mapping[str, Any]


def parse_placement(number: str, response: HttpResponse, secrets: Iterable[str]) -> PlacementResult:
    """Return the result that a reply means.

    Args:
        number: the recipient's, E.164.
        response: the complete reply.
        secrets: texts that are kept out of ``detail``.

    Raises:
        MismatchedReplyError: it is about a call to another number.
    """
    members = decode_object(response.body)
    sid = None
    if response.status in SUCCESS:
        if not is_about_number(members, number):
            raise MismatchedReplyError
        sid = sid_of(members)
        outcome = outcome_of_call(members, sid)
    else:
        outcome = _outcome_of_error(response.status, members)
    return PlacementResult(
        outcome,
        _detail(response.status, members, secrets),
        sid if outcome is PlacementOutcome.ACCEPTED else None,
        response.retry_after_s if outcome is PlacementOutcome.BACK_OFF else None,
    )


def sid_of(members: Members) -> str | None:
    """Return the vendor's id of a call in a reply or in the response to a query."""
    return parse_sid(members.get("sid")) or parse_sid(members.get("call_sid"))


def is_about_number(members: Members, number: str) -> bool:
    """Return whether ``to`` is this number, or is not a number at all."""
    to = members.get("to")
    match = _NUMBER.fullmatch(to.strip()) if isinstance(to, str) else None
    return match is None or match[1] == number.removeprefix("+")


def outcome_of_call(members: Members, sid: str | None) -> PlacementOutcome:
    """Return what the members of a successful reply mean."""
    status = members.get("status")
    word = normalize_status_word(status) if isinstance(status, str) else ""
    if word in _REFUSED_WORDS:
        return PlacementOutcome.REFUSED
    is_call = sid is not None or word in _ACCEPTED_WORDS
    return PlacementOutcome.ACCEPTED if is_call else PlacementOutcome.AMBIGUOUS


def _outcome_of_error(status: int, members: Members) -> PlacementOutcome:
    """Return what a refusal means. One number must not close the route for all others."""
    if status == HTTPStatus.FORBIDDEN:
        code, message = error_of(members)
        if code in _NUMBER_CODES or (code not in _BY_CODE and _DESTINATION_WORDS.search(message)):
            return PlacementOutcome.REFUSED
    default = _BY_CLASS.get(status // 100, PlacementOutcome.AMBIGUOUS)
    outcome = _BY_STATUS.get(status, default)
    if outcome is PlacementOutcome.REFUSED:
        return _BY_CODE.get(error_of(members)[0], outcome)
    return outcome


def error_of(members: Members) -> tuple[str, str]:
    """Return code and message: Twilio's members, or the first of Telnyx's list of errors."""
    match members:
        case {"errors": [{**first}, *_]}:
            code, message = first.get("code"), first.get("detail") or first.get("title")
        case _:
            code, message = members.get("code"), members.get("message")
    is_code = isinstance(code, str) and _CODE.fullmatch(code)
    return str(code) if is_code else "", message if isinstance(message, str) else ""


def _detail(status: int, members: Members, secrets: Iterable[str]) -> str:
    """Return the vendor's code and message, redacted; no word with a digit is in the message."""
    code, message = error_of(members)
    detail = f"HTTP {status}"
    if code:
        detail += f", code {code}"
    if message:
        detail += f": {redact_text(message, secrets)}"
    return detail[:_MAX_DETAIL_LENGTH]
