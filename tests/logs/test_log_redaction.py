"""Every source of log lines in a process is redacted, and writes one line for each record."""

import json
import os
import pty
import re
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
    "otpvoice": "structlog.get_logger('x').info('x', reason=SENSITIVE)",
    "a library": "logging.getLogger('urllib3.connectionpool').warning('x %s', SENSITIVE)",
    "a library with a wrong format": "logging.getLogger('redis').error('x %d', SENSITIVE)",
    "the root logger": "logging.error(SENSITIVE)",
    "a level between the standard ones": "logging.getLogger('x').log(35, SENSITIVE)",
    "a warning": "warnings.warn(SENSITIVE)",
    "gunicorn about a bad request": (
        "gunicorn = logging.getLogger('gunicorn.error')\n"
        "gunicorn.warning('Invalid request from ip=::1: canary ' + SENSITIVE)"
    ),
    "gunicorn about an error": (
        "logging.getLogger('gunicorn.error').error('Error handling request %s', '/canary')"
    ),
    "an exception that a library logs": (
        "try: fail()\nexcept ValueError: logging.getLogger('flask').exception('x')"
    ),
    "an exception that structlog logs": (
        "try: fail()\nexcept ValueError: structlog.get_logger().exception('x')"
    ),
    "an exception in a thread": (
        "thread = threading.Thread(target=fail); thread.start(); thread.join()"
    ),
    "an exception in a destructor": (
        "class Thing:\n    def __del__(self): fail()\nThing(); gc.collect()"
    ),
    "an uncaught exception": "fail()",
}


def output_of(program: str) -> str:
    """Return the stderr of a process that runs ``program``."""
    run = [sys.executable, "-c", PROLOGUE + program]
    done = subprocess.run(run, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == ""
    return done.stderr


@pytest.fixture(scope="module")
def outputs() -> dict[str, str]:
    """The output of each source. All run in one process, whose own line separates them."""
    separator = "structlog.get_logger().info('dialer.stopped')"
    output = output_of(f"\n{separator}\n".join(SOURCES.values()))
    parts = re.split(r'.*"dialer.stopped".*\n', output)
    return dict(zip(SOURCES, parts, strict=True))


@pytest.mark.parametrize("source", SOURCES)
def test_line_of_every_source_is_redacted(source: str, outputs: dict[str, str]) -> None:
    """One line of JSON; an exception is shown by its class and traceback only."""
    output = outputs[source]
    (text,) = output.splitlines()
    line: dict[str, Any] = json.loads(text)
    assert line["event"]
    assert line["level"] in {"info", "warning", "error", "critical"}
    assert not [each for each in (*SENSITIVE.split(), "6543", "canary") if each in output]
    if "exception" in source:
        assert line["error"] == "ValueError"
        assert line["traceback"][-1].endswith(" fail")


def test_line_of_a_library_names_its_logger(outputs: dict[str, str]) -> None:
    assert json.loads(outputs["a library"])["logger"] == "urllib3.connectionpool"


def test_configure_removes_handlers_of_other_loggers() -> None:
    """Handlers of gunicorn, or of a library imported earlier, do not write past the redaction."""
    before = (
        "own = logging.getLogger('own'); own.addHandler(logging.StreamHandler())\n"
        "own.propagate = False\nlogs.configure()\nown.error(SENSITIVE)"
    )
    (line,) = output_of(before).splitlines()
    assert json.loads(line)["logger"] == "own"


def test_line_below_the_level_is_not_written() -> None:
    quiet = "logs.configure('error')\n" + SOURCES["otpvoice"] + "\n" + SOURCES["a library"]
    assert output_of(quiet) == ""


def test_logger_used_before_configure_redacts_later_secrets() -> None:
    """A logger that logged before the settings were loaded follows them."""
    early = (
        "log = structlog.get_logger(); logs.configure(); log.info('early')\n"
        f"logs.configure(secrets=[{SECRET!r}]); log.info(SENSITIVE)"
    )
    assert SECRET not in output_of(early)


def test_console_format_in_a_file_has_one_line_without_colours() -> None:
    """A line break in a message is escaped."""
    (line,) = output_of("logs.configure(log_format='console')\nlogging.error('a\\nb')").splitlines()
    assert line[0] != "{"
    assert "\x1b" not in line


@pytest.mark.parametrize(("log_format", "is_json"), [("auto", False), ("json", True)])
def test_terminal_gets_columns_unless_json_is_set(log_format: str, *, is_json: bool) -> None:
    reader, terminal = pty.openpty()
    program = (
        f"{PROLOGUE}logs.configure(log_format={log_format!r}, secrets=[{SECRET!r}])\n"
        "logging.error('x ' + SENSITIVE)"
    )
    subprocess.run([sys.executable, "-c", program], stderr=terminal, timeout=30, check=True)
    os.close(terminal)
    output = ""
    with suppress(OSError):  # Linux reports a terminal without a writer as an error
        while some := os.read(reader, 4096):
            output += some.decode()
    os.close(reader)
    assert output.startswith("{") is is_json
    assert not [word for word in SENSITIVE.split() if word in output]
