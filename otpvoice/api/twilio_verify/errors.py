"""Errors in Twilio's format, made from the problem documents of the API.

https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions
"""

from typing import Any, Final

from msgspec import UNSET, Struct

from otpvoice.api import schemas
from otpvoice.api.errors import SEE_ALL_PATHS
from otpvoice.api.http import ApiRequest, ApiResponse, json_response
from otpvoice.core.verification import Status

_INVALID_PARAMETER: Final = (400, 60200)
_MAX_CHECKS: Final = (429, 60202)
_CODES: Final = {
    "invalid_request": _INVALID_PARAMETER,
    "invalid_number": _INVALID_PARAMETER,
    "unauthorized": (401, 20003),
    "verification_closed": (404, 20404),  # as if deleted: Twilio deletes what has ended
    "method_not_allowed": (405, 20004),
    "number_not_allowed": (403, 60605),
    "rate_limited": (429, 60203),
    "too_many_wrong_codes": _MAX_CHECKS,
}
"""Status and code by the code of a problem document. Others: the status, and 20000 more."""
_PARAMETERS: Final = {
    "/to": "To",
    "/name": "CustomFriendlyName",
    "/locale": "Locale",
    "/code": "CustomCode",
    "/ip": "DeviceIp",
    "/transaction/amount": "Amount",
    "/transaction/currency": "Amount",
    "/transaction/payee": "Payee",
}
"""Twilio's names of members. Other pointers have Twilio's names already."""
_MISSING_OF_PAYMENT: Final = frozenset({"/Amount", "/Payee"})
_PAYMENT_INCOMPLETE: Final = (400, 60206)
_SEE_THESE_PATHS: Final = "docs/integrations/twilio-verify.md lists the paths."
"""The OpenAPI document, which ``/docs`` shows, leaves them out."""


class TwilioError(Struct, frozen=True, kw_only=True):
    """The body of an error.

    It must not have the members of RFC 9457: from ``type`` and ``title``, recent SDKs raise an
    exception that callers do not catch.
    """

    code: int
    message: str
    more_info: str
    status: int
    details: dict[str, Any]
    """The SDKs' exceptions have no headers, so the retry time and the request's id are here."""


def format_error(request: ApiRequest, problem: schemas.ProblemDocument) -> ApiResponse:
    """Return the response to an error."""
    status, code = _CODES.get(problem.code, (problem.status, 20_000 + problem.status))
    message = problem.detail.replace(SEE_ALL_PATHS, _SEE_THESE_PATHS)
    details: dict[str, Any] = {"request_id": request.id}
    if problem.errors is not UNSET:
        invalid = [
            (_PARAMETERS.get(each.pointer, each.pointer[1:]), each) for each in problem.errors
        ]
        if _MISSING_OF_PAYMENT & {each.pointer for each in problem.errors}:
            status, code = _PAYMENT_INCOMPLETE
        message = ". ".join(f"Invalid parameter `{name}`: {each.detail}" for name, each in invalid)
    if (
        problem.verification is not UNSET
        and problem.verification.status is Status.MAX_ATTEMPTS_REACHED
    ):
        (status, code), message = _MAX_CHECKS, "Max check attempts reached"
    details |= {
        name: value
        for name in ("limit", "retry_after")
        if (value := getattr(problem, name)) is not UNSET
    }
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    body = TwilioError(
        code=code, message=message, more_info=more_info, status=status, details=details
    )
    response = json_response(body, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return response
