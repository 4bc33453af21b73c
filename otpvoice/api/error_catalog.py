"""What each refusal means to whoever meets it, and what to do: docs/errors.md in the program."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorHelp:
    """For one status and code. Between backquotes stand words of the API."""

    meaning: str
    resolution: str


ERROR_CATALOG: Final[Mapping[tuple[int, str], ErrorHelp]] = MappingProxyType(
    {
        (400, "invalid_request"): ErrorHelp(
            "The body is not one JSON object in UTF-8 with each member once.",
            "Correct the client.",
        ),
        (401, "unauthorized"): ErrorHelp(
            "No API key or client token, or one that is not known.",
            "Send `Authorization: Bearer <API key>`.",
        ),
        (401, "token_expired"): ErrorHelp(
            "The client token's time is over, ten minutes after its verification's.",
            "Begin a new one.",
        ),
        (403, "forbidden"): ErrorHelp(
            "The request came with a client token, and takes an API key.",
            "Leave it to the login backend.",
        ),
        (404, "not_found"): ErrorHelp(
            "No such address, or no such verification for this client or client token.",
            "Check the id, and whose key or token it is.",
        ),
        (405, "method_not_allowed"): ErrorHelp(
            "The address has other methods: see `Allow`.",
            "Correct the client.",
        ),
        (409, "verification_closed"): ErrorHelp(
            "It ended: `verification.status` and `reason` say how.",
            "Begin a new one.",
        ),
        (409, "no_call_yet"): ErrorHelp(
            "The code was generated here and no call was sent yet, so nobody can know it. The "
            "check was neither compared nor counted.",
            "Wait until a call is `placed`, then check.",
        ),
        (409, "too_late"): ErrorHelp(
            "Too little of the code's life is left for another call.",
            "Begin a new one.",
        ),
        (413, "body_too_large"): ErrorHelp(
            "More than 16 KiB.",
            "Correct the client.",
        ),
        (415, "unsupported_media_type"): ErrorHelp(
            "The body is not plain JSON.",
            "Send `Content-Type: application/json` without encoding.",
        ),
        (422, "invalid_request"): ErrorHelp(
            "A member is missing, unknown or wrong: see `errors`. Costs no check.",
            "Correct the request.",
        ),
        (422, "idempotency_mismatch"): ErrorHelp(
            "The `Idempotency-Key` came with another body before.",
            "Use a new key for a new request.",
        ),
        (422, "invalid_number"): ErrorHelp(
            "No telephone can have this number.",
            "Let the person correct it.",
        ),
        (422, "number_not_allowed"): ErrorHelp(
            "The number's region, type or prefix is not called.",
            "Offer another way.",
        ),
        (429, "rate_limited"): ErrorHelp(
            "A limit holds; `limit` names the setting, with its window where it "
            "has several, as in `calls_per_number 3/10m`. It used up nothing.",
            "Wait `retry_after` seconds, or offer another way.",
        ),
        (429, "too_many_wrong_codes"): ErrorHelp(
            "So many codes of this number were wrong that no further one is compared; this "
            "one was not, and cost no check.",
            "Wait `retry_after` seconds, or offer another way.",
        ),
        (503, "store_unavailable"): ErrorHelp(
            "The store did not answer. Whether the request took effect is not known.",
            "Repeat it; look before you trust.",
        ),
        (503, "over_capacity"): ErrorHelp(
            "Calls of this client have waited for more than a minute already.",
            "Try again later; add dialers.",
        ),
        (503, "calls_unavailable"): ErrorHelp(
            "No dialer is alive, or all routes to the provider are closed. "
            "Creates with `call_after` are still taken.",
            "Try again; start a dialer.",
        ),
        (500, "internal_error"): ErrorHelp(
            "A fault of ours; it is in the log under the request's id.",
            "Report it.",
        ),
    }
)
"""By status and code, as they stand in docs/errors.md."""
