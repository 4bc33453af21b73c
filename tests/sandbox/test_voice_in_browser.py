"""The phones' sound where the server has no speech engine: the browser lends its own voice."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect
from support.processes import Process, free_port, wait_until

PERSON = "918867135000"
TOKEN = "t0ken"
_WITHOUT_ENGINE = """
import ctypes.util, sys
sys.modules["espeakng_loader"] = None
ctypes.util.find_library = lambda name: None
from otpvoice.cli import main
main()
"""
_TELLS_OF_VOICE = """
    speechSynthesis.getVoices = () => [{ name: 'of the tests' }]
    speechSynthesis.speak = ({ lang, text }) => console.log(`aloud in ${lang}: ${text}`)
"""
"""A browser without a window has no voice: this one tells what it would have said."""


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=1).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def mute_sandbox(tmp_path: Path) -> Iterator[str]:
    """The address of one on a machine that can not speak; the person's phone is by hand."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-c", _WITHOUT_ENGINE, "sandbox", "--port", str(port)]
    with Process(command, tmp_path / "log", {"SANDBOX_TOKEN": TOKEN}):
        wait_until(lambda: _answers(url), "the sandbox to answer")
        by_hand = {"behaviour": "by_hand"}
        assert requests.put(f"{url}/phones/{PERSON}", json=by_hand, timeout=5).ok
        yield url


def test_the_browser_lends_its_voice(mute_sandbox: str, page: Page, obd: dict[str, Any]) -> None:
    """The whole text, in its language, to whoever answers; and it can be read all the same."""
    page.add_init_script(_TELLS_OF_VOICE)
    page.goto(mute_sandbox)
    requests.post(
        f"{mute_sandbox}/api/v2/outgoing/send",
        json=obd,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=5,
    ).raise_for_status()
    with page.expect_console_message(lambda said: said.text.startswith("aloud")) as heard:
        page.get_by_role("button", name="Answer", exact=True).click()
    assert re.fullmatch(r"aloud in en: .*YourName.*1, 2, 3, 4, 5, 6\.?", heard.value.text)
    expect(page.locator('.word[data-said="now"]')).to_be_visible()
