"""Whoever speaks in our processes, and however they end: one line, and nothing secret in it."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import Any, Final

import pytest

CODE: Final = "4711020815"
NUMBER: Final = "+919876543210"
SECRET: Final = "hook-secret-without-figures"
SENSITIVE: Final = f"{CODE} {NUMBER} {SECRET}"

PROLOGUE: Final = f"""
import gc, logging, sys, threading, warnings
import structlog
from otpvoice import logs
logs.configure(secrets=[{SECRET!r}])
SENSITIVE = {SENSITIVE!r}
def fail():
    raise ValueError(SENSITIVE)
"""
SOURCES: Final = {
    "ours": "structlog.get_logger('x').info('x', reason=SENSITIVE)",
    "a library": "logging.getLogger('urllib3.connectionpool').warning('x %s', SENSITIVE)",
    "a library's mistake": "logging.getLogger('redis').error('x %d', SENSITIVE)",
    "the root logger": "logging.error(SENSITIVE)",
    "a level of one's own": "logging.getLogger('x').log(35, SENSITIVE)",
    "a warning": "warnings.warn(SENSITIVE)",
    "gunicorn of a bad request": (
        "gunicorn = logging.getLogger('gunicorn.error')\n"
        "gunicorn.warning('Invalid request from ip=::1: canary ' + SENSITIVE)"
    ),
    "gunicorn of a fault": (
        "logging.getLogger('gunicorn.error').error('Error handling request %s', '/canary')"
    ),
    "an exception that is logged": (
        "try: fail()\nexcept ValueError: logging.getLogger('flask').exception('x')"
    ),
    "an exception that is told of": (
        "try: fail()\nexcept ValueError: structlog.get_logger().exception('x')"
    ),
    "an exception in a thread": (
        "thread = threading.Thread(target=fail); thread.start(); thread.join()"
    ),
    "an exception while cleaning up": (
        "class Thing:\n    def __del__(self): fail()\nThing(); gc.collect()"
    ),
    "an exception that nobody caught": "fail()",
}


def output_of(program: str) -> str:
    """All that a process which runs this says."""
    run = [sys.executable, "-c", PROLOGUE + program]
    done = subprocess.run(run, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("speaker", SOURCES)
def test_whoever_speaks_is_masked(speaker: str) -> None:
    """One line of JSON; an exception by its kind and its place only."""
    said = output_of(SOURCES[speaker])
    (line,) = said.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told["event"]
    assert told["level"] in {"info", "warning", "error", "critical"}
    assert not [each for each in (*SENSITIVE.split(), "6543", "canary") if each in said]
    if "exception" in speaker:
        assert told["error"] == "ValueError"
        assert told["traceback"][-1].endswith(" fail")


def test_who_spoke_is_told() -> None:
    """The logger's name, for the operator who wants to know."""
    assert json.loads(output_of(SOURCES["a library"]))["logger"] == "urllib3.connectionpool"


def test_loggers_with_handlers_of_their_own_lose_them() -> None:
    """As gunicorn's and those of a library that was imported earlier."""
    before = (
        "own = logging.getLogger('own'); own.addHandler(logging.StreamHandler())\n"
        "own.propagate = False\nlogs.configure()\nown.error(SENSITIVE)"
    )
    (line,) = output_of(before).splitlines()
    assert json.loads(line)["logger"] == "own"


def test_below_the_level_nothing_is_said() -> None:
    """Neither by ours nor by others."""
    quiet = "logs.configure('error')\n" + SOURCES["ours"] + "\n" + SOURCES["a library"]
    assert output_of(quiet) == ""


def test_what_was_said_before_the_settings_changes_nothing() -> None:
    """A logger that spoke early learns of the secrets too."""
    early = (
        "log = structlog.get_logger(); logs.configure(); log.info('early')\n"
        f"logs.configure(secrets=[{SECRET!r}]); log.info(SENSITIVE)"
    )
    assert SECRET not in output_of(early)


def test_the_shape_is_as_wanted() -> None:
    """Columns if asked for, without colours in a file; lines of an event stay one line."""
    (line,) = output_of("logs.configure(log_format='console')\nlogging.error('a\\nb')").splitlines()
    assert line[0] != "{"
    assert "\x1b" not in line


@pytest.mark.parametrize(("shape", "is_json"), [("auto", False), ("json", True)])
def test_a_terminal_gets_columns(shape: str, *, is_json: bool) -> None:
    """Unless JSON is asked for."""
    person, terminal = pty.openpty()
    program = (
        f"{PROLOGUE}logs.configure(log_format={shape!r}, secrets=[{SECRET!r}])\n"
        "logging.error('x ' + SENSITIVE)"
    )
    subprocess.run([sys.executable, "-c", program], stderr=terminal, timeout=30, check=True)
    os.close(terminal)
    said = ""
    with suppress(OSError):  # Linux's word for a terminal that nobody holds any more
        while some := os.read(person, 4096):
            said += some.decode()
    os.close(person)
    assert said.startswith("{") is is_json
    assert not [word for word in SENSITIVE.split() if word in said]
