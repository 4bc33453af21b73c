"""``otpvoice export`` writes verifications for auditors: no code, and numbers only if asked for.

``OTPVOICE_TEST_EXPORT_RECORDS`` is the number of verifications of the test of memory.
"""

import base64
import fcntl
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer
from cli.cli_runner import CODE, OPERATOR, call_number, run_command, start_command
from click.testing import Result
from redis import Redis
from store.driver import StoreDriver
from support.service import ASHA, NUMBER_KEY, RING_KEY
from support.valkey import Valkey

from otpvoice.core.keys import KeyRing
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

RECORDS = int(os.environ.get("OTPVOICE_TEST_EXPORT_RECORDS", "2000"))
MAX_GROWTH_KIB = 1536
"""Less than 2000 verifications take."""
MASKED = "+91******3210"
RAVI = "+919812345678"
OTHER_KEY = base64.b64encode(b"another key of the ring of tests").decode()
MEASURED = (
    "import re, sys, pathlib, otpvoice.cli as cli\n"
    "try:\n"
    "    cli.main()\n"
    "finally:\n"
    "    status = pathlib.Path('/proc/self/status').read_text()\n"
    "    print(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1], file=sys.stderr)\n"
)
"""Runs a command, and prints the most memory that it used (KiB)."""


def run_export(environ: Mapping[str, str], *words: str) -> Result:
    """Run the command, and assert that it shows no code and no whole number of a person."""
    done = run_command("export", *words, **environ, LOGNAME=OPERATOR)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert not any(number[3:] in done.output for number in (ASHA, RAVI))
    assert CODE not in re.findall(r"[0-9]+", done.output)
    return done


def fill(redis: Redis, count: int) -> None:
    """Create verifications of so many numbers, whose calls are not due yet."""
    driver = StoreDriver(RedisStore(redis), KeyRing([base64.b64decode(RING_KEY)]))
    for i in range(count):
        if i % 1000 == 0:
            driver.sweep()  # a heartbeat
        to = f"+9198{i:08}"
        assert driver.try_create(to, reference=f"login-{i}", call_after=300, ttl=600).verification


def lines_of(done: Result) -> list[dict[str, Any]]:
    """Return the exported objects, the oldest first."""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted(found, key=lambda each: str(each["reference"]))


def test_export_writes_the_objects_of_the_api_with_masked_numbers(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Of all clients, with their calls, in ASCII. The code is nowhere."""
    created = call_number(api, dialer, 2)
    created.append(api.as_bank().create(RAVI, reference="login-ह"))
    done = run_export(environ)
    assert done.exit_code == 0
    assert "Exported 3 verifications, created from the oldest to" in done.stderr
    assert "Records left out: 0." in done.stderr
    assert done.stdout.isascii()
    exported = lines_of(done)
    assert [each["client"] for each in exported] == ["login", "login", "bank"]
    assert [each["to"] for each in exported] == [MASKED, MASKED, "+91******5678"]
    for line, verification in zip(exported[:2], created, strict=False):
        shown = api.get_verification(verification)
        changing = {"to", "client", "expires_in", "next"}
        assert line.keys() == {*shown, "client"}
        assert all(line[name] == shown[name] for name in shown.keys() - changing)
        assert line["calls"][0]["status"] == "answered"


def test_export_has_the_transaction(api: ApiClient, environ: dict[str, str]) -> None:
    """As the API shows it."""
    payment = {"amount": "2500.00", "currency": "INR", "payee": "ACME Stores"}
    api.create(code=CODE, transaction=payment)
    (line,) = lines_of(run_export(environ))
    assert line["transaction"] == payment


def test_export_with_open_writes_whole_numbers(api: ApiClient, environ: dict[str, str]) -> None:
    api.create(code=CODE)
    done = run_command("export", "--open", **environ)
    assert done.exit_code == 0
    (line,) = lines_of(done)
    assert line["to"] == ASHA
    assert CODE not in done.output


def test_export_takes_a_period_by_the_time_of_creation(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """From the first time, before the second. Durations count back from now."""
    for hours in (30, 20, 10):
        api.advance_time(-3600 * hours)
        api.create(reference=f"login-{hours}")
        api.advance_time(3600 * hours)
    for period, found in (
        (("--since", "25h"), ["login-10", "login-20"]),
        (("--since", "25h", "--until", "15h"), ["login-20"]),
        (("--until", "1500m"), ["login-30"]),
        (("--since", "90000", "--until", "15h"), ["login-20"]),
        (("--since", iso_time(25), "--until", iso_time(15)), ["login-20"]),
        (("--since", "2020-01-01", "--until", "2020-02-01 12:00"), []),
    ):
        done = run_export(environ, *period)
        assert done.exit_code == 0
        assert [each["reference"] for each in lines_of(done)] == found, period


def iso_time(hours_ago: int) -> str:
    """Return a time as the API writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600 * hours_ago))


@pytest.mark.parametrize("name", ["--since", "--until"])
@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "7w", "-7d", "366d", "999999999d", "2026-13-01", "2026-01-01T25:00"),
        *("1.5h", "٧d", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59", "now"),
    ],
)
def test_invalid_time_is_a_usage_error_that_names_the_forms(
    environ: dict[str, str], name: str, text: str
) -> None:
    done = run_command("export", name, text, **environ)
    assert done.exit_code == 2
    assert f"'{name}'" in done.output
    assert "7d" in done.output
    assert "2026-01-31T18:00:00Z" in done.output.replace("\n", " ")


@pytest.mark.parametrize(
    "period",
    [
        ("--since", "1h", "--until", "2h"),
        ("--since", "2999-01-01"),
        ("--since", "2026-01-01", "--until", "2026-01-01"),
        ("--until", "1960-01-01"),
    ],
)
def test_empty_period_is_a_usage_error(environ: dict[str, str], period: tuple[str, ...]) -> None:
    done = run_command("export", *period, **environ)
    assert done.exit_code == 2
    assert "--since must be before --until" in done.output


def test_export_of_a_number_has_its_verifications_only(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """The number may be written as for the other commands. The log has its id."""
    created = [api.create(reference=f"login-{i}") for i in range(2)]
    api.create(RAVI)
    done = run_export(environ, "--number", "98765 43210")
    assert (done.exit_code, [each["id"] for each in lines_of(done)]) == (
        0,
        [each["id"] for each in created],
    )
    (entry,) = api.store.sweep("a dialer").audit_entries
    assert entry.details["to"] == MASKED
    assert entry.details["number"]
    wrong = run_export(environ, "--number", "12345")
    assert wrong.exit_code == 2
    assert "Invalid value for '--number'" in wrong.stderr


# Files --------------------------------------------------------------------------------------------


def test_output_is_a_new_file_of_its_owner(
    api: ApiClient, environ: dict[str, str], tmp_path: Path
) -> None:
    """With mode 0600 whatever the umask; it has the same lines."""
    api.create()
    path = tmp_path / "audit.jsonl"
    before = os.umask(0)
    try:
        done = run_export(environ, "--output", str(path))
    finally:
        os.umask(before)
    assert (done.exit_code, done.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["to"] == MASKED
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("kind", ["file", "link", "folder", "no folder"])
def test_output_that_cannot_be_created_is_an_error(
    api: ApiClient, environ: dict[str, str], tmp_path: Path, kind: str
) -> None:
    """Nothing is replaced and nothing is left behind."""
    api.create()
    path = tmp_path / "audit.jsonl"
    if kind == "file":
        path.write_text("the report of the last year")
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        path.mkdir()
    else:
        path = tmp_path / "missing" / "audit.jsonl"
    before = sorted(tmp_path.iterdir())
    done = run_export(environ, "--output", str(path))
    assert done.exit_code in {1, 2}
    assert path.name in done.stderr
    expected = {"folder": "directory", "no folder": "cannot be written"}.get(kind, "exists")
    assert expected in done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert kind != "file" or path.read_text() == "the report of the last year"


def test_full_disk_is_an_error_in_one_sentence(api: ApiClient, environ: dict[str, str]) -> None:
    """On standard output, too."""
    api.create()
    with Path("/dev/full").open("wb") as full:
        done = run_process(environ, "export", stdout=full)
    assert done.returncode == 1
    assert "Error: standard output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def run_process(
    environ: Mapping[str, str], *words: str, code: str | None = None, stdout: Any = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command as a process."""
    others = {name: text for name, text in os.environ.items() if not name.startswith("OTPVOICE_")}
    command = ["-c", code] if code else ["-m", "otpvoice"]
    return subprocess.run(
        [sys.executable, *command, *words],
        env={**others, **environ},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


# Faults -------------------------------------------------------------------------------------------


def test_store_that_is_away_leaves_no_file(environ: dict[str, str], tmp_path: Path) -> None:
    away = {**environ, "OTPVOICE_REDIS_URL": "redis://127.0.0.1:9/0"}
    done = run_export(away, "--output", str(tmp_path / "audit.jsonl"))
    assert done.exit_code == 1
    assert "cannot serve" in done.stderr
    assert "the export is incomplete" in done.stderr
    assert "Exported" not in done.stderr
    assert not [*tmp_path.iterdir()]


def test_number_whose_key_was_dropped_is_named_and_left_out(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """The others are exported, and the exit status is 1."""
    created = api.create(code=CODE)
    dropped = {**environ, "OTPVOICE_SECRETS_KEYS": f"k2:{OTHER_KEY}"}
    done = run_export(dropped)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert f"left out verification:{created['id']}: no key of the ring" in done.stderr
    assert "Exported 0 verifications" in done.stderr
    assert "Records left out: 1." in done.stderr


def test_store_that_goes_away_meanwhile_is_an_error(
    valkey: Valkey, environ: dict[str, str]
) -> None:
    """The export waits for its reader when the store goes away. It does not seem complete."""
    with closing(connect(valkey.url)) as redis:
        fill(redis, 100)
    away = {**environ, "OTPVOICE_REDIS_URL": valkey.url}
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with start_command("export", environ=away, stdout=writer) as process:
        os.close(writer)
        with os.fdopen(reader, "rb") as lines:
            assert json.loads(lines.readline())["status"] == "pending"
            valkey.kill()
            assert 0 < len(lines.readlines()) < 99
        assert process.wait() == 1
        assert "the export is incomplete" in process.output()
        assert "Exported" not in process.output()


@pytest.mark.parametrize(
    ("damage", "kind", "exported"),
    [
        (lambda redis, key: redis.hset(key, "created_at", "soon"), "verification", 1),
        (lambda redis, key: redis.hset(key, "expires_at", "later"), "verification", 1),
        (lambda redis, key: redis.hdel(key, "created_at"), "verification", 1),
        (lambda redis, key: redis.delete(key) and redis.set(key, "text"), "verification", 1),
        (lambda redis, key: redis.hset(key, "encrypted_number", b"\xff" * 40), "verification", 1),
        (lambda redis, key: redis.hset(key, "transaction1", "x"), "verification", 1),
        (lambda redis, key: redis.hset(key, "route", "no route"), "call", 2),
        (lambda redis, key: redis.delete(key), "call", 2),
    ],
    ids=["time", "end", "no time", "text", "number", "transaction", "call", "missing call"],
)
def test_unreadable_record_is_named_and_left_out(
    api: ApiClient,
    redis: Redis,
    environ: dict[str, str],
    damage: Callable[[Redis, str], object],
    kind: str,
    exported: int,
) -> None:
    """A verification without its unreadable call is exported."""
    created = api.create(reference="a damaged one", code=CODE)
    api.create(RAVI)
    name = created["id"] if kind == "verification" else created["calls"][0]["id"]
    damage(redis, f"{{otpvoice}}:{kind}:{name}")
    done = run_export(environ)
    assert done.exit_code == 1
    assert f"left out {kind}:{name}: " in done.stderr
    assert "Records left out: 1." in done.stderr
    assert len(lines_of(done)) == exported


def test_export_is_logged_before_it_begins(api: ApiClient, environ: dict[str, str]) -> None:
    """With the operator, the period, and whether numbers were whole."""
    run_export(environ, "--since", "2026-01-01T00:00:00Z", "--until", "1h")
    run_command("export", "--open", **environ)
    masked, whole = api.store.sweep("a dialer").audit_entries
    assert masked.event == whole.event == "operator.exported"
    assert masked.details["operator"] == OPERATOR
    assert masked.details["created_from"] == "2026-01-01T00:00:00Z"
    assert masked.details["created_before"].endswith("Z")
    assert (masked.details["whole_numbers"], whole.details["whole_numbers"]) == (False, True)


# Size ---------------------------------------------------------------------------------------------


def test_memory_does_not_depend_on_the_number_of_records(
    redis: Redis, environ: dict[str, str], tmp_path: Path
) -> None:
    """An export of all takes about as much as one that finds none."""
    fill(redis, RECORDS)
    peaks: list[int] = []
    for period in (("--until", "2020-01-01"), ()):
        path = tmp_path / f"audit-{len(peaks)}.jsonl"
        began = time.monotonic()
        words = ("export", *period, "--output", str(path))
        done = run_process(environ, *words, code=MEASURED)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.splitlines()[-1]))
        print(f"{period}: {time.monotonic() - began:.1f} s, {peaks[-1]} KiB")
    with (tmp_path / "audit-1.jsonl").open("rb") as file:
        ids = {json.loads(line)["id"] for line in file}
    assert len(ids) == RECORDS
    assert peaks[1] - peaks[0] < MAX_GROWTH_KIB
    assert NUMBER_KEY not in done.stderr
