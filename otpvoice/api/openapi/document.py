"""Generates the OpenAPI document from operations (https://spec.openapis.org/oas/v3.1.1)."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
from werkzeug.exceptions import BadRequest, MethodNotAllowed

from otpvoice.api import schemas
from otpvoice.api.errors import ERROR_CATALOG
from otpvoice.api.openapi.examples import PROBLEM_EXAMPLES
from otpvoice.api.openapi.model import (
    APP_AUTH,
    CLIENT_AUTH,
    JSON,
    PROVIDER_AUTH,
    Operation,
    ResponseSpec,
)
from otpvoice.api.request import IDEMPOTENCY_KEY

_Json = dict[str, Any]

_INFO: Final[_Json] = {
    "title": "otpvoice",
    "version": "1",
    "summary": "Proves a phone number by voice.",
    "description": """\
The service calls a phone, a voice speaks a code, and the code is accepted exactly once.

- Bodies are JSON. A request with an unknown member is rejected. Responses may gain members and \
words, so ignore unknown ones.
- Times are RFC 3339 in UTC, in whole seconds.
- Every error is a problem document (RFC 9457) with a stable `code`; see [all codes](docs/errors).
- After 503 `store_unavailable` the request may have taken effect; after any other 503 it has not. \
Retry with the same `Idempotency-Key`.
- `HEAD` works wherever `GET` does, except for callbacks, which change state. Every path answers \
`OPTIONS`. Other methods return 405.
- A request that is not valid HTTP returns 400, 414, 431 or 501 with code `invalid_request`.
""",
    "license": {"name": "MIT", "identifier": "MIT"},
}

_TAGS: Final[list[_Json]] = [
    {
        "name": "verifications",
        "description": "For login backends, and for apps that have a client token.",
    },
    {"name": "receipts", "description": "For backends that verify receipts."},
    {"name": "callbacks", "description": "For the provider."},
    {"name": "service", "description": "For process managers, load balancers and monitoring."},
    {"name": "documentation", "description": "These pages."},
]

_SECURITY_SCHEMES: Final[_Json] = {
    CLIENT_AUTH: {
        "type": "http",
        "scheme": "bearer",
        "description": "A client's API key (`ovk_…`). Never ship it in an app.",
    },
    APP_AUTH: {
        "type": "http",
        "scheme": "bearer",
        "description": "The `client_token` of a create (`vct_…`). It opens that verification to an "
        "app, which sees the number masked.",
    },
    PROVIDER_AUTH: {
        "type": "http",
        "scheme": "bearer",
        "description": "The secret that the operator configured at the provider.",
    },
}

_HEADERS: Final[_Json] = {
    "Request-Id": {
        "description": "The Request-Id of the request if it was 1 to 64 letters, digits and "
        "hyphens, otherwise a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"},
    },
    "Location": {
        "description": "URL of the verification.",
        "required": True,
        "schema": {"type": "string", "format": "uri"},
    },
    "Idempotent-Replayed": {
        "description": "Present if the response repeats that of an earlier request with the same "
        "Idempotency-Key. This request changed nothing.",
        "schema": {"type": "string", "const": "true"},
    },
    "Retry-After": {
        "description": "Seconds.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}},
    "Allow": {
        "description": "Methods that the path accepts.",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {"required": True, "schema": {"type": "string"}},
    "Cache-Control": {"required": True, "schema": {"type": "string"}},
}

_PARAMETERS: Final[_Json] = {
    "verification_id": {
        "name": "verification_id",
        "in": "path",
        "required": True,
        "description": "The `id` of a create's response.",
        "schema": {"type": "string"} | schemas.VERIFICATION_ID,
    },
    "path_token": {
        "name": "path_token",
        "in": "path",
        "required": True,
        "description": "The secret that the operator configured in the webhook's URL.",
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
        "description": "Makes a retry safe for 24 hours, or until the verification is deleted if "
        "that is earlier.",
        "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
    },
    "Request-Id": {
        "name": "Request-Id",
        "in": "header",
        "description": "Identifies the request in the response and in the log if it is 1 to 64 "
        "letters, digits and hyphens.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of the cached response.",
        "schema": {"type": "string"},
    },
}

_PROBLEM_JSON: Final = "application/problem+json"
_COMMON_ERRORS: Final = (BadRequest, Exception)
"""Errors that any request can cause: malformed HTTP, and an internal error."""
_HEADERS_BY_STATUS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}
)


def build_document(operations: Sequence[Operation]) -> _Json:
    """Return the whole document."""
    paths: defaultdict[str, _Json] = defaultdict(dict)
    for operation in operations:
        paths[operation.path][operation.method] = _operation(operation)
    return {
        "openapi": "3.1.1",
        "info": _INFO,
        # Relative to the document's own URL, so that it works behind any proxy.
        "servers": [{"url": "./"}],
        "tags": _TAGS,
        "paths": dict(paths),
        "components": {
            "schemas": _schemas(operations),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "examples": {
                error.__name__: _example(problem) for error, problem in PROBLEM_EXAMPLES.items()
            },
            "responses": {"MethodNotAllowed": _error_response(405, [MethodNotAllowed])},
            "links": {each.name: _link(each) for each in operations if each.tag == "verifications"},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _operation(operation: Operation) -> _Json:
    members = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [_ref("parameters", each) for each in (*operation.parameters, "Request-Id")],
        "requestBody": _request_body(operation),
        "responses": {str(spec.status): _response(spec) for spec in operation.responses}
        | _error_responses(operation.errors),
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
    return {"content": {media_type: {"schema": {}} for media_type in operation.accepts}}


def _response(spec: ResponseSpec) -> _Json:
    return _without_empty(
        {
            "description": spec.description,
            "headers": _headers(spec.headers),
            "content": {media_type: _content(spec) for media_type in spec.media_types},
            "links": {name: _ref("links", name) for name in spec.links},
        }
    )


def _content(spec: ResponseSpec) -> _Json:
    if not spec.schemas:
        return {"schema": {}}
    schemas = [_schema(each) for each in spec.schemas]
    content: _Json = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    if spec.examples:
        content["examples"] = {
            f"{type(each).__name__}{number}": {"value": msgspec.to_builtins(each)}
            for number, each in enumerate(spec.examples, start=1)
        }
    return content


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


def _schemas(operations: Iterable[Operation]) -> _Json:
    types: list[type[msgspec.Struct]] = [each.request for each in operations if each.request]
    types += [schema for each in operations for spec in each.responses for schema in spec.schemas]
    _, components = msgspec.json.schema_components(
        [*types, schemas.ProblemDocument], ref_template="#/components/schemas/{name}"
    )
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return components


def _schema(struct_type: type[msgspec.Struct]) -> _Json:
    return _ref("schemas", struct_type.__name__)


def _ref(section: str, name: str) -> _Json:
    return {"$ref": f"#/components/{section}/{name}"}


def _without_empty(members: _Json) -> _Json:
    return {name: value for name, value in members.items() if value}
