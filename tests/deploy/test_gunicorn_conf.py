"""``gunicorn -c config/gunicorn.conf.py``: the same API as ``otpvoice api``."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from api.api_client import WEBHOOK
from deploy.nginx_proxy import CONFIG
from support.processes import Process, free_port, wait_until
from support.raw_http import RawConnection, head
from support.service import PATH_TOKEN


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of the log."""
    return tmp_path / "log"


@pytest.fixture
def port(environ: dict[str, str], log: Path) -> Iterator[int]:
    """Run the API with gunicorn's own command; yields its port."""
    chosen = free_port()
    variables = environ | {"OTPVOICE_SERVER_BIND": f"127.0.0.1:{chosen}"}
    command = [sys.executable, "-m", "gunicorn", "-c", str(CONFIG / "gunicorn.conf.py")]
    with Process([*command, "otpvoice.wsgi:app"], log, variables) as process:
        wait_until(lambda: _listens(chosen), f"gunicorn to start; see {log}")
        yield chosen
        assert process.terminate() == 0


def _listens(port: int) -> bool:
    try:
        with RawConnection(port):
            return True
    except OSError:
        return False


def test_gunicorn_command_runs_the_same_api(port: int, log: Path) -> None:
    """It returns the same errors, and its JSON log quotes no request."""
    with RawConnection(port) as line:
        line.send(head("GET /healthz HTTP/1.1"))
        assert line.read_response("GET").status == 200
    for broken in ("no colon", "X: " + "a" * 8200):
        with RawConnection(port) as line:
            line.send(head(f"GET {WEBHOOK}/{PATH_TOKEN} HTTP/1.1", broken))
            reply = line.read_response("GET")
        assert reply.is_problem(431 if len(broken) > 8 else 400, "invalid_request")
    wait_until(lambda: "request.malformed" in log.read_text("utf-8"), "the last line of the log")
    said = log.read_text("utf-8")
    assert {"http", "request.malformed"} <= {json.loads(row)["event"] for row in said.splitlines()}
    assert PATH_TOKEN not in said
