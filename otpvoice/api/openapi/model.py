"""Descriptions of operations, from which the OpenAPI document and the routes are made."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from werkzeug.exceptions import RequestEntityTooLarge

from otpvoice.api.errors import Forbidden, Unauthorized, UnreadableBody, UnsupportedMediaType
from otpvoice.api.schemas import ResponseSchema
from otpvoice.core import errors
from otpvoice.core.requests import RequestBody

JSON: Final = "application/json"
CLIENT_AUTH: Final = "api_key"
APP_AUTH: Final = "client_token"
PROVIDER_AUTH: Final = "webhook_secret"

_AUTH_ERRORS: Final = (
    Unauthorized,
    errors.TokenInvalid,
    errors.TokenExpired,
    errors.StoreUnavailable,
)
_BODY_ERRORS: Final = (
    UnreadableBody,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    errors.InvalidRequest,
)

_SHELL_CREDENTIALS: Final = {
    CLIENT_AUTH: "$OTPVOICE_API_KEY",
    APP_AUTH: "$CLIENT_TOKEN",
    PROVIDER_AUTH: "$WEBHOOK_SECRET",
}
_SHELL_PARAMETERS: Final = {
    "{verification_id}": "$VERIFICATION_ID",
    "{path_token}": "$PATH_TOKEN",
    "{file}": "swagger-ui.css",
}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """One successful response of an operation."""

    status: int
    description: str
    examples: tuple[ResponseSchema, ...] = ()
    """Possible JSON bodies: their types are the schemas."""
    headers: tuple[str, ...] = ()
    """Headers in addition to Request-Id and Idempotent-Replayed."""
    media_types: tuple[str, ...] = (JSON,)
    """Empty if there is no body."""
    links: tuple[str, ...] = ()
    """Operations that accept the id in this response."""

    @property
    def schemas(self) -> list[type[ResponseSchema]]:
        """Return the possible types of a JSON body."""
        return list(dict.fromkeys(type(each) for each in self.examples))


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    name: str
    """The operationId, which generated clients use as a function name."""
    method: str
    path: str
    tag: str
    summary: str
    responses: tuple[ResponseSpec, ...]
    errors: tuple[type[Exception], ...] = ()
    """Errors in addition to those that follow from the other members."""
    description: str = ""
    credentials: tuple[str, ...] = ()
    """Alternatives: any one of them is sufficient."""
    headers: tuple[str, ...] = ()
    """Request headers in addition to Request-Id."""
    request: type[RequestBody] | None = None
    example: Mapping[str, str] = field(default_factory=dict)
    """An example of the request body."""
    accepts: tuple[str, ...] = ()
    """Media types of a request body without a schema."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the names of all parameters."""
        return (*_PARAMETER.findall(self.path), *self.headers, "Request-Id")

    @property
    def all_errors(self) -> tuple[type[Exception], ...]:
        """Return the errors that a well-formed HTTP request can cause."""
        has_id = "{verification_id}" in self.path
        return (
            *(_AUTH_ERRORS if CLIENT_AUTH in self.credentials else ()),
            *((Forbidden,) if self.credentials == (CLIENT_AUTH,) else ()),
            *((errors.NotFound,) if has_id else ()),
            *((errors.VerificationClosed,) if has_id and self.request else ()),
            *(_BODY_ERRORS if self.request else ()),
            *self.errors,
            *((errors.IdempotencyMismatch,) if self.is_replayable else ()),
        )

    @property
    def is_replayable(self) -> bool:
        """Return whether a repeated request can return the first response."""
        return "Idempotency-Key" in self.headers

    @property
    def flask_rule(self) -> str:
        """Return the path as a rule of Flask's router."""
        return _PARAMETER.sub(r"<\1>", self.path)

    @property
    def curl(self) -> str:
        """Return a curl command as a code sample, with the first of the credentials."""
        path = self.path
        for parameter, variable in _SHELL_PARAMETERS.items():
            path = path.replace(parameter, variable)
        parts = [f'curl "$OTPVOICE_URL{path}"']
        if self.method != ("post" if self.example else "get"):
            parts.append(f"-X {self.method.upper()}")
        if self.credentials:
            credential = _SHELL_CREDENTIALS[self.credentials[0]]
            parts.append(f'-H "Authorization: Bearer {credential}"')
        if self.example:
            parts.append(f"-H 'Content-Type: {JSON}'")
            parts.append(f"-d {shlex.quote(json.dumps(self.example))}")
        return " \\\n  ".join(parts)
