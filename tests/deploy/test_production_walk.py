"""The production guide, run from top to bottom on an empty machine, as root.

The machine is this machine's root file system under an overlay, in its own namespaces: everything
that the guide installs, writes and starts is removed afterwards. Only systemd has a stand-in.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from deploy.nginx_proxy import CONFIG
from support.processes import find_program, skip_or_fail

ROOT = CONFIG.parent
HERE = Path(__file__).parent / "bare_machine"
GUIDE = (ROOT / "docs" / "production.md").read_text("utf-8")
SOURCE = (
    "otpvoice", "sandbox", "clients", "config", "requirements", "pyproject.toml", "README.md",
    "LICENSE",
)  # fmt: skip
TOKEN = "token-of-the-provider-5b7c0d2e91"
SEARCHED = "/etc /opt/otpvoice /run /var /srv /home /root /tmp /usr/local"


def blocks(part: str, *kinds: str) -> str:
    """Return the shell blocks of these kinds, in order."""
    found = re.findall(r"^```sh ?(\w*)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    return "".join(text for kind, text in found if kind in kinds)


def guide_commands() -> tuple[str, str]:
    """Return the commands: first those with internet access, then those without it."""
    install, _, rest = GUIDE.partition("\n## 3. ")
    rest, _, _ = rest.partition("\n## 7. ")
    practice_begins, practice_look, practice_ends = re.findall(
        r"^```sh practice\n(.*?)^```", rest, re.MULTILINE | re.DOTALL
    )
    assert practice_look.startswith("curl ")
    optional = re.findall(r"`((?:openssl rand|echo)[^`]*> \$home/secrets/[^`]*)`", rest)
    assert len(optional) == 2
    event_url = 'event_url = "https://login.example.com/events"'
    first = f"""set -eu
began=$EPOCHSECONDS
cd /root/source
{blocks(install, "systemd")}
declare -p began home store_host store > /root/variables
exec unshare --net /bin/bash /root/source/walk-on.sh
"""
    second = f"""set -eu
/usr/bin/python3 - <<'PYTHON'
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # bring the loopback up: IFF_UP
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1))
PYTHON
cd /root/source
. /root/variables
exec 9>&2 < /root/source/typed 2> /root/stderr
trap 'grep -v ovk_ /root/stderr >&9; tail -n 20 /run/started/*.log >&9' EXIT
{blocks(rest, "", "systemd").removesuffix("otpvoice doctor" + chr(10))}
otpvoice doctor > /root/doctor || true
umask 077
{chr(10).join(optional)}
sed -i '/^.clients.login-backend.$/a {event_url}' $home/otpvoice.toml
otpvoice keys admin >> $home/otpvoice.toml
umask 022
cp $home/secrets/provider_token $home/secrets/provider_token.bak
{practice_begins}
key=$(grep -o 'ovk_[A-Za-z0-9_-]*' /root/stderr)
/usr/bin/python3 check.py "$key"
{practice_look.replace("curl -s", "curl -sf")} > /dev/null
{practice_ends}
timeout 60 sh -c "until curl -sf http://127.0.0.1:8000/healthz; do sleep 0.1; done" > /dev/null
cat /root/doctor
echo "--- readable by others"
cat $home/secrets/* | tr ':' '\\n' > /run/secrets-to-find
sed 's/.*otpvoice:\\(.*\\)@.*/\\1/' $home/secrets/redis_url >> /run/secrets-to-find
grep -v -e '^k1$' -e '^redis' /run/secrets-to-find | grep -E '.{{20,}}' > /run/long-secrets || true
exec 3< /run/long-secrets
cp readable.py /usr/local/lib/
rm /run/secrets-to-find /run/long-secrets
setpriv --reuid=65534 --regid=65534 --clear-groups \
  /usr/bin/python3 /usr/local/lib/readable.py $began {SEARCHED}
"""
    return first, second


@dataclass(frozen=True)
class Walkthrough:
    """The result of running the guide."""

    output: str

    @property
    def doctor(self) -> dict[str, str]:
        """Return the level of each subject in the output of ``otpvoice doctor``."""
        found = re.findall(
            r"^(ok|advice|warn|FAIL) +(\S+(?: \S+)*)  +.+$", self.output, re.MULTILINE
        )
        return {subject: level for level, subject in found}


@pytest.fixture(scope="module")
def walkthrough(tmp_path_factory: pytest.TempPathFactory) -> Walkthrough:
    """Run the guide once."""
    for name in (
        "unshare",
        "nginx",
        "redis-server",
        "openssl",
        "systemd-analyze",
        "setpriv",
        "curl",
    ):
        find_program(name)
    if os.geteuid() != 0:
        skip_or_fail("it needs root")
    folder = tmp_path_factory.mktemp("machine")
    source = folder / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    for name in ("check.py", "readable.py"):
        shutil.copy(HERE / name, source / name)
    for name in ("layer", "root"):
        (folder / name).mkdir()
    first, second = guide_commands()
    (source / "walk.sh").write_text(first)
    (source / "walk-on.sh").write_text(second)
    (source / "typed").write_text(f"{TOKEN}\n")
    namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    done = subprocess.run(
        ["unshare", *namespaces, "/bin/bash", str(HERE / "machine.sh"), str(folder), str(source)],
        capture_output=True, text=True, check=False, timeout=840,
    )  # fmt: skip
    print(done.stdout, done.stderr, file=sys.stderr)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return Walkthrough(done.stdout)


@pytest.mark.timeout(900)
def test_guide_commands_deploy_a_working_service(walkthrough: Walkthrough) -> None:
    """At the end a number is verified through nginx, the units and the store."""
    assert "verified, heard: True" in walkthrough.output


@pytest.mark.timeout(900)
def test_optional_secret_files_reach_the_units(walkthrough: Walkthrough) -> None:
    """The webhook's path token is accepted, and another is refused."""
    assert "callback with stranger: 401" in walkthrough.output
    assert "callback with path token: 400" in walkthrough.output


@pytest.mark.timeout(900)
def test_doctor_finds_no_fault_of_the_installation(walkthrough: Walkthrough) -> None:
    """Without internet access, only checks of the internet fail."""
    levels = walkthrough.doctor
    own = ("settings", "files", "secrets", "provider.webhook_secret", "redis", "redis appendfsync")
    for subject in own:
        assert levels[subject] == "ok", walkthrough.output
    failed = {subject for subject, level in levels.items() if level == "FAIL"}
    assert failed <= {"public address", "provider address"}


@pytest.mark.timeout(900)
def test_no_secret_is_readable_by_another_user(walkthrough: Walkthrough) -> None:
    """Another user searches every file and process."""
    _, _, seen = walkthrough.output.partition("--- readable by others\n")
    *leaks, count = seen.splitlines()
    assert leaks == []
    assert int(count.split()[0]) > 1000
