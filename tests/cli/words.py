"""The words that the tests of commands speak in."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from otpvoice.cli import main
from otpvoice.cli.request import Request
from otpvoice.cli.stack import Stack


def hears_code(stack: Stack, number: str) -> str:
    """Picks up the phone and listens."""
    request = Request("GET", f"{stack.sandbox_url}/phones/{number.removeprefix('+')}/calls")

    def spoken() -> str | None:
        calls = request.send().json()
        return calls[-1]["spoken"] if calls else None

    heard = stack.wait_until(spoken, "the phone heard nothing")
    return "".join(filter(str.isdigit, heard))


def runs(*words: str, **environ: str) -> Result:
    """A command in this process, which sees no OTPVOICE_ variable but these."""
    others = {name: None for name in os.environ if name.startswith("OTPVOICE_")}
    return CliRunner().invoke(main, [*words], env={**others, **environ})


@contextmanager
def starts(
    *words: str, environ: Mapping[str, str], **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A command as a process in a session of its own, which is over at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "otpvoice", *words],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What the process says, up to the first line with these words."""
    told = ""
    for line in process.stdout or ():
        told += line
        if words in line:
            return told
    raise AssertionError(told)


def left_of(process: subprocess.Popen[str]) -> list[str]:
    """The commands that still run in the session that this process began."""
    left = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended while we looked
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
            state, _, _, session = fields.split()[:4]
            if session == str(process.pid) and state != "Z":
                left.append(name)
    return left


@contextmanager
def answers(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A server with one answer to every request: its URL, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
