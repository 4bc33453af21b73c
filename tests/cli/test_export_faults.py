"""``otpvoice export`` into files, with faults, and of many verifications.

``OTPVOICE_TEST_EXPORT_RECORDS`` is the number of verifications of the test of memory.
"""

import base64
import fcntl
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api.api_client import ApiClient
from cli.cli_runner import CODE, OPERATOR, run_command, start_command
from cli.exports import MASKED, RAVI, fill, lines_of, run_export
from redis import Redis
from support.service import NUMBER_KEY
from support.valkey import Valkey

from otpvoice.store.discovery import connect

RECORDS = int(os.environ.get("OTPVOICE_TEST_EXPORT_RECORDS", "2000"))
MAX_GROWTH_KIB = 1536
"""Less than 2000 verifications take."""
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
    with closing(connect(valkey.url, timeout_s=30)) as redis:
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
