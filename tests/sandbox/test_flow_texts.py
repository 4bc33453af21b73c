"""What a flow says and how long that takes."""

import pytest

from otpvoice.sandbox.calls import render, speech_seconds, spoken_within


@pytest.mark.parametrize(
    ("text", "variables", "spoken"),
    [
        ("Hello {Name}, {otp}", {"Name": "Asha", "otp": "1, 2"}, "Hello Asha, 1, 2"),
        ("{{Name}}: {{otp}}", {"Name": "Asha", "otp": "12"}, "Asha: 12"),
        ("{{otp@digits}}", {"otp": "123456"}, "1 2 3 4 5 6"),
        ("{{otp@digits}}", {"otp": "0 1 2"}, "0 1 2"),
        ("{{jingle@play}}", {"jingle": "https://a.example/b"}, "(sound https://a.example/b)"),
        ("{otp} … {otp}", {"otp": "12"}, "12 … 12"),
        ("नमस्ते {Name}", {"Name": "आशा"}, "नमस्ते आशा"),
        ("no variables", {"otp": "12"}, "no variables"),
    ],
)
def test_render(text: str, variables: dict[str, str], spoken: str) -> None:
    """Both spellings of variables are filled in, with their filters."""
    assert render(text, variables) == spoken


def test_what_nobody_fills_in_is_seen() -> None:
    """A misspelt variable or filter stays in the text instead of vanishing."""
    assert render("{Name} {{otp@digit}} {otp}", {"name": "x", "otp": "1"}) == (
        "{Name} {{otp@digit}} 1"
    )


def test_values_are_templates_too() -> None:
    """A name that carries a variable is expanded: the sandbox does not protect its clients."""
    assert render("Hello {Name}", {"Name": "{otp}", "otp": "1, 2"}) == "Hello 1, 2"


def test_time_to_hear() -> None:
    """Hearing takes longer the longer the text is; a short talk holds only its beginning."""
    text = "Hello Asha, your otp for login is 1, 2, 3, 4, 5, 6"

    assert speech_seconds("Hi") < speech_seconds(text) <= 10
    assert spoken_within(text, speech_seconds(text)) == text
    assert spoken_within(text, 1) == "Hello Asha"
    assert spoken_within(text, 0) == ""
