"""From the table of operations to an OpenAPI document (https://spec.openapis.org/oas/v3.1.1)."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
from werkzeug.exceptions import BadRequest, MethodNotAllowed

from otpvoice.api import schemas
from otpvoice.api.error_catalog import ERROR_CATALOG
from otpvoice.api.openapi.components import HEADERS, INFO, PARAMETERS, SECURITY, TAGS
from otpvoice.api.openapi.curl import code_samples
from otpvoice.api.openapi.examples import PROBLEM_EXAMPLES
from otpvoice.api.openapi.model import JSON, Operation, ResponseSpec
from otpvoice.api.openapi.operations import PAGES, SERVICE, VERIFICATIONS, callback_operations

PROBLEM: Final = "application/problem+json"
_COMMON_ERRORS: Final = (BadRequest, Exception)
"""What no request is safe from: a fault in what HTTP itself says, and a fault of ours."""
_HEADERS_BY_STATUS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}
)
_Json = dict[str, Any]


def build_document(provider: str) -> _Json:
    """The whole document. ``provider``: its name in the settings."""
    operations = (*VERIFICATIONS, *callback_operations(provider), *SERVICE, *PAGES)
    paths: defaultdict[str, _Json] = defaultdict(dict)
    for operation in operations:
        paths[operation.path][operation.method] = _operation(operation)
    return {
        "openapi": "3.1.1",
        "info": INFO,
        # Relative to where the document was found: right behind any proxy.
        "servers": [{"url": "./"}],
        "tags": TAGS,
        "paths": dict(paths),
        "components": {
            "schemas": _schemas(operations),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "examples": {kind.__name__: _example(told) for kind, told in PROBLEM_EXAMPLES.items()},
            "responses": {"MethodNotAllowed": _error_response(405, [MethodNotAllowed])},
            "links": {operation.name: _link(operation) for operation in VERIFICATIONS},
            "securitySchemes": SECURITY,
        },
    }


def _operation(operation: Operation) -> _Json:
    told = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": [{name: []} for name in operation.credentials],
        "parameters": [_ref("parameters", each) for each in (*operation.parameters, "Request-Id")],
        "requestBody": _request_body(operation),
        "responses": _responses(operation.responses) | _error_responses(operation.errors),
        "x-codeSamples": code_samples(operation),
    }
    empty_is_told = {"security"}  # nobody's credential is asked for
    return {name: value for name, value in told.items() if value or name in empty_is_told}


def _request_body(operation: Operation) -> _Json:
    if operation.request is not None:
        members = msgspec.structs.fields(operation.request)
        return {
            "required": any(member.required for member in members),
            "content": {JSON: {"schema": _schema(operation.request), "example": operation.example}},
        }
    return {"content": {kind: {"schema": {}} for kind in operation.accepts}}


def _responses(specs: Iterable[ResponseSpec]) -> _Json:
    return {str(answer.status): _response(answer) for answer in specs}


def _response(spec: ResponseSpec) -> _Json:
    told = {
        "description": spec.description,
        "headers": _headers(spec.headers),
        "content": {kind: _content(spec) for kind in spec.media_types},
        "links": {name: _ref("links", name) for name in spec.links},
    }
    return {name: value for name, value in told.items() if value}


def _content(spec: ResponseSpec) -> _Json:
    if not spec.schemas:
        return {"schema": {}}
    schemas = [_schema(shape) for shape in spec.schemas]
    told: _Json = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    if spec.examples:
        told["examples"] = {
            f"{type(each).__name__}{at}": {"value": msgspec.to_builtins(each)}
            for at, each in enumerate(spec.examples, start=1)
        }
    return told


def _error_responses(error_types: Iterable[type[Exception]]) -> _Json:
    by_status: defaultdict[int, list[type[Exception]]] = defaultdict(list)
    for kind in (*error_types, *_COMMON_ERRORS):
        by_status[PROBLEM_EXAMPLES[kind].status].append(kind)
    return {str(status): _error_response(status, by_status[status]) for status in sorted(by_status)}


def _error_response(status: int, error_types: Sequence[type[Exception]]) -> _Json:
    codes = dict.fromkeys(PROBLEM_EXAMPLES[kind].code for kind in error_types)
    return {
        "description": " ".join(
            f"`{code}`: {ERROR_CATALOG[status, code].meaning}" for code in codes
        ),
        "headers": _headers(_HEADERS_BY_STATUS.get(status, ())),
        "content": {
            PROBLEM: {
                "schema": _schema(schemas.ProblemDocument),
                "examples": {
                    kind.__name__: _ref("examples", kind.__name__) for kind in error_types
                },
            }
        },
    }


def _example(problem: schemas.ProblemDocument) -> _Json:
    advice = ERROR_CATALOG[problem.status, problem.code]
    return {
        "summary": f"{problem.code}: {problem.title}",
        "description": advice.resolution,
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
    told: list[type[msgspec.Struct]] = [each.request for each in operations if each.request]
    told += [shape for each in operations for answer in each.responses for shape in answer.schemas]
    _, components = msgspec.json.schema_components(
        [*told, schemas.ProblemDocument], ref_template="#/components/schemas/{name}"
    )
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return components


def _schema(struct_type: type[msgspec.Struct]) -> _Json:
    return _ref("schemas", struct_type.__name__)


def _ref(section: str, name: str) -> _Json:
    return {"$ref": f"#/components/{section}/{name}"}
