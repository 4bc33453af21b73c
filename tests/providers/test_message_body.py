"""Descriptions of messages: structure, words and times, without numbers or codes."""

import json

import pytest
from support.callback_bodies import ENCODINGS, Encode

from otpvoice.providers.message_body import describe_types, describe_values, parse_form

NUMBER, CODE = "919876543210", "482913"


def test_description_has_types_and_safe_values() -> None:
    """Each member with its type; the provider's words and times in full."""
    body = (
        b'{"status": 200, "status1": "BUSY", "source": "C2C", "duration": "7", "to": 919876543210,'
        b' "from": "+919876543210", "start_at": "2021-04-09 16:27:39", "dtmf": null, "ok": true,'
        b' "data": [{"id": "70fa87e0-9df9-4327-bc80-a561c48703d8:1"}, {}], "options": {}}'
    )
    assert describe_values(body) == [
        "status: number 200",
        "status1: text BUSY",
        "source: text C2C",
        "duration: text 7",
        "to: number of 12 digits",
        "from: text of a + and 12 digits",
        "start_at: text 2021-04-09 16:27:39",
        "dtmf: null",
        "ok: true",
        "data[0].id: text of 38 characters",
        "data: 2 members in total",
        "options: an object of 0",
    ]


@pytest.mark.parametrize("member", ["status", "source", "duration", "otp", "variables[otp]", "x"])
@pytest.mark.parametrize(
    "value", [NUMBER, int(NUMBER), CODE, int(CODE), "4, 8, 2, 9, 1, 3", f"Asha {CODE}"]
)
def test_description_has_no_number_or_code(member: str, value: object) -> None:
    """As a value or as a name, in JSON or in a form."""
    bodies = [json.dumps({member: value, str(value): 1, "in": [{member: value}]}).encode()]
    bodies.append(f"{member}={value}&{value}=1".encode())
    for body in bodies:
        shown = "\n".join(describe_values(body))
        digits = "".join(filter(str.isdigit, shown))
        assert NUMBER not in shown
        assert NUMBER[-6:] not in digits
        assert CODE not in digits
        assert "Asha" not in shown


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", ["no body"]),
        (b"<html>it works</html>", ["neither JSON nor a form, 21 bytes"]),
        (b"status=BUSY&to=", ["status: text BUSY", "to: text of nothing"]),
        (b'{"status": "OK",}', ["status: text OK"]),
        (b"[]", ["the body: a list of 0"]),
        (b'{"a": ' * 500 + b"1" + b"}" * 500, ["a.a.a.a: an object of 1"]),
    ],
)
def test_any_body_is_described(body: bytes, lines: list[str]) -> None:
    """Nothing, HTML, a form, a trailing comma, an empty list, a deep object."""
    assert describe_values(body) == lines


def test_description_is_bounded() -> None:
    """Sixty lines at most, and twenty for the log."""
    flood = json.dumps({f"member{n}": n for n in range(1000)}).encode()
    assert len(describe_values(flood)) == 61
    assert len(describe_types(flood)) == 21
    assert describe_types(flood)[-1] == "and more"


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_types_for_the_log_have_no_values(encode: Encode) -> None:
    """No number, id, time or word."""
    members = {"id": "70fa-87:1", "to": "918867130000", "status": "NO ANSWER", "duration": "23"}
    lines = "\n".join(describe_types(encode(members)))
    assert "status" in lines or "payload" in lines
    assert not [value for value in members.values() if value in lines]


def test_form_has_its_members_in_order() -> None:
    """Repeated and empty ones as well."""
    assert parse_form(b"b=2&a=&b=%E0%A4%86") == [("b", "2"), ("a", ""), ("b", "आ")]
    assert parse_form(b"") == []


def test_form_of_too_many_members_is_refused() -> None:
    """A hundred are accepted."""
    assert len(parse_form(b"&".join([b"a=1"] * 100))) == 100
    with pytest.raises(ValueError, match="more than 100 members"):
        parse_form(b"&".join([b"a=1"] * 101))
