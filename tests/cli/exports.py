"""Runs of ``otpvoice export``, and verifications to export."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from cli.cli_runner import CODE, OPERATOR, run_command
from click.testing import Result
from redis import Redis
from store.driver import StoreDriver
from support.service import ASHA, RING_KEY

from otpvoice.core.keys import KeyRing
from otpvoice.store.redis_store import RedisStore

MASKED = "+91******3210"
RAVI = "+919812345678"


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
