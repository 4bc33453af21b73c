"""Twilio's own SDKs against a running service: they parse every response and every error.

Each SDK is installed from a lock of its own, because their dependencies differ from ours. They are
kept in the virtual environment, so only the first run installs them.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from integrations.snippets import Snippets
from support.processes import environment, find_program, free_port, skip_or_fail
from support.service import BANK_KEY, LOGIN_KEY, RunningService
from support.stack import running_service

SCRIPTS = Path(__file__).parent / "twilio_sdks"
PAGE = "twilio-verify"
TESTS = SCRIPTS.parents[1]
INSTALLED = Path(sys.prefix) / "twilio-sdks"
TIMEOUT_S = 110


@pytest.fixture(scope="module")
def service(
    environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """Run a service, whose client ``bank`` may request one call a minute."""
    bind = f"127.0.0.1:{free_port()}"
    with running_service(
        environ,
        tmp_path_factory.mktemp("service"),
        OTPVOICE_TWILIO_VERIFY_ENABLED="true",
        OTPVOICE_SERVER_BIND=bind,
        OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        OTPVOICE_LIMITS_CALL_GAP="60",
        OTPVOICE_CLIENTS_BANK_CALLS_PER_CLIENT="1/1m",
    ) as stack:
        yield stack.service


def install_once(lock: Path, install: Callable[[Path], list[str | Path]]) -> Path:
    """Return the folder with the packages of a lock; install them if it does not exist.

    Args:
        lock: names every package with its hash.
        install: returns the command that installs the packages into a folder.
    """
    folder = INSTALLED / f"{lock.stem}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        INSTALLED.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=INSTALLED) as temporary:
            incomplete = Path(temporary) / "sdk"
            incomplete.mkdir()
            command = install(incomplete)
            done = subprocess.run(
                command, cwd=incomplete, capture_output=True, text=True, check=False
            )
            if done.returncode:
                skip_or_fail(f"the locked packages cannot be installed: {done.stderr[-500:]}")
            incomplete.rename(folder)
    return folder


def run_script(
    command: list[str | Path], service: RunningService, first_number: int, **variables: str
) -> list[str]:
    """Run a script against the service, and return its output; a failure shows it."""
    done = subprocess.run(
        command,
        env={
            **{k: v for k, v in environment().items() if not k.startswith("TWILIO_")},
            "OTPVOICE_URL": service.url,
            "OTPVOICE_API_KEY": LOGIN_KEY,
            "OTPVOICE_SLOW_KEY": BANK_KEY,
            "SANDBOX_URL": service.sandbox.url,
            "FIRST_NUMBER": str(first_number),
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def python_packages(major: int) -> Path:
    """Return the folder of the SDK for Python."""
    lock = SCRIPTS / f"twilio{major}.txt"

    def install(folder: Path) -> list[str | Path]:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        return [*pip, "--no-compile", "--require-hashes", "--target", folder, "-r", lock]

    return install_once(lock, install)


def node_modules() -> Path:
    """Return the folder of the SDKs for Node."""
    npm = find_program("npm")

    def install(folder: Path) -> list[str | Path]:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SCRIPTS / name, folder)
        return [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]

    return install_once(SCRIPTS / "package-lock.json", install) / "node_modules"


def run_python(service: RunningService, major: int, script: Path, first_number: int) -> list[str]:
    """Run a script with an SDK for Python."""
    folders = [str(python_packages(major)), str(TESTS)]
    path = os.pathsep.join(folders)
    return run_script([sys.executable, script], service, first_number, PYTHONPATH=path)


def run_node(
    service: RunningService, script: Path, first_number: int, package: str = "twilio"
) -> list[str]:
    """Run a script with an SDK for Node."""
    node, modules = find_program("node"), str(node_modules())
    variables = {"NODE_PATH": modules, "TWILIO_PACKAGE": package}
    return run_script([node, script], service, first_number, **variables)


@pytest.mark.parametrize("major", [6, 7, 8, 9])
def test_python_sdk(service: RunningService, major: int) -> None:
    """Create, check, fetch, update, attempts and errors, with the newest release of a version."""
    (output,) = run_python(service, major, SCRIPTS / "verify.py", 919876500000 + major * 1000)
    assert output.startswith(f"twilio {major}.")
    assert output.endswith("passed")


def test_asynchronous_python_sdk(service: RunningService) -> None:
    """With aiohttp."""
    (output,) = run_python(service, 9, SCRIPTS / "verify_async.py", 919876510000)
    assert output.endswith("passed")


@pytest.mark.parametrize(("major", "package"), [(4, "twilio4"), (5, "twilio5"), (6, "twilio")])
def test_node_sdk(service: RunningService, major: int, package: str) -> None:
    """The same in JavaScript."""
    first_number = 919876520000 + major * 1000
    (output,) = run_node(service, SCRIPTS / "verify.cjs", first_number, package)
    assert output.startswith(f"twilio {major}.")
    assert output.endswith("passed")


def test_python_code_of_the_page(service: RunningService, tmp_path: Path) -> None:
    """The phone rings, and the code that it hears is accepted."""
    number = "+919876530001"
    code = Snippets(service, tmp_path).block(PAGE, "python").replace("+919876543210", number)
    script = tmp_path / "login.py"
    script.write_text(
        "from integrations.twilio_sdks.scenario import spoken_code\n"
        f"typed_in = lambda: spoken_code({number!r})\n{code}"
    )
    assert run_python(service, 9, script, 0) == re.findall(
        r"^print\(.*# (\w+)$", code, re.MULTILINE
    )


def test_node_code_of_the_page(service: RunningService, tmp_path: Path) -> None:
    """The same in JavaScript."""
    number = "+919876530002"
    code = Snippets(service, tmp_path).block(PAGE, "js").replace("+919876543210", number)
    script = tmp_path / "login.cjs"
    phones = SCRIPTS / "phones.cjs"
    typed_in = f"const typedIn = () => require({str(phones)!r}).spokenCode({number!r});"
    script.write_text(f"{code}\n{typed_in}\nlogin();\n")
    assert run_node(service, script, 0) == re.findall(
        r"console\.log\(.*// (\w+)$", code, re.MULTILINE
    )
