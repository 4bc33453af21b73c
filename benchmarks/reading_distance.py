"""The code that a request runs through: functions, files, and moves between files.

A reader who follows a request opens these files and functions. One request of each kind runs under
``sys.setprofile``, after another one has filled the caches. It runs in a separate process, because
the service's log goes to stderr.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from report import Budget, Measurement, Section, at_most
from sizes import Sizes
from stack import API_KEY, Stack, number

import otpvoice
from otpvoice.app import create_app
from otpvoice.bootstrap import initialize

_PACKAGE: Final = str(Path(otpvoice.__file__).parent)
_BUDGETS: Final[dict[str, Budget]] = {
    "create, functions": at_most(110),
    "create, files": at_most(16),
    "check, functions": at_most(85),
    "check, files": at_most(15),
}


def measure(_: Sizes) -> list[Section]:
    """Count the functions and files of a create and of a wrong check."""
    with Stack() as stack:
        stack.reset()
        command = [sys.executable, __file__]
        environ = {**os.environ, **stack.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        counted = subprocess.run(command, env=environ, check=True, capture_output=True).stdout
    figures = [
        Measurement(what, value, what.rpartition(" ")[2], _BUDGETS.get(what))
        for what, value in json.loads(counted).items()
    ]
    return [Section("Reading distance of a request", figures)]


def count_requests() -> dict[str, int]:
    """Count functions, files and moves for each kind of request."""
    client = create_app(initialize(os.environ)).test_client()
    headers = {"Authorization": f"Bearer {API_KEY}"}

    def create(index: int) -> str:
        login = {"name": "Asha", "reference": f"login-{index}", "code": "471102"}
        body = {"to": number(index), **login}
        created = client.post("/v1/verifications", json=body, headers=headers)
        assert created.status_code == 201, created.text
        return str(created.get_json()["id"])

    path = f"/v1/verifications/{create(0)}/checks"

    def check(code: str) -> None:
        checked = client.post(path, json={"code": code}, headers=headers)
        assert checked.status_code == 200, checked.text

    check("000000")
    requests: dict[str, Callable[[], Any]] = {
        "create": lambda: create(1),
        "check": lambda: check("000001"),
    }
    return {
        f"{kind}, {what}": value
        for kind, request in requests.items()
        for what, value in distance(request).items()
    }


def distance(request: Callable[[], Any]) -> dict[str, int]:
    """Return the functions and files of the service that run, and the moves between files.

    A comprehension belongs to the function that contains it.
    """
    functions: set[tuple[str, str]] = set()
    moves, current = 0, ""

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal moves, current
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(_PACKAGE):
            return
        if code.co_name.startswith("<") and code.co_name != "<lambda>":
            return
        functions.add((code.co_filename, code.co_qualname))
        moves += code.co_filename != current
        current = code.co_filename

    sys.setprofile(profile)
    try:
        request()
    finally:
        sys.setprofile(None)
    files = {file for file, _ in functions}
    return {"functions": len(functions), "files": len(files), "moves": moves}


if __name__ == "__main__":
    print(json.dumps(count_requests()))
