"""What operations have in common: headers, parameters, credentials, and what holds for all."""

from typing import Any, Final

from otpvoice.api import schemas
from otpvoice.api.openapi.model import APP_AUTH, CLIENT_AUTH, PROVIDER_AUTH
from otpvoice.api.request_body import IDEMPOTENCY_KEY

_Json = dict[str, Any]

INFO: Final[_Json] = {
    "title": "otpvoice",
    "version": "1",
    "summary": "Proves a phone number by voice.",
    "description": """\
A phone rings, a voice reads a code, and the code is accepted exactly once.

- Bodies are JSON. Requests are strict: a member that is not known is refused. Answers may gain \
members and words: ignore those that you do not know.
- Times are RFC 3339 in UTC, whole seconds.
- Every refusal is a problem document (RFC 9457) with a stable `code`: [what each means]\
(docs/errors).
- After a 503 `store_unavailable` it is not known whether the request took effect; after any other \
503 it did not. Repeat it with the same `Idempotency-Key`.
- Every `GET` answers `HEAD` too, but for callbacks, which it would change; every address answers \
`OPTIONS`. Other methods are 405.
- What can not be read as HTTP is refused with 400, 414, 431 or 501, code `invalid_request`.
""",
    "license": {"name": "MIT", "identifier": "MIT"},
}

TAGS: Final[list[_Json]] = [
    {
        "name": "verifications",
        "description": "For login backends, and for apps with the client token of one.",
    },
    {"name": "receipts", "description": "For backends that verify a receipt by themselves."},
    {"name": "callbacks", "description": "For the telephone company."},
    {"name": "service", "description": "For whoever starts, stops and balances the service."},
    {"name": "documentation", "description": "What you read."},
]

SECURITY: Final[_Json] = {
    CLIENT_AUTH: {
        "type": "http",
        "scheme": "bearer",
        "description": "A login backend's key (`ovk_…`). It never ships in an app.",
    },
    APP_AUTH: {
        "type": "http",
        "scheme": "bearer",
        "description": "The `client_token` of a create (`vct_…`): opens that verification to an "
        "app, which sees the number masked.",
    },
    PROVIDER_AUTH: {
        "type": "http",
        "scheme": "bearer",
        "description": "The operator gave it to the provider.",
    },
}


HEADERS: Final[_Json] = {
    "Request-Id": {
        "description": "The request's own Request-Id if it was 1 to 64 letters, digits and "
        "hyphens, else one of ours.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"},
    },
    "Location": {
        "description": "The verification's URL.",
        "required": True,
        "schema": {"type": "string", "format": "uri"},
    },
    "Idempotent-Replayed": {
        "description": "There when the same request came before, under the same Idempotency-Key: "
        "nothing was done now.",
        "schema": {"type": "string", "const": "true"},
    },
    "Retry-After": {
        "description": "Seconds.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}},
    "Allow": {
        "description": "The methods that there are.",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {"required": True, "schema": {"type": "string"}},
    "Cache-Control": {"required": True, "schema": {"type": "string"}},
}

PARAMETERS: Final[_Json] = {
    "verification_id": {
        "name": "verification_id",
        "in": "path",
        "required": True,
        "description": "As a create told it; any other is 404.",
        "schema": {"type": "string"} | schemas.VERIFICATION_ID,
    },
    "path_token": {
        "name": "path_token",
        "in": "path",
        "required": True,
        "description": "A secret that the operator gave to the provider.",
        "schema": {"type": "string"},
    },
    "file": {
        "name": "file",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "examples": ["swagger-ui.css"]},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes a repeated request the same request, for 24 hours or as long as the "
        "verification is kept, whichever is shorter.",
        "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
    },
    "Request-Id": {
        "name": "Request-Id",
        "in": "header",
        "description": "Names the request in the answer and in the log. Taken over if it is 1 to "
        "64 letters, digits and hyphens.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what you have.",
        "schema": {"type": "string"},
    },
}
