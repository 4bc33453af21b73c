"""Request bodies: strict JSON, one object, unique members, at most 16 KiB."""

import json

import pytest
from api.api_client import VERIFICATIONS, ApiClient, assert_problem, pointers

CREATE = b'{"to": "+919876543210"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"null",
        b"true",
        b"5",
        b'"to"',
        b"[" + CREATE + b"]",
        b" ",
        b"\n\n",
        b"{",
        b"}",
        b"nothing",
        b"{'to': '+919876543210'}",
        b'{"to": "+919876543210",}',
        b'{"to": "+919876543210"} {}',
        b'{"to": "+919876543210"}\x00',
        b'{"to" "+919876543210"}',
        b'{to: "+919876543210"}',
        b"to=%2B919876543210",
        b'{"to": "+919876543210", "ttl": NaN}',
        b'{"to": "+919876543210", "ttl": Infinity}',
        b'{"to": "+919876543210", "ttl": -Infinity}',
        b'{"to": "+919876543210", "ttl": +300}',
        b'{"to": "+919876543210", "ttl": 0300}',
        b'{"to": "+919876543210", "ttl": 0x12C}',
        b'{"to": "+919876543210", "ttl": ' + b"9" * 5000 + b"}",
        b'{"to": "+919876543210", "name": "a\nb"}',
        b'{"to": "+919876543210", "name": "a\x00b"}',
        b'{"to": "+919876543210", "name": "\\x41"}',
        b'{"to": "+919876543210" /* why */}',
    ],
)
def test_body_that_is_not_a_json_object_returns_400(api: ApiClient, raw: bytes) -> None:
    """Nothing is created."""
    assert_problem(api.post_raw(VERIFICATIONS, raw), 400, "invalid_request")
    assert api.create()["version"] == 1


@pytest.mark.parametrize(
    "raw",
    [
        b'{"to": "+919876543210", "name": "\xff"}',
        b'{"to": "+919876543210", "name": "\xe0\xa4"}',
        b'{"to": "+919876543210", "name": "\xed\xa0\x80"}',
        b'{"to": "+919876543210", "name": "\xc0\xaf"}',
        b'{"to": "+919876543210", "name": "\xe9"}',
        '{"to": "+919876543210"}'.encode("utf-16"),
        '{"to": "+919876543210"}'.encode("utf-16-le"),
        '{"to": "+919876543210"}'.encode("utf-32"),
        b"\xef\xbb\xbf" + CREATE,
    ],
)
def test_body_that_is_not_utf8_returns_400(api: ApiClient, raw: bytes) -> None:
    """A byte order mark included (RFC 8259, section 8.1)."""
    assert_problem(api.post_raw(VERIFICATIONS, raw), 400, "invalid_request")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"to": "+919876543210", "name": "\\ud800"}',
        b'{"to": "+919876543210", "name": "a\\udc00\\ud800"}',
        b'{"to": "\\udfff"}',
        b'{"to": "+919876543210", "\\ud800": 1}',
        b'{"to": "+919876543210", "reference": "\\ud83d"}',
    ],
)
def test_lone_surrogate_returns_400(api: ApiClient, raw: bytes) -> None:
    """In a name or a value (RFC 7493, section 2.1)."""
    assert_problem(api.post_raw(VERIFICATIONS, raw), 400, "invalid_request")


def test_surrogate_pair_is_accepted(api: ApiClient) -> None:
    """It is one character."""
    raw = b'{"to": "+919876543210", "reference": "\\ud83d\\ude00"}'
    assert api.post_raw(VERIFICATIONS, raw).get_json()["reference"] == "😀"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"to": "+919876543210", "to": "+919876543210"}',
        b'{"to": "+919876543210", "to": "+919876543211"}',
        b'{"to": "+919876543210", "\\u0074o": "+919876543211"}',
        b'{"to": "+919876543210", "x": {"a": 1, "a": 2}}',
        b'{"to": "+919876543210", "x": [{"a": 1, "a": 1}]}',
    ],
)
def test_duplicate_member_returns_400(api: ApiClient, raw: bytes) -> None:
    """Whatever its name and depth."""
    assert_problem(api.post_raw(VERIFICATIONS, raw), 400, "invalid_request")


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"":'])
def test_deeply_nested_body_returns_400(api: ApiClient, opening: bytes) -> None:
    """As deep as 16 KiB allow; the process keeps serving."""
    depth = 15_000 // len(opening)
    for raw in (b'{"to":' + opening * depth, b'{"to":' + opening * depth + b"1"):
        assert_problem(api.post_raw(VERIFICATIONS, raw), 400, "invalid_request")
    closed = b'{"to":' + b"[" * 7000 + b"]" * 7000 + b"}"
    assert_problem(api.post_raw(VERIFICATIONS, closed), 400, "invalid_request")
    assert api.create()


def test_nesting_beyond_the_size_limit_returns_413(api: ApiClient) -> None:
    """100 000 levels do not fit."""
    assert_problem(api.post_raw(VERIFICATIONS, b"[" * 100_000), 413, "body_too_large")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e308", "1e-400", "300.5", "9" * 300])
def test_huge_number_returns_422(api: ApiClient, number: str) -> None:
    """It is valid JSON, but not a valid member."""
    raw = f'{{"to": "+919876543210", "ttl": {number}}}'.encode()
    assert pointers(assert_problem(api.post_raw(VERIFICATIONS, raw), 422, "invalid_request")) == [
        "/ttl"
    ]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
        'application/json; charset="utf-8"; x=y',
        "application/json;",
    ],
)
def test_json_content_type_is_accepted_in_any_case(api: ApiClient, content_type: str) -> None:
    """Also with parameters."""
    assert api.post_raw(VERIFICATIONS, CREATE, content_type).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/problem+json",
        "application/jsonp",
        "json",
        "text/plain, application/json",
        "*/*",
    ],
)
def test_other_content_type_returns_415(api: ApiClient, content_type: str | None) -> None:
    """Whatever the bytes are."""
    response = api.post_raw(VERIFICATIONS, CREATE, content_type)
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("step", ["checks", "calls", "cancel", "approve"])
def test_body_of_another_type_returns_415_for_every_action(api: ApiClient, step: str) -> None:
    """Nothing happens."""
    created = api.create(code="1234", call_after=60)
    path = f"{VERIFICATIONS}/{created['id']}/{step}"
    assert_problem(
        api.post_raw(path, b'{"code": "1234"}', "text/plain"), 415, "unsupported_media_type"
    )
    assert_problem(api.post_raw(path, b"{}", None), 415, "unsupported_media_type")
    assert api.get_verification(created)["version"] == created["version"]


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_identity_encoding_is_accepted(api: ApiClient, coding: str) -> None:
    """In any case (RFC 9110, section 8.4.1)."""
    assert api.post_raw(VERIFICATIONS, CREATE, content_encoding=coding).status_code == 201


def test_many_unknown_members_are_named_once_each(api: ApiClient) -> None:
    """A body full of them."""
    names = [f"m{n}" for n in range(1500)]
    raw = json.dumps(dict.fromkeys(names, 0), separators=(",", ":")).encode()
    assert len(raw) <= 16 * 1024
    body = assert_problem(api.post_raw(VERIFICATIONS, raw), 422, "invalid_request")
    assert pointers(body) == [f"/{name}" for name in names]
