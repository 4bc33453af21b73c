"""docs/python-client.md: its code runs and prints what its comments say."""

import re
from pathlib import Path

import pytest
from support.demo_stack import PreloadedStack

from otpvoice_demo.printer import HttpRequest
from otpvoice_demo.stack import Stack, free_port

PAGE = Path(__file__).parents[2] / "docs" / "python-client.md"
EXPECTED_OUTPUT = re.compile(r"^ *print\(.*  # (.*)$", re.MULTILINE)
"""The comment after ``print`` is its expected output."""


def test_python_client_page_runs_with_the_documented_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    shown: list[str] = []
    sent: list[str] = []
    with PreloadedStack(free_port()) as stack:
        monkeypatch.setenv("OTPVOICE_URL", stack.url)
        monkeypatch.setenv("OTPVOICE_API_KEY", stack.api_key)
        yours = {
            "show": shown.append,
            "typed_in": lambda: spoken_code(stack, "919876543210"),
            "send_sms": lambda *message: sent.append(" ".join(message)),
        }
        exec(compile(code, PAGE.name, "exec"), yours)  # noqa: S102 - it is our own page
        assert not spoken_texts(stack, "919812345678"), "the SMS was fast enough, and yet it rang"
    assert capsys.readouterr().out.splitlines() == EXPECTED_OUTPUT.findall(page)
    assert shown[-1] == "answered"
    assert sent[0].startswith("+919812345678 Your code is ")


def spoken_code(stack: Stack, number: str) -> str:
    """Return the code that the last call spoke."""
    return "".join(filter(str.isdigit, spoken_texts(stack, number)[-1]))


def spoken_texts(stack: Stack, number: str) -> list[str]:
    """Return the texts spoken to a phone, oldest first."""
    answer = HttpRequest("GET", f"{stack.sandbox_url}/phones/{number}/calls").send()
    return [call["spoken"] for call in answer.json()]
