"""The shipped units: their commands, credentials, grace periods and hardening."""

import re
import subprocess
from pathlib import Path

import pytest
from deploy.nginx_proxy import CONFIG
from support.processes import find_program

from otpvoice.cli import main
from otpvoice.cli.serve import DIALER_GRACE_S, GRACE_S

UNITS = {"api": GRACE_S, "dialer": DIALER_GRACE_S}
PROGRAM = "/opt/otpvoice/bin/otpvoice"


def unit(name: str) -> str:
    """Return the text of a unit."""
    return (CONFIG / "systemd" / f"otpvoice-{name}.service").read_text("utf-8")


def option_values(name: str, option: str) -> list[str]:
    """Return every value of an option."""
    return re.findall(rf"^{option}=(.*)$", unit(name), re.MULTILINE)


@pytest.mark.parametrize("name", UNITS)
def test_unit_starts_a_command_and_waits_for_its_end(name: str) -> None:
    """Longer than the shutdown takes."""
    (start,) = option_values(name, "ExecStart")
    assert start == f"{PROGRAM} {name}"
    assert name in main.commands
    (patience,) = option_values(name, "TimeoutStopSec")
    assert int(patience) > UNITS[name]


@pytest.mark.parametrize("name", UNITS)
def test_unit_reads_secrets_from_its_credentials(name: str) -> None:
    """The whole directory is loaded with the prefix of the settings."""
    pairs = [pair for line in option_values(name, "Environment") for pair in line.split()]
    variables = dict(pair.split("=", 1) for pair in pairs if pair.startswith("OTPVOICE_"))
    assert variables == {
        "OTPVOICE_CONFIG": "/etc/otpvoice/otpvoice.toml",
        "OTPVOICE_SECRETS_DIR": "%d",
    }
    assert option_values(name, "LoadCredential") == ["otpvoice:/etc/otpvoice/secrets"]


@pytest.mark.parametrize("name", [*UNITS, "sandbox"])
def test_unit_is_valid_and_hardened(name: str, tmp_path: Path) -> None:
    """According to systemd-analyze."""
    analyze = find_program("systemd-analyze")
    here = tmp_path / f"otpvoice-{name}.service"
    here.write_text(unit(name).replace(PROGRAM, "/bin/true"), "utf-8")
    verified = subprocess.run(
        [analyze, "verify", here], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", here],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-300:]


def test_api_may_keep_its_workers_to_processors() -> None:
    """A group that is forbidden contains the call; the line after it allows the call again."""
    filters = option_values("api", "SystemCallFilter")
    assert filters == ["@system-service", "~@privileged @resources", "sched_setaffinity"]
    analyze = find_program("systemd-analyze")
    group = subprocess.run(
        [analyze, "syscall-filter", "@resources"], capture_output=True, text=True, check=True
    )
    assert "sched_setaffinity" in group.stdout.split()
