"""The commands of docs/first-service.md, run in order."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cli.shell import Shell
from support.processes import wait_until
from support.service import SandboxPhones

from otpvoice_demo.stack import free_port

SOURCE = Path(__file__).parents[2]
PAGE = (SOURCE / "docs" / "first-service.md").read_text(encoding="utf-8")
INSTALL, CONFIGURE, START, CREATE, LISTEN, END = re.findall(
    r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
)
FRESH = os.environ.get("OTPVOICE_TEST_FRESH_VENV") == "1"
"""Whether the first block runs as well. It installs all packages, which takes a minute."""


def test_first_service_commands_run_in_order(tmp_path: Path) -> None:
    """With the installed packages, or with ``OTPVOICE_TEST_FRESH_VENV=1`` in a new environment.

    Only the ports differ from the page.
    """
    folder = tmp_path / "source"
    api, sandbox, store = (str(free_port()) for _ in range(3))
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OTPVOICE_SERVER_BIND": f"127.0.0.1:{api}",
        "OTPVOICE_SERVER_PUBLIC_URL": f"http://127.0.0.1:{api}",
        "OTPVOICE_REDIS_URL": f"redis://127.0.0.1:{store}/0",
    }

    moved = {":8000/": f":{api}/", ":8100/": f":{sandbox}/", "6379": store}
    moved["otpvoice sandbox"] = f"otpvoice sandbox --port {sandbox}"
    here = partial(_replace_all, moved)
    if FRESH:
        _copy_source(folder)
    else:  # python -m would import an uncompiled copy
        folder.mkdir()
    phones = SandboxPhones(f"http://127.0.0.1:{sandbox}")
    with Shell(folder, tmp_path / "shell.log", **environ) as shell:
        if FRESH:
            shell.run(INSTALL)
            assert shell.run("command -v otpvoice").startswith(str(folder))
        assert shell.run(here(CONFIGURE)).strip() == ""
        try:
            assert '"status":"ok"' in shell.run(here(START))
            printed = shell.run(here(CREATE))  # with lines of the log in between
            assert re.search(r"^ok +webhook ", printed, re.MULTILINE)
            assert not re.search(r"^FAIL", printed, re.MULTILINE), printed
            assert re.search(r'^\{"id":"vrf_.*"status":"pending"', printed, re.MULTILINE), printed
            wait_until(lambda: bool(phones.calls("+919876543210")[-1:]), "the call")
            wait_until(lambda: phones.calls("+919876543210")[-1]["status"] == "ANSWER", "its end")
            (calls,) = re.findall(r"^\[.*\]$", shell.run(here(LISTEN)), re.MULTILINE)
            (call,) = json.loads(calls)
            assert re.fullmatch(
                r"Hello Asha\. Your code is (\d(, \d){5})\. Again, your code is \1\.",
                call["spoken"],
            )
        finally:
            shell.run(END)
        wait_until(lambda: shell.running() == [], "all to end")
    assert (folder / "otpvoice.toml").stat().st_mode & 0o077 == 0
    assert "ovk_" not in (folder / "otpvoice.toml").read_text()


def test_first_service_install_command_names_existing_extras(tmp_path: Path) -> None:
    """Pip only warns of an unknown extra, and later commands would fail."""
    (sources,) = re.findall(r"pip install (.*)", INSTALL)
    folder = tmp_path / "source"
    _copy_source(folder)
    options = ("--dry-run", "--no-deps", "--no-build-isolation", "--no-index")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, *shlex.split(sources)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"Would install otpvoice-[0-9.]+ otpvoice-client-[0-9.]+", done.stdout)
    assert "does not provide the extra" not in done.stderr + done.stdout


def test_documents_install_otpvoice_from_source_only() -> None:
    """The name is not registered on a package index, so an attacker could register it."""
    texts = [*SOURCE.glob("*.md"), *(SOURCE / "docs").glob("*.md"), SOURCE / "Makefile"]
    texts += [*(SOURCE / "otpvoice").rglob("*.py"), *(SOURCE / "clients").rglob("*.md")]
    texts += [*(SOURCE / "examples").rglob("*.md")]
    by_name = re.compile(r"pip[^\n]* install [^\n]*(?<![./\w-])otpvoice(-client)?(\[|\b(?![-./]))")
    matches = [path for path in texts if by_name.search(path.read_text(encoding="utf-8"))]
    assert matches == []


def _replace_all(replacements: Mapping[str, str], text: str) -> str:
    for usual, ours in replacements.items():
        text = text.replace(usual, ours)
    return text


def _copy_source(folder: Path) -> None:
    """Copy the files of a checkout that a package is built from."""
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SOURCE / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("otpvoice", "sandbox", "demo", "clients", "config"):
        shutil.copytree(SOURCE / name, folder / name, ignore=ignored)
