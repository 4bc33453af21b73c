"""How much code a request runs through: functions, files, and moves between files.

A reader who follows a request has to open these files and find these functions. One request of each
kind runs in this process under ``sys.setprofile``, after one to warm up.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from report import Budget, Measurement, Section, at_most
from run_sizes import Sizes
from stack import API_KEY, Stack, number

import otpvoice
from otpvoice.app import create_app
from otpvoice.bootstrap import initialize

_PACKAGE: Final = str(Path(otpvoice.__file__).parent)
_BUDGETS: Final[dict[str, tuple[Budget, Budget]]] = {
    "create": (at_most(110), at_most(16)),
    "check": (at_most(85), at_most(15)),
}


def measure(_: Sizes) -> list[Section]:
    """Functions and files of the service that a create and a check run through."""
    with Stack() as stack:
        stack.reset()
        app = create_app(initialize({**os.environ, **stack.environ}))
        client = app.test_client()
        headers = {"Authorization": f"Bearer {API_KEY}"}

        def create(index: int) -> Any:
            body = {
                "to": number(index),
                "name": "Asha",
                "reference": f"login-{index}",
                "code": "471102",
            }
            return client.post("/v1/verifications", json=body, headers=headers).get_json()

        path = f"/v1/verifications/{create(0)['id']}/checks"

        def check(code: str) -> Any:
            return client.post(path, json={"code": code}, headers=headers)

        check("000000")
        requests: dict[str, Callable[[], Any]] = {
            "create": lambda: create(1),
            "check": lambda: check("000001"),
        }
        figures = []
        for kind, request in requests.items():
            functions, files, moves = distance(request)
            of_functions, of_files = _BUDGETS[kind]
            figures += [
                Measurement(f"{kind}, functions", functions, "functions", of_functions),
                Measurement(f"{kind}, files", files, "files", of_files),
                Measurement(f"{kind}, moves between files", moves, "moves"),
            ]
    return [Section("Reading distance of a request", figures)]


def distance(request: Callable[[], Any]) -> tuple[int, int, int]:
    """Return the functions and files of the service that run, and the moves between files.

    Comprehensions and class bodies belong to the function that they stand in.
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
    return len(functions), len({file for file, _ in functions}), moves
