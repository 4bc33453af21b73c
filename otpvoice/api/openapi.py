"""Operations, from which the routes and the OpenAPI document (3.1.1) are made."""

import json
import re
import shlex
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from werkzeug.exceptions import BadRequest, MethodNotAllowed, RequestEntityTooLarge

from otpvoice.api import schemas
from otpvoice.api.errors import (
    ERROR_CATALOG,
    Forbidden,
    Unauthorized,
    UnreadableBody,
    UnsupportedMediaType,
)
from otpvoice.api.examples import PROBLEM_EXAMPLES
from otpvoice.api.http import IDEMPOTENCY_KEY
from otpvoice.api.openapi_events import event_requests
from otpvoice.api.openapi_schemas import component_schemas
from otpvoice.core import errors
from otpvoice.core.requests import RequestBody

_Json = dict[str, Any]

_STATIC: Final[_Json] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_STATIC["parameters"]["verification_id"]["schema"] |= schemas.VERIFICATION_ID
_STATIC["parameters"]["Idempotency-Key"]["schema"]["pattern"] = f"^{IDEMPOTENCY_KEY.pattern}$"

JSON: Final = "application/json"
CLIENT_AUTH: Final = "api_key"
APP_AUTH: Final = "client_token"
PROVIDER_AUTH: Final = "webhook_secret"

_PROBLEM_JSON: Final = "application/problem+json"
_COMMON_ERRORS: Final = (BadRequest, Exception)
"""Errors that any request can cause: malformed HTTP, and an internal error."""
_HEADERS_BY_STATUS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}

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
    "{client}": "$CLIENT",
    "{file}": "swagger-ui.css",
}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """One successful response of an operation."""

    status: int
    description: str
    examples: tuple[schemas.ResponseSchema, ...] = ()
    """Possible JSON bodies: their types are the schemas."""
    headers: tuple[str, ...] = ()
    """Headers in addition to Request-Id and Idempotent-Replayed."""
    media_types: tuple[str, ...] = (JSON,)
    """Empty if there is no body."""
    links: tuple[str, ...] = ()
    """Operations that accept the id in this response."""

    @property
    def schemas(self) -> list[type[schemas.ResponseSchema]]:
        """Return the possible types of a JSON body."""
        return list(dict.fromkeys(type(each) for each in self.examples))


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    name: str
    """The operationId, which generated clients use as a function name."""
    path: str
    tag: str
    summary: str
    responses: tuple[ResponseSpec, ...]
    method: str = "get"
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


def build_document(operations: Sequence[Operation], routes: Sequence[str]) -> _Json:
    """Return the whole document. ``routes``: the names of the configured ones."""
    paths: defaultdict[str, _Json] = defaultdict(dict)
    for operation in operations:
        paths[operation.path][operation.method] = _operation(operation)
    return {
        "openapi": "3.1.1",
        "info": _STATIC["info"],
        # Relative to the document's own URL, so that it works behind any proxy.
        "servers": [{"url": "."}],
        "tags": _STATIC["tags"],
        "paths": dict(paths),
        "webhooks": event_requests(_schema(schemas.Event)),
        "components": {
            "schemas": component_schemas(
                [each.request for each in operations if each.request],
                [
                    schema
                    for each in operations
                    for spec in each.responses
                    for schema in spec.schemas
                ]
                + [schemas.ProblemDocument, schemas.Event],
                routes,
                sorted({problem.code for problem in PROBLEM_EXAMPLES.values()}),
            ),
            "parameters": _STATIC["parameters"],
            "headers": _STATIC["headers"],
            "examples": {
                error.__name__: _example(problem)
                for error, problem in PROBLEM_EXAMPLES.items()
                if error is not MethodNotAllowed  # of no operation
            },
            "links": {each.name: _link(each) for each in operations if each.tag == "verifications"},
            "securitySchemes": _STATIC["securitySchemes"],
        },
    }


def _operation(operation: Operation) -> _Json:
    members = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [_ref("parameters", each) for each in operation.parameters],
        "requestBody": _request_body(operation),
        "responses": {str(spec.status): _response(operation, spec) for spec in operation.responses}
        | _error_responses(operation.all_errors),
        "x-codeSamples": [{"lang": "Shell", "label": "curl", "source": operation.curl}],
    }
    security: _Json = {"security": [{name: []} for name in operation.credentials]}
    return _without_empty(members) | security


def _request_body(operation: Operation) -> _Json:
    if operation.request is not None:
        members = msgspec.structs.fields(operation.request)
        return {
            "required": any(member.required for member in members),
            "content": {JSON: {"schema": _schema(operation.request), "example": operation.example}},
        }
    content: _Json = {media_type: {"schema": {}} for media_type in operation.accepts}
    return _without_empty({"content": content})


def _response(operation: Operation, spec: ResponseSpec) -> _Json:
    replayed = ("Idempotent-Replayed",) if operation.is_replayable else ()
    return _without_empty(
        {
            "description": spec.description,
            "headers": _headers((*spec.headers, *replayed)),
            "content": {media_type: _content(spec) for media_type in spec.media_types},
            "links": {name: _ref("links", name) for name in spec.links},
        }
    )


def _content(spec: ResponseSpec) -> _Json:
    if not spec.schemas:
        return {"schema": {}}
    possible = [_schema(each) for each in spec.schemas]
    return {
        "schema": possible[0] if len(possible) == 1 else {"type": "object", "anyOf": possible},
        "examples": {
            f"{type(each).__name__}{number}": {"value": msgspec.to_builtins(each)}
            for number, each in enumerate(spec.examples, start=1)
        },
    }


def _error_responses(error_types: Iterable[type[Exception]]) -> _Json:
    by_status: defaultdict[int, list[type[Exception]]] = defaultdict(list)
    for error in (*error_types, *_COMMON_ERRORS):
        by_status[PROBLEM_EXAMPLES[error].status].append(error)
    return {str(status): _error_response(status, by_status[status]) for status in sorted(by_status)}


def _error_response(status: int, error_types: Sequence[type[Exception]]) -> _Json:
    codes = dict.fromkeys(PROBLEM_EXAMPLES[error].code for error in error_types)
    meanings = (f"`{code}`: {ERROR_CATALOG[status, code].meaning}" for code in codes)
    return {
        "description": " ".join(meanings),
        "headers": _headers(_HEADERS_BY_STATUS.get(status, ())),
        "content": {
            _PROBLEM_JSON: {
                "schema": _schema(schemas.ProblemDocument),
                "examples": {
                    error.__name__: _ref("examples", error.__name__) for error in error_types
                },
            }
        },
    }


def _example(problem: schemas.ProblemDocument) -> _Json:
    return {
        "summary": f"{problem.code}: {problem.title}",
        "description": ERROR_CATALOG[problem.status, problem.code].resolution,
        "value": msgspec.to_builtins(problem),
    }


def _headers(names: Iterable[str]) -> _Json:
    return {name: _ref("headers", name) for name in ("Request-Id", *names)}


def _link(operation: Operation) -> _Json:
    return {
        "operationId": operation.name,
        "parameters": {"verification_id": "$response.body#/id"},
        "description": operation.summary,
    }


def _response_types(operations: Iterable[Operation]) -> list[type[msgspec.Struct]]:
    return [schema for each in operations for spec in each.responses for schema in spec.schemas]


def _schema(struct_type: type[msgspec.Struct]) -> _Json:
    return _ref("schemas", struct_type.__name__)


def _ref(section: str, name: str) -> _Json:
    return {"$ref": f"#/components/{section}/{name}"}


def _without_empty(members: _Json) -> _Json:
    return {name: value for name, value in members.items() if value}
