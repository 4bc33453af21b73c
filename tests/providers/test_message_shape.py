"""What of a vendor's message may be shown: its shape, words and times; nobody's number, no code."""

import json

import pytest

from otpvoice.providers.message_body import describe_values

NUMBER, CODE = "919876543210", "482913"


def test_the_shape_is_told() -> None:
    """Member by member, with the kind of each value, and vendor's words and times in full."""
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
def test_no_number_and_no_code_is_shown(member: str, value: object) -> None:
    """Wherever they stand, as a value or as a name, in JSON or in a form."""
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
    ("body", "told"),
    [
        (b"", ["no body"]),
        (b"<html>it works</html>", ["neither JSON nor a form, 21 bytes"]),
        (b"status=BUSY&to=", ["status: text BUSY", "to: text of nothing"]),
        (b'{"status": "OK",}', ["status: text OK"]),
        (b"[]", ["the body: a list of 0"]),
        (b'{"a": ' * 500 + b"1" + b"}" * 500, ["a.a.a.a: an object of 1"]),
    ],
)
def test_whatever_came_is_told(body: bytes, told: list[str]) -> None:
    """Nothing, a page, a form, a trailing comma, an empty list, a deep one."""
    assert describe_values(body) == told


def test_a_flood_is_cut() -> None:
    """Sixty lines say enough."""
    flood = json.dumps({f"member{n}": n for n in range(1000)}).encode()
    assert len(describe_values(flood)) == 61
