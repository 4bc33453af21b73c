"""What of a hostile name reaches the provider, and that the code stays unchanged."""

import unicodedata

import pytest
from support.service import ASHA, ClientAndDialer, SandboxPhones

CODE = "9071"
SPELLED = "9, 0, 7, 1"


@pytest.mark.parametrize("route", ["obd", "c2c"])
@pytest.mark.parametrize(
    ("name", "reaches"),
    [
        ("{otp}", "otp"),
        ("{{otp@digits}}", "otpdigits"),
        ("{{https://evil.example/x@play}}", "httpsevil.examplexplay"),
        ("<speak><say-as interpret-as='digits'>1</say-as></speak>", None),
        ("Asha\r\nvariables[otp]: 6666", "Asha variablesotp"),
        ('Asha","variables[otp]":"6666', "Ashavariablesotp"),
        ("\u202eahsA\u202c\u200f", "ahsA"),
        ("Asha 6666 ६६६६ ６６६６", "Asha"),
        ("a" * 10_000, "a" * 40),
        ("😀🎉", "Customer"),
        ("രാജന്\u200d", "രാജൻ"),
        ("Z" + "\u0335" * 500 + "algo", "Z" + "\u0335" * 6 + "algo"),
    ],
)
def test_spoken_name_contains_letters_marks_and_four_signs_only(
    harness: ClientAndDialer, phones: SandboxPhones, name: str, reaches: str | None, route: str
) -> None:
    """At most 40 characters. The code is the only other text with digits."""
    harness.create(name=name, code=CODE, route=route)
    assert harness.dial_next()
    (call,) = phones.calls(ASHA)
    reported = call["variables"]
    assert reported == {"Name": reaches or reported["Name"], "otp": SPELLED}
    assert len(reported["Name"]) <= 40
    assert all(c in " '-." or unicodedata.category(c)[0] in "LM" for c in reported["Name"])
    (request,) = phones.ledger()
    assert "6666" not in str(request["request"])
