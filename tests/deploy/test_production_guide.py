"""The production guide: its settings, its files and its links (test_production_walk runs it)."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from deploy.nginx_proxy import CONFIG

from otpvoice.cli.keys import client_table
from otpvoice.settings import load

GUIDE = (CONFIG.parent / "docs" / "production.md").read_text("utf-8")


def block(beginning: str) -> str:
    """Return the shell block of the guide that begins so."""
    blocks: list[str] = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    (found,) = [each for each in blocks if each.startswith(beginning)]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Run the third section of the guide and paste a token."""
    table = client_table("login-backend", "ovk_key-of-the-tests")
    command = tmp_path / "otpvoice"
    command.write_text(f"#!/bin/sh\ncat <<'END'\n{table}\nEND\n")
    command.chmod(0o700)
    script = f"set -eu\n{block('cat > $home/otpvoice.toml')}\n{block('umask 077')}"
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "home": str(tmp_path),
        "store_host": "valkey",
    }
    subprocess.run(["sh", "-c", script], env=environ, check=True)
    (tmp_path / "secrets" / "provider_token").write_text("a-token-of-the-provider\n", "utf-8")
    return tmp_path


def test_settings_of_the_guide_load_without_a_warning(folder: Path) -> None:
    """In production, through the installed operator's command."""
    command = (CONFIG / "systemd" / "otpvoice").read_text("utf-8")
    script = command.replace("/etc/otpvoice", str(folder))
    script = script.replace("/opt/otpvoice/bin/otpvoice", "env")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    pairs = (
        line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("OTPVOICE_")
    )
    variables = {name: value for name, value in pairs if str(folder) in value}
    loaded = load(variables)
    assert loaded.warnings == ()
    assert loaded.settings.server.production
    assert [*loaded.settings.clients] == ["login-backend"]
    assert loaded.settings.redis.url.endswith("@valkey:6379/0")


def test_files_named_by_the_guide_exist() -> None:
    """Every path into the repository, and every link."""
    named = re.findall(r"(?<![\w/])(?:config|requirements)/[\w./-]*\w", GUIDE)
    links = re.findall(r"\]\((?:\.\./)?([\w/.-]+\w)", GUIDE)
    assert len(named) > 10
    for path in {*named, *links}:
        assert any((root / path).exists() for root in (CONFIG.parent, CONFIG.parent / "docs")), path
