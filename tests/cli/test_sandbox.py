"""``otpvoice sandbox``: its flows and where they come from."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from cli.cli_runner import run_command, start_command
from support.processes import wait_until
from support.service import SandboxPhones

from otpvoice.cli.sandbox import merge_flows
from otpvoice.core.speech import Flow
from otpvoice.settings import load_flows
from otpvoice_demo.stack import free_port

SAMPLE = Path(__file__).parents[2] / "config" / "otpvoice.toml"
PERSON = "918867135000"
VARIABLES = {"variables[Name]": "Asha", "variables[otp]": "4, 7, 1"}
SETTINGS = """
[provider]
token = 5                     # wrong, and none of the sandbox's business
flows.default = { id = "31", text = "Hi {Name}: {otp}" }
flows.hi = { id = "32", text = "नमस्ते {Name}: {otp}" }
flows.fr = { id = "33", text = "Bonjour {Name}: {otp}" }
flows.hi-IN = "34"
flows.de = "35"
flows.mr = { id = "36", text = "Code {otp}", gate = true, prompt = "{Name}: press 1" }
[clients.bank]
flows = { default = { id = "41", text = "Your bank: {otp}" }, hi = "32" }
"""
TWO_TEXTS = """
[provider]
flows.default = { id = "1", text = "a" }
[clients.b]
flows.default = { id = "1", text = "b" }
"""


class Simulator:
    """A sandbox that the command started."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._calls: Counter[str] = Counter()

    def is_up(self) -> bool:
        """Return whether it responds."""
        with suppress(requests.ConnectionError):
            return requests.get(f"{self._url}/healthz", timeout=1).ok
        return False

    def place(self, flow_id: str, person: str = PERSON) -> requests.Response:
        """Request a call that speaks a flow."""
        return requests.post(
            f"{self._url}/api/v2/outgoing/send",
            json={"bridge": "918068280000", "to": person, "flow_id": flow_id, **VARIABLES},
            headers={"Authorization": "Bearer sandbox-token"},
            timeout=5,
        )

    def spoken(self, flow_id: str, person: str = PERSON) -> str:
        """Return the spoken text of a flow."""
        assert self.place(flow_id, person).ok
        self._calls[person] += 1

        def newest() -> str | None:
            calls = SandboxPhones(self._url).calls(person)
            return calls[-1]["spoken"] if len(calls) == self._calls[person] else None

        return str(wait_until(newest, "the phone to be answered"))

    def page(self) -> str:
        """Return the page for browsers."""
        return requests.get(self._url, headers={"Accept": "text/html"}, timeout=5).text


@contextmanager
def start(*options: str, **environ: str) -> Iterator[Simulator]:
    """Start the command with these options and variables, until the end of the block."""
    port = str(free_port())
    fast = ("--port", port, "--ring", "0.01", "--talk", "0.01")
    with start_command("sandbox", *fast, *options, environ=environ):
        simulator = Simulator(f"http://127.0.0.1:{port}")
        wait_until(simulator.is_up, "the sandbox to answer")
        yield simulator


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings above as a file."""
    file = tmp_path_factory.mktemp("config") / "otpvoice.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def configured(config: Path) -> Iterator[Simulator]:
    """A sandbox with the flows of these settings."""
    with start("--config", str(config)) as simulator:
        yield simulator


def test_sandbox_without_options_speaks_flows_of_sample_settings() -> None:
    """The sample settings work with the sandbox."""
    flows = load_flows({"OTPVOICE_CONFIG": str(SAMPLE)})["provider.flows"]
    assert flows["hi"].text
    with start() as simulator:
        assert simulator.spoken(flows["hi"].id) == _filled(flows["hi"].text)
        assert simulator.spoken(flows["default"].id).startswith("Hello Asha")


def test_sandbox_with_config_speaks_configured_texts(configured: Simulator) -> None:
    """Those of ``[provider]`` and of each client, although other settings are invalid."""
    assert configured.spoken("31") == "Hi Asha: 4, 7, 1"
    assert configured.spoken("32") == "नमस्ते Asha: 4, 7, 1"
    assert configured.spoken("41") == "Your bank: 4, 7, 1"
    assert configured.spoken("36") == "Asha: press 1"  # and nobody presses a key


def test_sandbox_flow_without_text_speaks_default_text_in_its_language(
    configured: Simulator,
) -> None:
    """Hindi for ``hi-IN``, English for languages without a default text."""
    assert configured.spoken("34").startswith("एक्मे पे से")
    assert configured.spoken("35").startswith("Hello Asha")


@pytest.mark.parametrize(
    ("flow_id", "language"), [("31", "en"), ("32", "hi"), ("33", "fr"), ("34", "hi-in")]
)
def test_sandbox_page_names_language_of_locale_key_or_script(
    configured: Simulator, flow_id: str, language: str
) -> None:
    """Browsers' voices and screen readers use it."""
    text = configured.spoken(flow_id, f"9188671350{flow_id}")
    assert re.search(rf'lang="{language}">\s*<p class="spoken-text">{text}<', configured.page())


def test_sandbox_unknown_flow_returns_existing_ids(configured: Simulator) -> None:
    """The first words are the provider's; the ids help to correct the settings."""
    refused = configured.place("24")
    assert refused.status_code == 422
    assert refused.json()["message"] == (
        "flow_id: no such flow; this account has: 31, 32, 33, 34, 35, 36, 41"
    )


def test_sandbox_variables_and_flow_option_override_file_of_otpvoice_config(config: Path) -> None:
    """The option comes first, then variables as in the service. Other flows remain."""
    flows = '{"default": {"id": "51", "text": "Changed: {otp}"}}'
    options = ("--flow", "32=Try {otp} = {otp}", "--flow", "99")
    with start(*options, OTPVOICE_CONFIG=str(config), OTPVOICE_PROVIDER_FLOWS=flows) as simulator:
        assert simulator.spoken("51") == "Changed: 4, 7, 1"
        assert simulator.place("31").status_code == 422
        assert simulator.spoken("32") == "Try 4, 7, 1 = 4, 7, 1"
        assert simulator.spoken("99").startswith("Hello Asha")
        assert simulator.spoken("41") == "Your bank: 4, 7, 1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[provider]\n", "provider.flows (not set): is missing"),
        ("[provider]\nflows = { hi = '25' }", "provider.flows.default"),
        ("[provider]\nflows = { default = 24 }", "must be the id of a flow as text"),
        ("[provider", "is not TOML"),
        ("[provider]\nflows = { default = 'greeting' }", "the id of a flow is digits"),
        (
            TWO_TEXTS,
            "flow 1 has two texts, in provider.flows.default and clients.b.flows.default",
        ),
    ],
)
def test_sandbox_with_invalid_flows_exits_with_error(tmp_path: Path, text: str, fault: str) -> None:
    """The message names the setting, without a traceback."""
    file = tmp_path / "otpvoice.toml"
    file.write_text(text, encoding="utf-8")
    refused = run_command("sandbox", "--config", str(file))
    assert refused.exit_code in {1, 2}
    assert fault in refused.output
    assert isinstance(refused.exception, SystemExit)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--flow", "hi=Hello"), "'hi' is not a flow id"),
        (("--flow", "٢٤=Hello"), "is not a flow id"),
        (("--flow", "=Hello"), "'' is not a flow id"),
        (("--flow", "1=a", "--flow", "1=b"), "flow 1 has two texts"),
        (("--token", ""), "token: must not be empty"),
        (("--config", "/nonexistent.toml"), "does not exist"),
        (("--port", "70000"), "70000 is not in the range"),
        (("--webhook", "127.0.0.1:8000/x"), "webhook: must be an http or https URL"),
        (("--framed-by", "https://a.example; script-src *"), "framed_by: must be an origin"),
        (("--ring", "inf"), "ring_seconds: must be 0 to 86400 seconds"),
        (("--talk", "nan"), "talk_seconds: must be 0 to 86400 seconds"),
        (("--ring", "-1"), "ring_seconds: must be 0 to 86400 seconds"),
    ],
)
def test_sandbox_with_invalid_option_exits_with_2(options: tuple[str, ...], fault: str) -> None:
    """The error names the option."""
    refused = run_command("sandbox", *options)
    assert refused.exit_code == 2
    assert fault in refused.output


def test_merge_flows_repeated_id_keeps_text() -> None:
    """A client that repeats an id needs no text; the first language tag applies."""
    texts, languages = merge_flows(
        {
            "provider.flows": {"default": Flow("1", "a"), "en": Flow("1"), "hi": Flow("2")},
            "clients.b.flows": {"default": Flow("2", "b"), "mr": Flow("2", "b")},
        }
    )
    assert texts == {"1": "a", "2": "b"}
    assert languages == {"1": "en", "2": "hi"}


def _filled(text: str) -> str:
    return text.replace("{Name}", "Asha").replace("{otp}", "4, 7, 1")
