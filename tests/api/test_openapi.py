"""``/openapi.json`` lists all operations and errors, and matches the API."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from api.api_client import ApiClient, assert_problem, settings_with
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import MethodNotAllowed

from otpvoice import store as store_package
from otpvoice.api.errors import BAD_REQUEST, ERROR_CATALOG, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.api.http import IDEMPOTENCY_KEY
from otpvoice.app import create_app
from otpvoice.core.phone import E164
from otpvoice.core.requests import (
    CallRequest,
    CheckRequest,
    CreateRequest,
    NumberCheckRequest,
    NumberRequest,
)
from otpvoice.store.redis_store import RedisStore

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
PROBLEM = "application/problem+json"
LUA = Path(store_package.__file__).parent / "lua"
OF_A_FUNCTION = {
    *("closed", "no_call_yet", "too_late", "idempotency_mismatch"),
    *("rate_limited", "over_capacity", "calls_unavailable"),
}
"""Outcomes that are an error for some actions only."""
OUTCOMES = {"verification_closed": "closed", "too_many_wrong_codes": "rate_limited"}
"""Codes whose outcome has another name."""
UNASKED = {"HEAD", "OPTIONS"}
"""Methods that Flask adds; the document describes them in its introduction."""


class Document(dict[str, Any]):
    """The document; failures do not print all of it."""

    def __repr__(self) -> str:
        return "the document"


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    """Return the document as it is served."""
    return Document(app.test_client().get("/openapi.json").get_json())


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all operations."""
    for methods in document["paths"].values():
        yield from methods.values()


def resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return the target of a reference, or the object itself."""
    while "$ref" in found:
        _, _, section, name = found["$ref"].split("/")
        found = document["components"][section][name]
    return found


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return the validator of a schema, with formats."""
    whole = {"components": document["components"], **schema}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def member_of(document: dict[str, Any], shape: str, name: str) -> Any:
    """Return the validator of one member."""
    return validator(document, document["components"]["schemas"][shape]["properties"][name])


def test_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    """By the validator of the specification."""
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_document_lists_exactly_the_routes(app: Flask, document: dict[str, Any]) -> None:
    """With their methods."""
    rules = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - UNASKED
    }
    listed = {(path, name.upper()) for path, names in document["paths"].items() for name in names}
    assert listed == rules


def test_document_omits_the_console(
    app: Flask, store: RedisStore, environ: dict[str, str], document: dict[str, Any]
) -> None:
    """It consists of pages, not of an API."""
    settings = settings_with(environ, secrets_admin_key_sha256="0" * 64)
    rules = {rule.rule for rule in create_app(settings, store).url_map.iter_rules()}
    further = rules - {rule.rule for rule in app.url_map.iter_rules()}
    assert further
    assert all(rule.startswith("/console") for rule in further)
    assert not any(path.startswith("/console") for path in document["paths"])


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    """Generated clients use them as function names."""
    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


def test_document_has_an_example_of_every_error(document: dict[str, Any]) -> None:
    """Each where it can occur."""
    responses = [
        response for each in operations(document) for response in each["responses"].values()
    ]
    media = [
        response["content"][PROBLEM]
        for response in responses
        if PROBLEM in response.get("content", ())
    ]
    examples = [
        resolved(document, named)["value"] for each in media for named in each["examples"].values()
    ]
    listed = {(each["status"], each["code"], each["title"]) for each in examples}
    table = {*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR}
    table.remove(PROBLEM_TYPES[MethodNotAllowed])  # of no operation; the introduction has it
    assert listed == {(each.status, each.code, each.title) for each in table}


@pytest.mark.parametrize(
    ("operation", "function"),
    [
        ("create_verification", "create"),
        ("check_code", "check"),
        ("ask_for_call", "request_call"),
        ("cancel_verification", "close_verification"),
        ("approve_verification", "close_verification"),
    ],
)
def test_errors_of_an_operation_match_its_store_function(
    document: dict[str, Any], operation: str, function: str
) -> None:
    """The head of each Lua function lists its outcomes."""
    head = (LUA / f"{function}.lua").read_text("utf-8").partition("-- Outcomes ")[2]
    returned = {*re.findall(r"\w+", head.partition("\n\n")[0])} & OF_A_FUNCTION
    (found,) = [each for each in operations(document) if each["operationId"] == operation]
    listed = {
        resolved(document, named)["value"]["code"]
        for response in found["responses"].values()
        for named in response.get("content", {}).get(PROBLEM, {"examples": {}})["examples"].values()
    }
    assert {OUTCOMES.get(code, code) for code in listed} & OF_A_FUNCTION == returned


def test_error_examples_match_their_status(document: dict[str, Any]) -> None:
    """The example's status is that of the response."""
    for operation in operations(document):
        for status, response in operation["responses"].items():
            for named in (
                response.get("content", {}).get(PROBLEM, {"examples": {}})["examples"].values()
            ):
                assert resolved(document, named)["value"]["status"] == int(status)


def test_examples_match_their_schemas(document: dict[str, Any]) -> None:
    """Of requests, responses and parameters."""
    checked = 0
    for operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (media for body in bodies for media in body.get("content", {}).values()):
            examples = [
                resolved(document, each)["value"] for each in media.get("examples", {}).values()
            ]
            examples += [media["example"]] if "example" in media else []
            for value in examples:
                validator(document, media["schema"]).validate(value)
                checked += 1
    assert checked > 100
    for schema in document["components"]["schemas"].values():
        for member in schema.get("properties", {}).values():
            for value in member.get("examples", []):
                validator(document, member).validate(value)


def test_responses_declare_their_headers(document: dict[str, Any]) -> None:
    """Retry-After for 429 and 503, WWW-Authenticate for 401, Request-Id for all."""
    for operation in operations(document):
        for status, response in operation["responses"].items():
            headers = response["headers"].keys()
            assert "Request-Id" in headers
            assert ("Retry-After" in headers) == (status in {"429", "503"})
            assert ("WWW-Authenticate" in headers) == (status == "401")


def test_error_catalog_matches_the_documentation() -> None:
    """Row by row."""
    row = re.compile(r"^\| (\d{3}) \| `(\w+)` \| (.*) \| (.*) \|$", re.MULTILINE)
    listed = {
        (int(status), code): words for status, code, *words in row.findall(ERRORS.read_text())
    }
    assert listed == {key: [each.meaning, each.resolution] for key, each in ERROR_CATALOG.items()}
    table = {
        (each.status, each.code) for each in (*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR)
    }
    assert table == ERROR_CATALOG.keys()


codes = st.from_regex(r"[0-9]{3,11}", fullmatch=True) | st.text(max_size=12)


@given(text=codes)
@example("123456\n")
@example("١٢٣٤")
def test_code_pattern_matches_the_accepted_codes(document: dict[str, Any], text: str) -> None:
    """Of checks and of own codes."""
    is_taken = not CheckRequest(code=text).field_errors()
    assert member_of(document, "CheckRequest", "code").is_valid(text) == is_taken
    is_taken = not CreateRequest(to="", code=text).field_errors()
    assert member_of(document, "CreateRequest", "code").is_valid(text) == is_taken


@given(text=st.from_regex(r"\+?[0-9]{6,17}", fullmatch=True) | st.text(max_size=16))
@example("+919876543210\n")
def test_number_pattern_matches_the_accepted_numbers(document: dict[str, Any], text: str) -> None:
    """It says nothing about which numbers exist."""
    is_shaped = E164.fullmatch(text) is not None
    assert member_of(document, "CreateRequest", "to").is_valid(text) == is_shaped


@given(key=st.text(st.characters(max_codepoint=255), max_size=257))
@example("a" * 255)
@example("a" * 256)
def test_idempotency_key_pattern_matches_the_accepted_keys(
    document: dict[str, Any], key: str
) -> None:
    """In both directions."""
    schema = document["components"]["parameters"]["Idempotency-Key"]["schema"]
    is_taken = IDEMPOTENCY_KEY.fullmatch(key) is not None
    assert validator(document, schema).is_valid(key) == is_taken


@pytest.mark.parametrize(
    ("member", "good", "bad"),
    [
        ("ttl", [60, 600, None], [59, 601, 60.5, "60", True]),
        ("call_after", [0, 225, None], [-1, 301, 1.5, "0", False]),
        ("reference", ["", "x" * 64, None], ["x" * 65, 5]),
        ("locale", ["hi", "hi_IN", "hi-IN,hi;q=0.9", "*", None], ["", "<", "x" * 256, 5]),
        ("route", ["obd", "c2c", None], [5, ["obd"]]),
        ("ip", ["8.8.8.8", "[2001:db8::1]:80", "8.8.8.8, ::1", None], ["", "<", "1" * 513, 5]),
        ("name", ["", "Asha", None], [5, ["Asha"]]),
    ],
)
def test_bounds_match_the_accepted_values(
    api: ApiClient, document: dict[str, Any], member: str, good: list[Any], bad: list[Any]
) -> None:
    """At each side of each bound."""
    listed = member_of(document, "CreateRequest", member)
    for value in good:
        assert listed.is_valid(value)
        assert api.create_response(**{member: value}).status_code in {200, 201}, value
    for value in bad:
        assert not listed.is_valid(value)
        assert_problem(api.create_response(**{member: value}), 422, "invalid_request")


@pytest.mark.parametrize(
    "kind", [CreateRequest, CheckRequest, CallRequest, NumberRequest, NumberCheckRequest]
)
def test_document_and_api_reject_unknown_members(document: dict[str, Any], kind: type) -> None:
    """The schema is as strict as the API."""
    schema = document["components"]["schemas"][kind.__name__]
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() == {
        each.encode_name for each in msgspec.structs.fields(kind)
    }


def test_responses_match_the_document(api: ApiClient, document: dict[str, Any]) -> None:
    """A create, a read, a wrong and a correct check, and an error, over the wire."""
    created = api.create_response(code="1234")
    vrf = created.get_json()
    responses = {
        "CreatedVerification": [created],
        "Verification": [api.get(f"/v1/verifications/{vrf['id']}")],
        "CheckedVerification": [api.check(vrf, "9999"), api.check(vrf, "1234")],
        "ProblemDocument": [
            api.check(vrf, "1234"),
            api.create_response("+1"),
            api.post("/nowhere"),
        ],
    }
    for name, given_answers in responses.items():
        schema = {"$ref": f"#/components/schemas/{name}"}
        for response in given_answers:
            validator(document, schema).validate(response.get_json())
            known = document["components"]["schemas"][name]["properties"]
            assert list(response.get_json()) == [
                each for each in known if each in response.get_json()
            ]


def test_webhooks_are_the_documented_events(document: dict[str, Any]) -> None:
    """Each type in the table of docs/events.md."""
    page = (ERRORS.parent / "events.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    types = {name for row in rows for name in re.findall(r"`((?:verification|call)\.\w+)`", row)}
    assert types == {*document["webhooks"]}
