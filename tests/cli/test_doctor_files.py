"""``otpvoice doctor``: file permissions, the store's machine, event URLs and authorities."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli.findings import doctor_findings, failed_subjects, finding_about, parse_findings
from cli.test_doctor_webhook import FORWARDED, findings_at, port_of
from client.faulty_proxy import running_proxy
from support.certificates import Authority
from support.processes import environment, find_program, skip_or_fail

from otpvoice.cli.doctor.network import event_url_findings
from otpvoice.cli.doctor.settings import machine_findings
from otpvoice.diagnostics import Level
from otpvoice_demo.stack import Stack

OK, ADVICE, WARN, FAIL = Level


@pytest.fixture
def configuration(stack: Stack, tmp_path: Path) -> Path:
    """Copy the stack's settings, which have secrets."""
    tmp_path.chmod(0o755)
    path = tmp_path / "otpvoice.toml"
    path.write_text(stack.config_path.read_text())
    path.chmod(0o600)
    return path


def open_to_everyone(directory: Path) -> None:
    """Let other users enter the directories above, as those of a container."""
    for parent in directory.parents:
        if "pytest-of-" in str(parent):  # closed by pytest
            parent.chmod(parent.stat().st_mode | 0o011)
        elif not parent.stat().st_mode & 0o001:
            skip_or_fail(f"{parent} is closed to other users; set TMPDIR to an open directory")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_closed_configuration_file_is_ok(mode: int, configuration: Path) -> None:
    """A group of operators may read the file."""
    configuration.chmod(mode)
    assert (
        finding_about(doctor_findings({"OTPVOICE_CONFIG": str(configuration)}), "files").level is OK
    )


@pytest.mark.parametrize("mode", [0o666, 0o622, 0o620])
def test_configuration_file_that_others_can_change_fails(mode: int, configuration: Path) -> None:
    """The finding names the file and the command that closes it."""
    configuration.chmod(mode)
    found = doctor_findings({"OTPVOICE_CONFIG": str(configuration)})
    finding = next(each for each in found if each.subject == "OTPVOICE_CONFIG")
    assert finding.level is FAIL
    assert finding.todo == f"chmod go-w {configuration}"


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_secret_that_everyone_can_read_fails(
    mode: int, configuration: Path, tmp_path: Path
) -> None:
    """In the settings, in the file of a variable, and in the directory of secrets."""
    open_to_everyone(tmp_path)
    configuration.chmod(mode)
    token = tmp_path / "token"
    token.write_text("a-token-of-the-provider-1")
    token.chmod(mode)
    directory = tmp_path / "secrets"
    directory.mkdir(0o755)
    (directory / "provider_campaign").write_text("otp")
    (directory / "provider_campaign").chmod(mode)
    environ = {
        "OTPVOICE_CONFIG": str(configuration),
        "OTPVOICE_PROVIDER_VALIDATION_KEY_FILE": str(token),
        "OTPVOICE_SECRETS_DIR": str(directory),
    }
    toml = configuration.read_text().splitlines()
    configuration.write_text(
        "\n".join(line for line in toml if not line.startswith("validation_key"))
    )
    subjects = {*failed_subjects(doctor_findings(environ))}
    assert {
        "OTPVOICE_CONFIG",
        "OTPVOICE_PROVIDER_VALIDATION_KEY_FILE",
        "OTPVOICE_SECRETS_DIR/provider_campaign",
    } <= subjects


def test_readable_secret_in_a_closed_directory_is_ok(configuration: Path, tmp_path: Path) -> None:
    """Docker's secrets are files with mode 0444 in a closed directory."""
    directory = tmp_path / "secrets"
    directory.mkdir(0o700)
    (directory / "provider_campaign").write_text("otp")
    (directory / "provider_campaign").chmod(0o444)
    environ = {"OTPVOICE_CONFIG": str(configuration), "OTPVOICE_SECRETS_DIR": str(directory)}
    assert finding_about(doctor_findings(environ), "files").level is OK


@pytest.mark.parametrize(
    ("mode", "level", "subject"),
    [
        (0o444, "advice", "files"),
        (0o400, "ok", "files"),
        (0o446, "FAIL", "OTPVOICE_SECRETS_DIR/provider_campaign"),
    ],
)
def test_secret_that_a_container_engine_mounted(
    mode: int, level: str, subject: str, configuration: Path, tmp_path: Path
) -> None:
    """Compose mounts each file by itself into an open directory, /run/secrets."""
    closed, mounted = tmp_path / "closed", tmp_path / "container"
    closed.mkdir(0o700)
    mounted.mkdir()
    (closed / "provider_campaign").write_text("otp")
    (closed / "provider_campaign").chmod(mode)
    script = f"""set -e
mount -t tmpfs -o mode=755 tmpfs {mounted}
touch {mounted}/provider_campaign
mount --bind {closed}/provider_campaign {mounted}/provider_campaign
exec {sys.executable} -m otpvoice doctor
"""
    variables = {"OTPVOICE_CONFIG": str(configuration), "OTPVOICE_SECRETS_DIR": str(mounted)}
    unshare = [find_program("unshare"), "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], check=False).returncode:
        skip_or_fail("it needs a mount namespace")
    open_to_everyone(tmp_path)
    done = subprocess.run(
        [*unshare, "/bin/sh", "-c", script],
        env=environment(variables), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (level, subject) in {each[:2] for each in parse_findings(done.stdout)}, done
    assert done.returncode == (level == "FAIL"), done


def test_same_key_for_client_and_console_fails(configuration: Path) -> None:
    """A login backend's key would open the console."""
    text = configuration.read_text()
    key_hash = text.partition('key_sha256 = ["')[2][:64]
    environ = {
        "OTPVOICE_CONFIG": str(configuration),
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": key_hash,
    }
    found = doctor_findings(environ)
    assert any("is the same as secrets.admin_key_sha256[0]" in each.found for each in found)
    assert "clients.demo.key_sha256[0]" in failed_subjects(found)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://169.254.169.254/events", "link-local"),
        ("http://[fe80::1]/events", "link-local"),
        ("http://224.0.0.1/events", "multicast"),
        ("http://240.0.0.1/events", "reserved"),
    ],
)
def test_event_url_at_special_address_fails(url: str, word: str) -> None:
    """A request there could reach a cloud's metadata service."""
    (finding,) = event_url_findings("clients.app.event_url", url)
    assert finding.level is FAIL
    assert f"a {word} address" in finding.found


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://10.0.0.5/", "https://[2001:db8::1]/"]
)
def test_event_url_at_private_address_is_ok(url: str) -> None:
    """A backend may be in the same network."""
    assert [*event_url_findings("clients.app.event_url", url)] == []


@pytest.mark.parametrize(("value", "level"), [("1\n", OK), ("0\n", WARN), ("2\n", WARN)])
@pytest.mark.parametrize(
    "url", ["redis://localhost:6379/0", "redis://127.0.0.1/0", "unix:///r.sock"]
)
def test_overcommit_of_local_store_is_checked(
    value: str, level: Level, url: str, tmp_path: Path
) -> None:
    """The store runs on this machine."""
    (tmp_path / "overcommit_memory").write_text(value)
    (finding,) = machine_findings(url, tmp_path / "overcommit_memory")
    assert (finding.level, finding.subject) == (level, "vm.overcommit_memory")


def test_overcommit_of_remote_store_is_not_checked(tmp_path: Path) -> None:
    """This machine's setting does not matter."""
    (tmp_path / "overcommit_memory").write_text("0")
    assert [*machine_findings("redis://store:6379", tmp_path / "overcommit_memory")] == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_private_authority_of_environment_is_trusted(
    variable: str, stack: Stack, tmp_path: Path
) -> None:
    """As by the service itself."""
    authority = Authority.at(tmp_path)
    authority.trusted()
    bundle = {variable: str(tmp_path / "authority.pem")}
    with running_proxy(port_of(stack), *FORWARDED, tls=authority.server()) as front:
        found = findings_at(stack, front.url, None, **bundle)
    assert finding_about(found, "public address").level is OK


def test_missing_authority_file_is_the_only_finding(stack: Stack) -> None:
    """With other authorities, the other checks would be misleading."""
    (finding,) = findings_at(stack, stack.url, SSL_CERT_FILE="/nowhere/ca.pem")
    assert (finding.level, finding.subject) == (FAIL, "SSL_CERT_FILE")
