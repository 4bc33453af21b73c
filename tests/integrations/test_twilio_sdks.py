"""Twilio's own SDKs against a running service: they parse every response and every error."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from integrations.locked_packages import node_packages, python_packages
from support.demo_stack import PreloadedStack
from support.processes import environment, find_program, free_port
from support.service import BANK_KEY, LOGIN_KEY
from support.stack import running_service

SCRIPTS = Path(__file__).parent / "twilio_sdks"
PAGE = SCRIPTS.parents[2] / "docs" / "integrations" / "twilio-verify.md"
TESTS = SCRIPTS.parents[1]
TIMEOUT_S = 110


Variables = dict[str, str]
"""What the scripts need of a service, as environment variables."""


@pytest.fixture(scope="module")
def service(
    environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Variables]:
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
        yield {
            "OTPVOICE_URL": stack.service.url,
            "OTPVOICE_API_KEY": LOGIN_KEY,
            "OTPVOICE_SLOW_KEY": BANK_KEY,
            "SANDBOX_URL": stack.service.sandbox.url,
        }


@pytest.fixture(scope="module")
def demo() -> Iterator[Variables]:
    """Run the demo stack, which the page assumes."""
    with PreloadedStack(free_port()) as stack:
        yield {
            "OTPVOICE_URL": stack.url,
            "OTPVOICE_API_KEY": stack.api_key,
            "OTPVOICE_SLOW_KEY": "",
            "SANDBOX_URL": stack.sandbox_url,
        }


def run_script(command: list[str | Path], variables: Variables) -> list[str]:
    """Run a script, and return the lines of its output; a failure shows them."""
    others = {k: v for k, v in environment().items() if not k.startswith("TWILIO_")}
    done = subprocess.run(
        command,
        env=others | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def run_python(service: Variables, major: int, script: Path, first_number: int = 0) -> list[str]:
    """Run a script with an SDK for Python. It calls numbers from the first one on."""
    packages = python_packages(SCRIPTS / f"twilio{major}.txt")
    path = os.pathsep.join([str(packages), str(TESTS)])
    own = {"PYTHONPATH": path, "FIRST_NUMBER": str(first_number)}
    return run_script([sys.executable, script], service | own)


def run_node(service: Variables, package: str, script: Path, first_number: int = 0) -> list[str]:
    """Run a script with an SDK for Node. It calls numbers from the first one on."""
    own = {
        "NODE_PATH": str(node_packages(SCRIPTS)),
        "TWILIO_PACKAGE": package,
        "FIRST_NUMBER": str(first_number),
    }
    return run_script([find_program("node"), script], service | own)


def code_of_the_page(language: str, number: str) -> tuple[str, list[str]]:
    """Return the page's code, which calls ``number``, and the output that its comments name."""
    (code,) = re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert code.count("+919876543210") in {1, 2}
    output = re.findall(r"(?:print|console\.log)\(.*(?:#|//) (\w+)$", code, re.MULTILINE)
    assert output == ["pending", "approved"]
    return code.replace("+919876543210", number), output


@pytest.mark.parametrize("major", [6, 7, 8, 9])
def test_python_sdk(service: Variables, major: int) -> None:
    """Create, check, fetch, update, attempts and errors, with the newest release of a version."""
    (output,) = run_python(service, major, SCRIPTS / "verify.py", 919876500000 + major * 1000)
    assert output.startswith(f"twilio {major}.")
    assert output.endswith("passed")


def test_asynchronous_python_sdk(service: Variables) -> None:
    """With aiohttp."""
    (output,) = run_python(service, 9, SCRIPTS / "verify_async.py", 919876510000)
    assert output.endswith("passed")


@pytest.mark.parametrize(("major", "package"), [(4, "twilio4"), (5, "twilio5"), (6, "twilio")])
def test_node_sdk(service: Variables, major: int, package: str) -> None:
    """The same in JavaScript."""
    first_number = 919876520000 + major * 1000
    (output,) = run_node(service, package, SCRIPTS / "verify.cjs", first_number)
    assert output.startswith(f"twilio {major}.")
    assert output.endswith("passed")


def test_python_code_of_the_page(demo: Variables, tmp_path: Path) -> None:
    """The phone rings, and the code that it hears is accepted."""
    number = "+919876530001"
    code, output = code_of_the_page("python", number)
    script = tmp_path / "login.py"
    script.write_text(
        "from integrations.twilio_sdks.scenario import spoken_code\n"
        f"typed_in = lambda: spoken_code({number!r})\n{code}"
    )
    assert run_python(demo, 9, script) == output


def test_node_code_of_the_page(demo: Variables, tmp_path: Path) -> None:
    """The same in JavaScript."""
    number = "+919876530002"
    code, output = code_of_the_page("js", number)
    phones = SCRIPTS / "phones.cjs"
    typed_in = f"const typedIn = () => require({str(phones)!r}).spokenCode({number!r});"
    script = tmp_path / "login.cjs"
    script.write_text(f"{code}\n{typed_in}\nlogin();\n")
    assert run_node(demo, "twilio", script) == output
