"""The distribution otpvoice-client: built from clients/python, it works with requests only."""

import re
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from support.service import ASHA, LOGIN_KEY
from support.stack import ApiProcess

SOURCE = Path(__file__).parents[2] / "clients" / "python"
PROGRAM = """
import importlib.util, sys
from otpvoice_client import Client
url, key, number = sys.argv[1:]
with Client(url, key) as client:
    verification = client.create(number, code="482913")
    print(bool(client.check(verification.id, "482913")))
others = ("otpvoice", "flask", "gunicorn", "redis")
print([name for name in others if importlib.util.find_spec(name)])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without an index."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir")
    command = [sys.executable, "-m", "pip", "wheel", *options, str(folder), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    (built,) = folder.glob("otpvoice_client-*.whl")
    return built


def requirements_of(names: list[str]) -> set[str]:
    """Return these distributions with all that they require, without extras."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            required = map(Requirement, distribution(name).requires or [])
            names += [each.name for each in required if _applies(each)]
    return found


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


@pytest.mark.usefixtures("dialer")
def test_wheel_verifies_a_number_in_an_environment_with_its_requirements_only(
    wheel: Path, served: ApiProcess, tmp_path: Path
) -> None:
    """The environment has the wheel and its requirements, and no part of the service."""
    venv.create(tmp_path / "venv")
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    ZipFile(wheel).extractall(packages)
    for name in requirements_of(["requests"]):
        for file in distribution(name).files or []:
            target = packages / file
            if ".." not in file.parts and file.suffix != ".pyc":
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_binary())
    command = [str(tmp_path / "venv" / "bin" / "python"), "-I", "-c", PROGRAM]
    command += [f"http://127.0.0.1:{served.port}", LOGIN_KEY, ASHA]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (["True", "[]"], "")


def test_wheel_is_typed_and_requires_requests_only(wheel: Path) -> None:
    """Its version is that of the service."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    assert "otpvoice_client/py.typed" in names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "otpvoice_client"
    }
    assert re.findall(r"^Requires-Dist: ([\w-]+)", text, re.MULTILINE) == ["requests"]
    service = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text("utf-8"))
    assert f"\nVersion: {service['project']['version']}\n" in text
