"""``otpvoice config``, and the sample in the built distribution."""

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from cli.cli_runner import run_command

from otpvoice.settings import SettingsError, load

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "config" / "otpvoice.toml"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """Build the wheel without an index."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir")
    command = [sys.executable, "-m", "pip", "wheel", *options, str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=120)
    (built,) = folder.glob("otpvoice-*.whl")
    return ZipFile(built)


def test_sample_is_printed_as_it_is(tmp_path: Path) -> None:
    """Redirected to a file, it is a configuration that loads; its secrets are those of a sample."""
    done = run_command("config", "sample")
    assert (done.exit_code, done.stdout) == (0, SAMPLE.read_text("utf-8"))
    file = tmp_path / "otpvoice.toml"
    file.write_text(done.stdout, encoding="utf-8")
    assert load({"OTPVOICE_CONFIG": str(file)}).settings.clients
    with pytest.raises(SettingsError, match="sample"):
        load({"OTPVOICE_CONFIG": str(file), "OTPVOICE_SERVER_PRODUCTION": "true"})


def test_wheel_has_the_sample(wheel: ZipFile) -> None:
    assert wheel.read("otpvoice/sample.toml") == SAMPLE.read_bytes()


def test_page_of_a_package_index_has_absolute_links(wheel: ZipFile) -> None:
    """The index shows the README without the repository around it."""
    (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
    head, _, page = wheel.read(name).decode().partition("\n\n")
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 20
    assert [each for each in links if not each.startswith(("https://", "http://", "#"))] == []
    for field in ("Author: ", "License-Expression: MIT", "Project-URL: Homepage, "):
        assert f"\n{field}" in head
