"""Runs commands in this process or as processes, and prepares what they show."""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import structlog
from api.api_client import ApiClient, ManualDialer
from click.testing import CliRunner, Result
from support.processes import Process
from support.service import ASHA

from otpvoice.cli import main
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallUpdate, Claim
from otpvoice_demo.printer import HttpRequest
from otpvoice_demo.stack import Stack

CODE = "482913"
"""The code in operators' tests. No command may show it."""
OPERATOR = "meera"
_IDS = re.compile(r"(vrf|call)_[0-9a-f]{32}")
_WHOLE_NUMBER = re.compile(r"[0-9]{7}")


def listen_for_code(stack: Stack, number: str) -> str:
    """Wait for a call to the number and return the spoken digits."""
    request = HttpRequest("GET", f"{stack.sandbox_url}/phones/{number.removeprefix('+')}/calls")

    def spoken() -> str | None:
        calls = request.send().json()
        return calls[-1]["spoken"] if calls else None

    heard = stack.wait_until(spoken, "the phone heard nothing")
    return "".join(filter(str.isdigit, heard))


def run_command(*words: str, **environ: str) -> Result:
    """Run a command in this process with only these OTPVOICE_ variables."""
    return _invoke(words, environ)


def _invoke(words: Sequence[str], environ: Mapping[str, str], stdin: str = "") -> Result:
    others = {name: None for name in os.environ if name.startswith("OTPVOICE_")}
    logging = structlog.get_config()
    try:
        return CliRunner().invoke(main, [*words], input=stdin, env={**others, **environ})
    finally:
        structlog.configure(**logging)  # the command configured it for a stream that is closed


def run_as_operator(environ: Mapping[str, str], *words: str, stdin: str = "") -> Result:
    """Run an operator's command, and assert that it shows no code and no whole number."""
    done = _invoke(words, {**environ, "LOGNAME": OPERATOR}, stdin)
    shown = _IDS.sub("", done.output)
    assert not _WHOLE_NUMBER.search(shown), done.output
    assert CODE not in shown, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def report_answered(api: ApiClient, claim: Claim) -> None:
    """Report a call as answered for seven seconds."""
    report = CallUpdate(
        fingerprint=claim.call_id,
        call_id=claim.call_id,
        provider_ids=(),
        bridges=(),
        started_at=None,
        status=CallStatus.ANSWERED,
        reason=None,
        raw="ANSWER",
        duration_s=7,
    )
    assert api.store.apply_report(report).call_status is CallStatus.ANSWERED


def call_number(
    api: ApiClient, dialer: ManualDialer, times: int, to: str = ASHA
) -> list[dict[str, Any]]:
    """Create verifications with one answered call each, a minute apart. The newest comes last."""
    api.advance_time(-61 * times)
    created = []
    for i in range(times):
        created.append(api.create(to, reference=f"login-{i}", code=CODE, ttl=600))
        report_answered(api, dialer.place())
        api.advance_time(61)
    return created


@contextmanager
def start_command(*words: str, environ: Mapping[str, str], **options: Any) -> Iterator[Process]:
    """Run a command as a process in a session of its own, until the end of the block."""
    command = [sys.executable, "-m", "otpvoice", *words]
    with (
        tempfile.TemporaryDirectory() as folder,
        Process(command, Path(folder, "log"), environ, own_session=True, **options) as process,
    ):
        yield process


@contextmanager
def serve_response(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Serve one response to every request. Yields the URL and the list of requested paths."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
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
            yield f"http://127.0.0.1:{server.server_port}", paths
        finally:
            server.shutdown()
            thread.join()
