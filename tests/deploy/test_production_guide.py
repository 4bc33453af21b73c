"""The guide into production: what it says to type does what it says."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from deploy.proxy import CONFIG

from otpvoice.settings import load

GUIDE = (CONFIG.parent / "docs" / "production.md").read_text("utf-8")
HASH = "7f" * 32


def block(language: str, beginning: str) -> str:
    """The code of the guide that begins so."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    (found,) = [each for each in blocks if each.startswith(beginning)]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the second section leaves behind, with a token pasted."""
    users = (CONFIG / "valkey-users.acl").read_text("utf-8")
    (tmp_path / "valkey-users.acl").write_text(users, "utf-8")
    environ = {**os.environ, "STORE": "valkey"}
    script = f"set -eu\n{block('sh', 'mkdir -m 700')}"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environ, check=True)
    (tmp_path / "secrets" / "provider_token").write_text("a-token-of-the-provider\n", "utf-8")
    toml = block("toml", "[server]").replace("<the hash that it printed>", HASH)
    (tmp_path / "otpvoice.toml").write_text(toml, "utf-8")
    return tmp_path


def test_its_settings_are_fit_for_production(folder: Path) -> None:
    """By way of the operators' command, which finds the secrets by their names."""
    command = (CONFIG / "systemd" / "otpvoice").read_text("utf-8")
    told = command.replace("/etc/otpvoice", str(folder)).replace(
        "/opt/otpvoice/bin/otpvoice", "env"
    )
    said = subprocess.run(["sh", "-c", told], capture_output=True, text=True, check=True)
    pairs = (
        line.split("=", 1) for line in said.stdout.splitlines() if line.startswith("OTPVOICE_")
    )
    variables = {name: value for name, value in pairs if str(folder) in value}
    loaded = load(variables)
    assert loaded.warnings == ()
    assert loaded.settings.server.production
    assert loaded.settings.clients["login-backend"].key_sha256 == (HASH,)
    assert loaded.settings.redis.url.endswith("@valkey:6379/0")


def test_its_password_is_the_stores(folder: Path) -> None:
    """The same one in both files, and no sample is left."""
    (user,) = re.findall(
        r"^user otpvoice on >(\w{64}) ", (folder / "valkey_users").read_text(), re.MULTILINE
    )
    assert f"redis://otpvoice:{user}@" in (folder / "secrets" / "redis_url").read_text("utf-8")


def test_its_files_are_here() -> None:
    """Every file of ours that it names exists."""
    named = re.findall(r"(?<![\w/])(?:config|requirements)/[\w./-]*\w", GUIDE)
    links = re.findall(r"\]\((?:\.\./)?([\w/.-]+\w)", GUIDE)
    assert len(named) > 10
    for path in {*named, *links}:
        assert any((root / path).exists() for root in (CONFIG.parent, CONFIG.parent / "docs")), path
