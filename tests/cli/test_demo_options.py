"""``otpvoice demo``: its scenario, options and stored keys, and the README's commands."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from cli.cli_runner import run_command, start_command
from cli.shell import Shell
from click import ClickException
from events.receiver import EventReceiver
from support.processes import Process, wait_until
from support.service import SandboxPhones

from otpvoice.settings import load
from otpvoice_demo.settings import FOLDER, StackKeys, StackOptions, load_keys, render_settings
from otpvoice_demo.stack import free_port

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ORIGINS = ("http://localhost:5173", "https://shop.example.com")
NUMBER = "+919876543210"
SECTION = re.compile(r"^\d\. (.*)  \([0-9.]+ s\)$", re.MULTILINE)
SPOKEN = re.compile(r'"spoken": "(.*)"')


@dataclass
class Demo:
    """A demo that was started with every option."""

    text: str
    """What it printed."""
    folder: Path
    url: str
    sandbox_url: str
    keys: StackKeys
    receiver: EventReceiver
    process: Process
    temporary: Path
    """The folder for temporary files."""

    def post(self, path: str, body: object, **headers: str) -> requests.Response:
        """Send a request with the API key."""
        access = {"Authorization": f"Bearer {self.keys.api_key}", **headers}
        return requests.post(f"{self.url}{path}", json=body, headers=access, timeout=10)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Start a demo with options and variables, in a folder that has stored keys."""
    folder = tmp_path_factory.mktemp("d")
    with chdir(folder):
        keys = load_keys()
    port, sandbox_port = free_port(), free_port()
    with EventReceiver(keys.event_secret) as receiver:
        options = ("--console", "--event-url", receiver.url, "--port", str(port))
        temporary = folder / "t"
        temporary.mkdir()
        environ = {
            "DEMO_CORS_ORIGIN": " ".join(ORIGINS),
            "DEMO_SANDBOX_PORT": str(sandbox_port),
            "TMPDIR": str(temporary),
        }
        with start_command("demo", *options, environ=environ, cwd=folder) as process:
            text = process.read_until("Logs:  ")
            url, sandbox_url = (f"http://127.0.0.1:{each}" for each in (port, sandbox_port))
            yield Demo(text, folder, url, sandbox_url, keys, receiver, process, temporary)


def test_demo_runs_scenario_to_callback(demo: Demo) -> None:
    """Real responses: a wrong code, the right one, the same again, the callback."""
    sections = SECTION.split(demo.text)[2::2]
    created, hung_up, second_call, mistyped, checked, repeated, called_back, hindi, _ = sections
    assert "201 Created" in created
    assert '"heard": false' in hung_up
    code = "".join(re.findall(r"\d", SPOKEN.findall(second_call)[-1]))
    assert len(code) == 6
    assert code not in created + hung_up + mistyped
    assert '"valid": false' in mistyped
    assert f'-d \'{{"code": "{code}"}}\'' in checked
    assert '"status": "approved"' in checked
    assert '"valid": true' in checked
    assert "409 Conflict" in repeated
    assert '"verification_closed"' in repeated
    assert '"heard": true' in called_back
    assert '"locale": "hi"' in hindi
    assert '"spoken": "ACME Pay से आशा' in hindi
    assert '"valid": true' in hindi
    assert all("curl -sS http://127.0.0.1:" in section for section in sections)
    assert "\x1b" not in demo.text


def test_demo_env_file_exports_addresses_and_stored_key(demo: Demo) -> None:
    """The demo prints the same lines."""
    lines = (demo.folder / ".demo" / "env").read_text().splitlines()
    assert lines[:3] == [
        f"export OTPVOICE_URL={demo.url}",
        f"export OTPVOICE_API_KEY={demo.keys.api_key}",
        f"export SANDBOX_URL={demo.sandbox_url}",
    ]
    assert set(lines) <= {line.strip() for line in demo.text.splitlines()}
    assert demo.post("/v1/verifications", {}).status_code == 422


def test_demo_files_are_readable_by_owner_only(demo: Demo) -> None:
    """They contain keys."""
    folder = demo.folder / ".demo"
    for path in (folder, *folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path
    assert sorted(path.name for path in folder.iterdir()) == ["env", "keys.json"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_demo_cors_origin_is_allowed(demo: Demo, origin: str) -> None:
    """Each origin of the variable, and no other."""
    allowed = demo.post("/v1/verifications", {}, Origin=origin)
    assert allowed.headers["Access-Control-Allow-Origin"] == origin
    refused = demo.post("/v1/verifications", {}, Origin="http://localhost:5174")
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_demo_event_url_receives_signed_events(demo: Demo) -> None:
    """Also those of the scenario; the secret is in the env file."""
    wait_until(
        lambda: "verification.approved" in [event.type for event in demo.receiver.events],
        "an event",
    )
    assert demo.receiver.faults == []
    env = (demo.folder / ".demo" / "env").read_text()
    assert re.search(r"OTPVOICE_EVENT_SECRET='?([^'\n]*)", env)[1] == demo.keys.event_secret  # type: ignore[index]


def test_demo_console_opens_with_printed_key(demo: Demo) -> None:
    """At the printed address, with any user name."""
    console = re.findall(r"console:  (\S+)", demo.text)[0]
    key = re.findall(r"ova_[A-Za-z0-9_-]{43}", demo.text)[0]
    assert requests.get(console, timeout=10).status_code == 401
    assert requests.get(console, auth=("asha", key), timeout=10).ok


def test_readme_curl_lines_work_as_pasted(demo: Demo) -> None:
    """From the request to the approval, in one shell."""
    section = README.partition("## Quick start")[2].partition("\n## ")[0]
    create, listen, check = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    phones = SandboxPhones(demo.sandbox_url)
    calls = len(phones.calls(NUMBER))
    with Shell(demo.folder, demo.folder / "shell.log") as shell:
        created = json.loads(shell.run(create))
        wait_until(lambda: len(phones.calls(NUMBER)) > calls, "the call")
        wait_until(lambda: bool(phones.calls(NUMBER)[-1]["spoken"]), "the code")
        assert '"spoken":"ACME Pay. Your login code, for Asha, is ' in shell.run(listen)
        checked = json.loads(shell.run(check))
    assert (created["status"], created["reference"]) == ("pending", "login-81")
    assert (checked["valid"], checked["status"]) == (True, "approved")
    assert checked["id"] == created["id"]


def test_demo_logs_have_no_secret(demo: Demo) -> None:
    """No code and no key; its commands work as pasted."""
    busy = _paste(demo.text, "Make a phone busy")
    assert '"status":"queued"' in busy
    assert "provider balance" in _paste(demo.text, "Check this set-up")
    (folder,) = demo.temporary.iterdir()
    logs = "".join(path.read_text() for path in folder.glob("*.log"))
    assert '"event":"call.sent"' in logs
    assert '"event":"callback.received"' in logs
    for secret in _secrets(demo, (folder / "otpvoice.toml").read_text()):
        assert secret not in logs


def _paste(output: str, heading: str) -> str:
    """Run the commands below a heading in a shell, and return the output."""
    assert shutil.which("curl"), "the lines are for curl"
    lines = re.split(rf"\n +{heading}.*\n", output)[1].split("\n\n")[0]
    return subprocess.run(["sh", "-c", lines], capture_output=True, text=True, check=True).stdout


def _secrets(demo: Demo, configuration: str) -> list[str]:
    """Return everything that no log may contain: the key, the codes and the settings' secrets."""
    digits = [code for spoken in SPOKEN.findall(demo.text) if (code := re.findall(r"\d", spoken))]
    assert len(digits) == 2  # in English and in Hindi
    secrets = re.findall(r'"(?:k[0-9-]+:)?([A-Za-z0-9+/_=-]{43,44})"', configuration)
    assert len(secrets) == 4
    codes = [separator.join(code) for code in digits for separator in ("", ", ")]
    return [*secrets, *codes, demo.keys.api_key]


def test_demo_runs_until_ctrl_c(demo: Demo) -> None:
    """Status 0, and nothing is left. Last of those that use it."""
    demo.process.signal(signal.SIGINT)
    assert demo.process.wait() == 0
    assert demo.process.survivors() == []
    assert [*demo.temporary.iterdir()] == []


def test_demo_keys_are_stored_per_folder(tmp_path: Path) -> None:
    """The second start has the same keys; another folder has others."""
    (tmp_path / "other").mkdir()
    with chdir(tmp_path):
        first = load_keys()
        assert load_keys() == first
    with chdir(tmp_path / "other"):
        assert load_keys().api_key != first.api_key


@pytest.mark.parametrize("content", ["", "{}", '{"api_key": 1}', "\0", "[]"])
def test_demo_invalid_keys_file_names_file_and_remedy(tmp_path: Path, content: str) -> None:
    """The error does not repeat the content, which may be a key."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "keys.json").write_text(content)
    with chdir(tmp_path), pytest.raises(ClickException, match=r"keys\.json cannot be read: .*Del"):
        load_keys()


def test_demo_in_unwritable_folder_names_file(tmp_path: Path) -> None:
    """A file instead of the folder causes the same error."""
    (tmp_path / FOLDER).write_text("")
    with chdir(tmp_path), pytest.raises(ClickException, match=r"keys\.json cannot be"):
        load_keys()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--cors-origin", "*"), "Invalid value for '--cors-origin'"),
        (("--cors-origin", "http://localhost:5173/"), "Invalid value for '--cors-origin'"),
        (("--event-url", "localhost:3000/events"), "Invalid value for '--event-url'"),
        (("--port", "0"), "Invalid value for '--port'"),
    ],
)
def test_demo_invalid_option_exits_with_2(options: tuple[str, ...], fault: str) -> None:
    """The error names the option, and no process is started."""
    refused = run_command("demo", "--once", *options)
    assert refused.exit_code == 2
    assert fault in refused.output


def test_demo_same_port_for_api_and_sandbox_exits_with_1() -> None:
    """Each needs its own."""
    port = str(free_port())
    refused = run_command("demo", "--once", "--port", port, "--sandbox-port", port)
    assert refused.exit_code == 1
    assert refused.output.endswith("is in use; choose another --sandbox-port\n")


def test_stack_settings_with_all_options_load_without_warning(tmp_path: Path) -> None:
    """An application of the stack is a client of its own."""
    options = StackOptions(cors_origins=ORIGINS, event_url="http://localhost:1/e", console=True)
    app = "http://127.0.0.1:8010"
    text = render_settings(
        options,
        port=1,
        sandbox_url="http://h:2",
        socket=tmp_path / "s",
        app_origin=app,
        call_gap_s=0,
    )
    file = tmp_path / "otpvoice.toml"
    file.write_text(text, encoding="utf-8")
    loaded = load({"OTPVOICE_CONFIG": str(file)})
    assert loaded.warnings == ()
    settings = loaded.settings
    assert settings.server.cors_origins == (app, *ORIGINS)
    assert settings.clients["demo"].event_url == "http://localhost:1/e"
    assert settings.clients["login"].event_url == f"{app}/otpvoice-events"
    assert settings.clients["demo"].key_sha256 != settings.clients["login"].key_sha256
    assert all(flow.text for flow in settings.provider.flows.values())
    assert settings.provider.flows.keys() == {"default", "hi", "en-x-gate"}
