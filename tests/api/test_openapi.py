"""``/openapi.json``: it tells all addresses and all refusals, and what it tells is so."""

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

from otpvoice import store as store_package
from otpvoice.api.errors import BAD_REQUEST, ERROR_CATALOG, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.api.request import IDEMPOTENCY_KEY
from otpvoice.app import create_app
from otpvoice.core.phone import E164
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest
from otpvoice.store.redis_store import RedisStore

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
PROBLEM = "application/problem+json"
LUA = Path(store_package.__file__).parent / "lua"
OF_A_FUNCTION = {
    *("closed", "no_call_yet", "too_late", "idempotency_mismatch"),
    *("rate_limited", "over_capacity", "calls_unavailable"),
}
"""Outcomes of a function that are a refusal of some steps only."""
OUTCOMES = {"verification_closed": "closed", "too_many_wrong_codes": "rate_limited"}
"""Codes that have another name than their outcome."""
UNASKED = {"HEAD", "OPTIONS"}
"""Methods that Flask adds, and the document's introduction tells."""


class Document(dict[str, Any]):
    """The document, which reports of failures do not print as a whole."""

    def __repr__(self) -> str:
        return "the document"


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    """As it is served."""
    return Document(app.test_client().get("/openapi.json").get_json())


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All of them."""
    for methods in document["paths"].values():
        yield from methods.values()


def resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to, or it itself."""
    while "$ref" in found:
        _, _, section, name = found["$ref"].split("/")
        found = document["components"][section][name]
    return found


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Of one schema of the document; formats count."""
    whole = {"components": document["components"], **schema}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def member_of(document: dict[str, Any], shape: str, name: str) -> Any:
    """The validator of one member."""
    return validator(document, document["components"]["schemas"][shape]["properties"][name])


def test_it_is_an_openapi_document(document: dict[str, Any]) -> None:
    """Of version 3.1, and valid."""
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_every_address_stands_in_it(app: Flask, document: dict[str, Any]) -> None:
    """Each rule of the application with exactly its methods, and nothing else."""
    rules = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - UNASKED
    }
    told = {(path, name.upper()) for path, names in document["paths"].items() for name in names}
    assert told == rules


def test_the_console_stands_not_in_it(
    app: Flask, store: RedisStore, environ: dict[str, str], document: dict[str, Any]
) -> None:
    """Where it is on, its addresses are the only ones besides: pages for operators, no API."""
    settings = settings_with(environ, secrets_admin_key_sha256="0" * 64)
    rules = {rule.rule for rule in create_app(settings, store).url_map.iter_rules()}
    further = rules - {rule.rule for rule in app.url_map.iter_rules()}
    assert further
    assert all(rule.startswith("/console") for rule in further)
    assert not any(path.startswith("/console") for path in document["paths"])


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    """Generated clients call their methods so."""
    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


def test_every_refusal_stands_in_it(document: dict[str, Any]) -> None:
    """Each row of the table of errors has an example, where it can happen."""
    answers = [*document["components"]["responses"].values()]
    answers += [answer for each in operations(document) for answer in each["responses"].values()]
    media = [
        answer["content"][PROBLEM] for answer in answers if PROBLEM in answer.get("content", ())
    ]
    examples = [
        resolved(document, named)["value"] for each in media for named in each["examples"].values()
    ]
    told = {(each["status"], each["code"], each["title"]) for each in examples}
    table = {*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR}
    assert told == {(each.status, each.code, each.title) for each in table}


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
def test_refusals_of_a_step_are_those_of_its_function(
    document: dict[str, Any], operation: str, function: str
) -> None:
    """The head of each Lua function lists its outcomes."""
    head = (LUA / f"{function}.lua").read_text("utf-8").partition("-- Returns ")[2]
    returned = {*re.findall(r'"(\w+)', head.partition("\n\n")[0])} & OF_A_FUNCTION
    (found,) = [each for each in operations(document) if each["operationId"] == operation]
    told = {
        resolved(document, named)["value"]["code"]
        for answer in found["responses"].values()
        for named in answer.get("content", {}).get(PROBLEM, {"examples": {}})["examples"].values()
    }
    assert {OUTCOMES.get(code, code) for code in told} & OF_A_FUNCTION == returned


def test_refusals_stand_under_their_status(document: dict[str, Any]) -> None:
    """An example's status is that of the answer it stands at."""
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            for named in (
                answer.get("content", {}).get(PROBLEM, {"examples": {}})["examples"].values()
            ):
                assert resolved(document, named)["value"]["status"] == int(status)


def test_every_example_is_valid(document: dict[str, Any]) -> None:
    """Against the schema that stands beside it: of requests, of answers, of parameters."""
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


def test_refusals_tell_when_to_come_again(document: dict[str, Any]) -> None:
    """429 and 503 have Retry-After, 401 WWW-Authenticate; every answer has its id."""
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            headers = answer["headers"].keys()
            assert "Request-Id" in headers
            assert ("Retry-After" in headers) == (status in {"429", "503"})
            assert ("WWW-Authenticate" in headers) == (status == "401")


def test_the_advice_is_that_of_the_documentation() -> None:
    """Row by row; each row of the table of errors has one."""
    row = re.compile(r"^\| (\d{3}) \| `(\w+)` \| (.*) \| (.*) \|$", re.MULTILINE)
    told = {(int(status), code): words for status, code, *words in row.findall(ERRORS.read_text())}
    assert told == {key: [each.meaning, each.resolution] for key, each in ERROR_CATALOG.items()}
    table = {
        (each.status, each.code) for each in (*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR)
    }
    assert table == ERROR_CATALOG.keys()


codes = st.from_regex(r"[0-9]{3,11}", fullmatch=True) | st.text(max_size=12)


@given(text=codes)
@example("123456\n")
@example("١٢٣٤")
def test_a_code_is_what_the_document_says(document: dict[str, Any], text: str) -> None:
    """The pattern takes exactly what is taken, of checks and of own codes."""
    is_taken = not CheckRequest(code=text).field_errors()
    assert member_of(document, "CheckRequest", "code").is_valid(text) == is_taken
    is_taken = not CreateRequest(to="", code=text).field_errors()
    assert member_of(document, "CreateRequest", "code").is_valid(text) == is_taken


@given(text=st.from_regex(r"\+?[0-9]{6,17}", fullmatch=True) | st.text(max_size=16))
@example("+919876543210\n")
def test_a_number_is_shaped_as_the_document_says(document: dict[str, Any], text: str) -> None:
    """The pattern is that of numbers; which of them exist is not for a pattern to say."""
    is_shaped = E164.fullmatch(text) is not None
    assert member_of(document, "CreateRequest", "to").is_valid(text) == is_shaped


@given(key=st.text(st.characters(max_codepoint=255), max_size=257))
@example("a" * 255)
@example("a" * 256)
def test_an_idempotency_key_is_what_the_document_says(document: dict[str, Any], key: str) -> None:
    """As it is read."""
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
        ("route", ["obd", "c2c", None], ["sms", "", 5]),
        ("ip", ["8.8.8.8", "[2001:db8::1]:80", "8.8.8.8, ::1", None], ["", "<", "1" * 513, 5]),
        ("name", ["", "Asha", None], [5, ["Asha"]]),
    ],
)
def test_bounds_are_those_that_hold(
    api: ApiClient, document: dict[str, Any], member: str, good: list[Any], bad: list[Any]
) -> None:
    """What the schema takes is taken, what it refuses is refused, at each side of the bound."""
    told = member_of(document, "CreateRequest", member)
    for value in good:
        assert told.is_valid(value)
        assert api.create_response(**{member: value}).status_code in {200, 201}, value
    for value in bad:
        assert not told.is_valid(value)
        assert_problem(api.create_response(**{member: value}), 422, "invalid_request")


@pytest.mark.parametrize("kind", [CreateRequest, CheckRequest, CallRequest])
def test_unknown_members_are_refused_by_both(document: dict[str, Any], kind: type) -> None:
    """The schema is as strict as the reading."""
    schema = document["components"]["schemas"][kind.__name__]
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() == {
        each.encode_name for each in msgspec.structs.fields(kind)
    }


def test_answers_are_as_the_document_says(api: ApiClient, document: dict[str, Any]) -> None:
    """A create, a look, a wrong and a right check, and a refusal, on the wire."""
    began = api.create_response(code="1234")
    vrf = began.get_json()
    answers = {
        "CreatedVerification": [began],
        "Verification": [api.get(f"/v1/verifications/{vrf['id']}")],
        "CheckedVerification": [api.check(vrf, "9999"), api.check(vrf, "1234")],
        "ProblemDocument": [
            api.check(vrf, "1234"),
            api.create_response("+1"),
            api.post("/nowhere"),
        ],
    }
    for name, given_answers in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}"}
        for answer in given_answers:
            validator(document, schema).validate(answer.get_json())
            known = document["components"]["schemas"][name]["properties"]
            assert list(answer.get_json()) == [each for each in known if each in answer.get_json()]


def test_it_is_made_once_and_kept(api: ApiClient) -> None:
    """Anybody may have it; who has it already is told so."""
    first = api.client.get("/openapi.json")
    assert first.content_type == "application/json"
    assert first.headers["Cache-Control"] == "public, max-age=300"
    again = api.client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = api.client.get("/openapi.json", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.data) == (200, first.data)
